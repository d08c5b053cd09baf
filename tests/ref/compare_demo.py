# SPDX-License-Identifier: Apache-2.0
"""Joints of `nextpose run` against the same models in Python (pyref.py, LiteRT), on the demo clip, from the decoder's own pixels.

usage: compare_demo.py NEXTPOSE CLIP MODELS_DIR [FRAMES]
The whole chain, Python finding its own boxes, must agree to under 1 px median and 3 px at the 99th percentile, and nobody may be seen by one side only in more
than 2 of 100 cases. That needs equal bytes at the net's input and an equal 8-bit net: the boxes of the int8 detector come in steps of about one percent of
the person, and one last bit of one input byte can move a box by a step, and its joints with it (the yardstick line shows how much). Joints in our boxes are compared too: they
hold where the chain does not, and tell the detector from the pose net when something is wrong.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(__file__))
from pyref import Pipeline, Planes, iou

nextpose, clip, models = sys.argv[1:4]
limit = int(sys.argv[4]) if len(sys.argv) > 4 else 10**9
det, pose = os.path.join(models, "efficientdet_lite0_int8.tflite"), os.path.join(models, "pose_landmark_full.tflite")
with tempfile.TemporaryDirectory() as tmp:
    out = os.path.join(tmp, "out.jsonl")
    subprocess.run([nextpose, "run", "-i", clip, "--detector", det, "--model", pose, "--save-json", out, "--quiet", "--smooth", "none"], check=True)
    ours = [json.loads(line) for line in open(out)][1:]

ref = Pipeline(det, pose, threads=2)
probe = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "csv=p=0", clip], check=True, capture_output=True, text=True)
width, height = (int(v) for v in probe.stdout.strip().strip(",").split(",")[:2])
video = subprocess.Popen(["ffmpeg", "-v", "quiet", "-i", clip, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"], stdout=subprocess.PIPE)


def read_planes():
    cw, ch = (width + 1) // 2, (height + 1) // 2
    data = video.stdout.read(width * height + 2 * cw * ch)
    if len(data) < width * height + 2 * cw * ch:
        return None
    a = np.frombuffer(data, np.uint8)
    n, c = width * height, cw * ch
    return Planes(a[:n].reshape(height, width), a[n : n + c].reshape(ch, cw), a[n + c :].reshape(ch, cw))


def distance(person, joints):
    k = np.array(person["keypoints"], np.float32)
    return np.hypot(k[:, 0] - joints[:, 0], k[:, 1] - joints[:, 1])


def xyxy(person):
    x, y, w, h = person["box"]
    return x, y, x + w, y + h


chain, given, boxes, shaken, lone, both, n = [], [], [], [], 0, 0, 0
for row in ours[:limit]:
    picture = read_planes()
    if picture is None:
        break
    n += 1
    mine = [p for p in row["persons"] if p["keypoints"]]
    for p in row["persons"]:
        joints = ref.joints(picture, xyxy(p))
        if (joints is None) != (not p["keypoints"]):
            lone += 1
        elif joints is not None:
            given.append(distance(p, joints))
    taken, theirs = set(), ref.frame(picture)
    for box in ref.detect(picture, flips=30):
        o, same = max(((iou(box, b), b) for b, _ in theirs), default=(0, None))
        if o >= 0.5:
            shaken.append(max(abs(a - b) for a, b in zip(box[:4], same)) / max(same[2] - same[0], same[3] - same[1]))
    for box, joints in theirs:
        best, at = max(((iou(box, xyxy(p)), i) for i, p in enumerate(row["persons"]) if i not in taken), default=(0, -1))
        if best < 0.5:
            lone += 1
            continue
        taken.add(at)
        both += 1
        p = row["persons"][at]
        boxes.append(max(abs(a - b) for a, b in zip(box, xyxy(p))) / max(p["box"][2:]))
        if joints is not None and p["keypoints"]:
            chain.append(distance(p, joints))
    lone += len(row["persons"]) - len(taken)
video.kill()


def report(name, e):
    e = np.concatenate(e)
    print(f"{name}: {len(e)} joints, median {np.median(e):.3f} px, p95 {np.percentile(e, 95):.3f}, p99 {np.percentile(e, 99):.3f}, max {e.max():.2f}")
    return np.median(e), np.percentile(e, 99)


print(f"{n} frames, {both} people seen by both, {lone} by one side only; boxes differ by median {100 * np.median(boxes):.2f} % of the person, p99 {100 * np.percentile(boxes, 99):.2f} %")
print(f"yardstick: Python against itself, last bit of 30 of 307,200 input bytes flipped: boxes differ by median {100 * np.median(shaken):.2f} %, p99 {100 * np.percentile(shaken, 99):.2f} %")
given_median, given_p99 = report("joints in the same boxes", given)
chain_median, chain_p99 = report("joints of the whole chain", chain)
bad = given_median >= 1 or given_p99 >= 3 or chain_median >= 1 or chain_p99 >= 3 or lone > 0.02 * (both + lone) or n < min(limit, len(ours))
print("FAIL" if bad else "ok")
sys.exit(1 if bad else 0)
