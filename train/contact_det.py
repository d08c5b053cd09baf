#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contact_det.py NEXTPOSE VIEWS MODEL OUT.png [--models-dir DIR]: a contact sheet of a detector on the pictures of views.py, which may be shown.

Green: the labelled people (boxes of YOLOX-nano). Pink: what the detector found, with its score, from .3 up. A row of the best, one of the middle, one of the
worst, by how well a picture's people are found: for each the overlap (IoU) with the best box, nought under .5; the mean, and then fewer boxes that fit nobody.
Of the same camera's pictures neighbours in time look alike: of ten seconds only one is drawn in a row."""
import argparse
import json
import os

import cv2
import numpy as np

import evaluate_det
import sheet

WIDTH, HEIGHT, COLUMNS = 180, 316, 6


def judge(people, boxes):
    """-> mean overlap of the people with their boxes (under .5: not found), people found, boxes that fit nobody."""
    best = [max([evaluate_det.overlap(p, b) for b in boxes], default=0.) for p in people]
    stray = sum(all(evaluate_det.overlap(p, b) < .5 for p in people) for b in boxes)
    return float(np.mean([v if v >= .5 else 0. for v in best])), sum(v >= .5 for v in best), stray


def tile(picture, people, found):
    h, w = picture.shape[:2]
    k = min(WIDTH / w, HEIGHT / h)
    small = cv2.resize(picture, (round(w * k), round(h * k)), interpolation=cv2.INTER_AREA)
    out = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    at = np.array([(WIDTH - small.shape[1]) // 2, (HEIGHT - small.shape[0]) // 2])
    out[at[1]:at[1] + small.shape[0], at[0]:at[0] + small.shape[1]] = small
    for box in people:
        sheet.frame(out, np.array(box) * k + [*at, 0, 0], sheet.LABEL)
    for box, score in found:
        sheet.frame(out, np.array(box) * k + [*at, 0, 0], sheet.ANSWER, f"{score:.2f}")
    return out


def pick(order, groups, taken, n=COLUMNS):
    """n of `order` that no other row has, one a group where there are that many groups."""
    row = []
    for once in (True, False):
        for i in order:
            if len(row) < n and i not in taken and not (once and groups[i] in {groups[j] for j in row}):
                row.append(i)
                taken.add(i)
    return row


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("program", "views", "model", "out"):
        p.add_argument(name)
    p.add_argument("--models-dir")
    a = p.parse_args()
    with open(a.views + "/labels.json") as f:
        labels = json.load(f)
    rows, _ = evaluate_det.find(a.program, a.views + "/images", a.views + "/labels.json", a.model, a.models_dir)
    people, found = {}, {}
    for x in labels["annotations"]:
        people.setdefault(x["image_id"], []).append(x["bbox"])
    for r in rows:
        found.setdefault(r["image_id"], []).append((r["bbox"], r["score"]))
    names = {i["id"]: i["file_name"] for i in labels["images"] if i["id"] in people}
    if len(names) < 3 * COLUMNS:
        p.error(f"{a.views}: {len(names)} pictures with people, a sheet needs {3 * COLUMNS}")
    verdict = {i: judge(people[i], [b for b, _ in found.get(i, [])]) for i in names}
    order = sorted(names, key=lambda i: (-verdict[i][0], verdict[i][2], i))
    groups = {i: (n.rpartition("-")[2], int(n[:4]) // 40) for i, n in names.items()}
    place, taken = {i: k for k, i in enumerate(order)}, set()
    chosen = pick(order, groups, taken)
    worst = pick(order[::-1], groups, taken)
    chosen += pick(sorted(order, key=lambda i: abs(place[i] - len(order) / 2)), groups, taken) + worst
    sheet.save(a.out, sheet.grid([tile(cv2.imread(os.path.join(a.views, "images", names[i]))[:, :, ::-1], people[i], found.get(i, [])) for i in chosen], COLUMNS))
    total = sum(len(v) for v in people.values())
    print(f"{a.out}: {len(names)} pictures, {sum(v[1] for v in verdict.values())} of {total} people found, "
          f"{sum(v[2] for v in verdict.values())} boxes that fit nobody, {sum(v[1] == len(people[i]) for i, v in verdict.items())} pictures with everybody found")


if __name__ == "__main__":
    main()
