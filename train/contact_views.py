#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contact_views.py NEXTPOSE VIEWS MODEL OUT.png [--models-dir DIR]: a contact sheet of a net on the people of views.py, whose pictures may be shown.

`nextpose eval` gives each labelled person's box to the net. A row of the best, two of the middle, a row of the worst, by mean error of the joints over the trunk;
of the same camera's pictures one at most in five is drawn. Left of each pair the label, right the answer (joints under a confidence of .3 are left out)."""
import argparse
import json
import os
import subprocess
import tempfile

import cv2
import numpy as np

import joints
import sheet
import teachers

SIDE = 128


def ask(program, views, model, models_dir):
    """-> prediction [17][3] by annotation id."""
    with tempfile.TemporaryDirectory() as tmp:
        words = [program, "eval", "--images", views + "/images", "--labels", views + "/labels.json", "--boxes", "given", "--model", model, "--quiet",
                 "--results", tmp + "/r.json"]
        subprocess.run(words + (["--models-dir", models_dir] if models_dir else []), check=True, stdout=subprocess.DEVNULL)
        with open(tmp + "/r.json") as f:
            return {r["label_id"]: np.array(r["keypoints"]).reshape(17, 3) for r in json.load(f)}


def mean_error(label, got):
    """Over the trunk's longer diagonal; nan where the label has no trunk or too few joints."""
    known = label[:, 2] > 0
    if not known[[5, 6, 11, 12]].all() or known.sum() < 10:
        return float("nan")
    trunk = max(np.hypot(*(label[5] - label[12])[:2]), np.hypot(*(label[6] - label[11])[:2]))
    return float(np.hypot(*(label - got)[known, :2].T).mean() / max(trunk, 1))


def pick(errors, groups, n=5):
    """Indices: n best, 2n of the middle, n worst; neighbours in time look alike, so only the first of each group is taken in a row."""
    order = [k for k in np.argsort(errors) if np.isfinite(errors[k])]
    middle = order[len(order) // 4:]
    out = []
    for row, count in ((order, n), (sorted(middle, key=lambda k: abs(errors[k] - np.median([errors[i] for i in order]))), 2 * n), (order[::-1], n)):
        taken = set()
        for k in row:
            if groups[k] not in taken and k not in out and len(taken) < count:
                taken.add(groups[k])
                out.append(k)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("program", "views", "model", "out"):
        p.add_argument(name)
    p.add_argument("--models-dir")
    a = p.parse_args()
    with open(a.views + "/labels.json") as f:
        labels = json.load(f)
    answers, people = ask(a.program, a.views, a.model, a.models_dir), labels["annotations"]
    kept = [np.array(x["keypoints"], float).reshape(17, 3) for x in people]
    errors = [mean_error(k, answers[x["id"]]) if x["id"] in answers else float("nan") for k, x in zip(kept, people)]
    names = [labels["images"][x["image_id"] - 1]["file_name"] for x in people]
    groups = [(n.rpartition("-")[2], int(n[:4]) // 40, round(x["bbox"][0] / 150)) for n, x in zip(names, people)]
    pictures, no_feet = [], np.zeros((joints.N - 17, 3))
    for k in pick(errors, groups):
        image, box = cv2.imread(os.path.join(a.views, "images", names[k]))[:, :, ::-1], np.array(people[k]["bbox"])
        crop, m = teachers.square(image, box[:2] + box[2:] / 2, 1.25 * max(box[2:]), 0., SIDE)
        for points, least in ((kept[k], 0.), (answers[people[k]["id"]], .3)):
            points = np.concatenate([points, no_feet])
            at = (points[:, :2] - m[:, 2]) @ np.linalg.inv(m[:, :2]).T
            pictures.append(sheet.draw(crop.copy(), at, points[:, 2] > least))
    sheet.save(a.out, sheet.grid(pictures, 10))
    known = [e for e in errors if np.isfinite(e)]
    print(f"{a.out}: {len(known)} people, error over the trunk {np.min(known):.2f} to {np.max(known):.2f}, half under {np.median(known):.2f}")


if __name__ == "__main__":
    main()
