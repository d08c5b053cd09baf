#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""evaluate_det.py NEXTPOSE IMAGES LABELS.json DETECTOR...: the detectors' table of docs/training.md.

Leeds Sports labels one person a picture, so only one figure is fair: how many of these people are found (IoU .5 with the labels' box at a score of .3), all
and by their height; and how many boxes a picture come with it. AP would punish whoever finds the unlabelled others."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(w, 0) * max(h, 0)
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__.split("\n")[0])
    program, images, path = sys.argv[1:4]
    with open(path) as f:
        labels = json.load(f)
    people = labels["annotations"]
    print("| detector | found | under 100 px | 100 to 150 px | over 150 px | boxes a picture |\n|---|---|---|---|---|---|")
    for d in sys.argv[4:]:
        with tempfile.TemporaryDirectory() as tmp:
            subprocess.run([program, "eval", "--images", images, "--labels", path, "--model", "none", "--detector", d, "--results", tmp + "/r.json",
                            "--quiet"], check=True, stdout=subprocess.DEVNULL)
            with open(tmp + "/r.json") as f:
                rows = [r for r in json.load(f) if r["score"] >= .3]
        boxes = {}
        for r in rows:
            boxes.setdefault(r["image_id"], []).append(r["bbox"])
        hit = np.array([any(overlap(p["bbox"], b) >= .5 for b in boxes.get(p["image_id"], [])) for p in people])
        tall = np.array([p["bbox"][3] for p in people])
        parts = [hit, hit[tall < 100], hit[(tall >= 100) & (tall < 150)], hit[tall >= 150]]
        print(f"| {os.path.basename(d)} | " + " | ".join(f"{h.mean():.3f}" for h in parts) + f" | {len(rows) / len(labels['images']):.1f} |", flush=True)


if __name__ == "__main__":
    main()
