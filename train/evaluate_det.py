#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""evaluate_det.py NEXTPOSE IMAGES LABELS.json [--heights 100,150] [--everybody] [--models-dir DIR] DETECTOR...: the detectors' tables of docs/training.md.

Leeds Sports labels one person a picture, so only one figure is fair: how many of these people are found (IoU .5 with the labels' box at a score of .3), all
and by their height; and how many boxes a picture come with it. AP would punish whoever finds the unlabelled others; with --everybody, for labels of
everybody, AP50 stands beside."""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inter = max(w, 0) * max(h, 0)
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


def find(program, images, labels, detector, models_dir=None):
    """-> its boxes of a score of .3 and more, what `nextpose eval` says of them."""
    with tempfile.TemporaryDirectory() as tmp:
        words = [program, "eval", "--images", images, "--labels", labels, "--model", "none", "--detector", detector, "--results", tmp + "/r.json", "--json", "--quiet"]
        said = subprocess.run(words + (["--models-dir", models_dir] if models_dir else []), check=True, stdout=subprocess.PIPE, text=True).stdout
        with open(tmp + "/r.json") as f:
            return [r for r in json.load(f) if r["score"] >= .3], json.loads(said)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("program", "images", "labels"):
        p.add_argument(name)
    p.add_argument("detectors", nargs="+")
    p.add_argument("--heights", default="100,150", help="A,B: pixels between short, middle and tall people")
    p.add_argument("--everybody", action="store_true", help="the labels leave nobody out: AP50, too")
    p.add_argument("--models-dir")
    a = p.parse_args()
    low, high = (int(v) for v in a.heights.split(","))
    with open(a.labels) as f:
        labels = json.load(f)
    people = labels["annotations"]
    print(f"| detector | found | under {low} px | {low} to {high} px | over {high} px | boxes a picture |" + (" AP50 |" if a.everybody else ""))
    print("|---|---|---|---|---|---|" + ("---|" if a.everybody else ""))
    for d in a.detectors:
        rows, said = find(a.program, a.images, a.labels, d, a.models_dir)
        boxes = {}
        for r in rows:
            boxes.setdefault(r["image_id"], []).append(r["bbox"])
        hit = np.array([any(overlap(p["bbox"], b) >= .5 for b in boxes.get(p["image_id"], [])) for p in people])
        tall = np.array([p["bbox"][3] for p in people])
        parts = [hit, hit[tall < low], hit[(tall >= low) & (tall < high)], hit[tall >= high]]
        cells = [f"{h.mean():.3f}" if len(h) else "-" for h in parts] + [f"{len(rows) / len(labels['images']):.1f}"]
        cells += [f"{said['boxes']['AP50']:.3f}"] if a.everybody else []
        print(f"| {os.path.basename(d)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
