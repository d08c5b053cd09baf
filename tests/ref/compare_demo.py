# SPDX-License-Identifier: Apache-2.0
"""Joints of `nextpose run` against the same models in Python (pyref.py), on the demo clip.

usage: compare_demo.py NEXTPOSE CLIP MODELS_DIR [FRAMES]
Passes when every person that both see agrees to under 1 px median and 3 px at the 99th percentile over the joints that the
net itself is sure of (confidence .5 and more on both sides), and at most 2 % of the people are seen by one side only.

Why the joints that the net is sure of: a joint that is out of sight has a flat heat map, and a quarter of a pixel in the crop
(boxes of an int8 detector come in steps) moves its guess by tens of pixels on either side; it is reported beside."""
import json
import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np

sys.path.insert(0, os.path.dirname(__file__))
from pyref import Pipeline, iou

nextpose, clip, models = sys.argv[1:4]
limit = int(sys.argv[4]) if len(sys.argv) > 4 else 10**9
det, pose = os.path.join(models, "efficientdet_lite0_int8.tflite"), os.path.join(models, "pose_landmark_full.tflite")
with tempfile.TemporaryDirectory() as tmp:
    out = os.path.join(tmp, "out.jsonl")
    subprocess.run([nextpose, "run", "-i", clip, "--detector", det, "--model", pose, "--save-json", out, "--quiet"], check=True)
    ours = [json.loads(line) for line in open(out)][1:]

ref = Pipeline(det, pose, threads=2)
cap = cv2.VideoCapture(clip)
cap.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
errors, sure, boxes, lone, both, n = [], [], [], 0, 0, 0
for row in ours[:limit]:
    ok, bgr = cap.read()
    if not ok:
        break
    n += 1
    people = [p for p in ref.frame(bgr) if p[1] is not None]
    mine = [p for p in row["persons"] if p["keypoints"]]
    taken = set()
    for box, joints in people:
        best, at = 0, -1
        for i, p in enumerate(mine):
            x, y, w, h = p["box"]
            o = iou(box, (x, y, x + w, y + h))
            if i not in taken and o > best:
                best, at = o, i
        if best < 0.5:
            lone += 1
            continue
        taken.add(at)
        both += 1
        x, y, w, h = mine[at]["box"]
        boxes.append(max(abs(x - box[0]), abs(y - box[1]), abs(x + w - box[2]), abs(y + h - box[3])))
        k = np.array(mine[at]["keypoints"], np.float32)
        d = np.hypot(k[:, 0] - joints[:, 0], k[:, 1] - joints[:, 1])
        errors.append(d)
        sure.append(d[(k[:, 2] >= 0.5) & (joints[:, 2] >= 0.5)])
    lone += len(mine) - len(taken)
all_e, sure_e = np.concatenate(errors), np.concatenate(sure)
report = lambda name, e: print(f"{name}: {len(e)} joints, median {np.median(e):.3f} px, p95 {np.percentile(e, 95):.3f}, p99 {np.percentile(e, 99):.3f}, max {e.max():.2f}")
print(f"{n} frames, {both} people seen by both, {lone} by one side only; boxes differ by median {np.median(boxes):.2f} px")
report("sure joints (confidence >= .5)", sure_e)
report("all joints", all_e)
bad = np.median(sure_e) >= 1 or np.percentile(sure_e, 99) >= 3 or lone > 0.02 * (both + lone) or n < min(limit, len(ours))
print("FAIL" if bad else "ok")
sys.exit(1 if bad else 0)
