#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""evaluate_video.py NEXTPOSE [--views DIR] [--clip FILE ...] [--models-dir DIR] MODEL...: what `nextpose run` makes of video: trembling, and the error in space.

    trembling     second difference of a joint over three pictures in a row, in thousandths of the person's box height, mean over all joints of a
                  confidence of .3 and more; no smoothing. Real movement has some, too: compare nets on one clip, not clips
    depth, space  against the triangulation of views.py: depth from the pelvis, and the mean distance of joints (MPJPE) when the net's pixels and depth are
                  put into space at the true distance of the pelvis. Millimetres; body joints (no face). Nets without depth have none

Persons are matched with the labels by their boxes (IoU .5). `people` says how many of the labelled ones came out."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np

import joints
from evaluate_det import overlap

BODY = [*range(5, 17), *range(20, 24)]
THRESHOLD = .3


def run(program, source, model, models_dir, detector):
    """-> joint names, frames as `nextpose run` writes them."""
    with tempfile.TemporaryDirectory() as tmp:
        words = [program, "run", "-i", source, "--model", model, "--detector", detector, "--every-frame", "--smooth", "none", "--preset", "quality", "--quiet",
                 "--frame-skip", "1", "--detection-freq", "1", "--out", tmp + "/o.jsonl", "--format", "jsonl"]
        r = subprocess.run(words + (["--models-dir", models_dir] if models_dir else []), capture_output=True, text=True)
        if r.returncode:
            sys.exit(f"evaluate_video: {' '.join(words)}: exit {r.returncode}: {r.stderr.strip()}")
        with open(tmp + "/o.jsonl") as f:
            lines = [json.loads(line) for line in f]
    return lines[0]["keypoint_names"], [x for x in lines if "persons" in x]


def trembling(frames):
    """Thousandths of the box height."""
    tracks = {}
    for f in frames:
        for p in f["persons"]:
            if p["source"] == "inferred":
                tracks.setdefault(p["id"], {})[f["frame"]] = (np.array(p["keypoints"], float), p["box"][3])
    moves = []
    for t in tracks.values():
        for n in t:
            if n - 1 in t and n + 1 in t:
                a, b, c = (t[i][0] for i in (n - 1, n, n + 1))
                sure = (np.stack([a, b, c])[:, :, 2] >= THRESHOLD).all(0)
                moves += list(np.hypot(*(a[:, :2] - 2 * b[:, :2] + c[:, :2])[sure].T) / t[n][1])
    return 1000 * np.mean(moves) if moves else float("nan")


def depths(person, names):
    """Pixels [24][2] and metres behind the pelvis [24] of a person in np24's order, nan where its net has none."""
    xy, z = np.full((joints.N, 2), np.nan), np.full(joints.N, np.nan)
    for j, name in enumerate(joints.NAMES):
        if name in names:
            i = names.index(name)
            xy[j], z[j] = person["keypoints"][i][:2], person["keypoints_z"][i]
    if np.isnan(z[joints.PELVIS]):
        xy[joints.PELVIS], z[joints.PELVIS] = xy[11:13].mean(0), z[11:13].mean()
    return xy, z - z[joints.PELVIS]


def in_space(xy, z, far, k, bent):
    """Pixels and depths (mm) of a person whose pelvis is `far` away -> millimetres in the camera's axes, pelvis at nought."""
    line = cv2.undistortPoints(xy.reshape(-1, 1, 2), k, bent).reshape(-1, 2)
    at = np.column_stack([line * (far + z)[:, None], z])
    return at - at[joints.PELVIS]


def errors(frames, names, labels, truth):
    """-> depth errors, distances, people found."""
    by_name, depth, space, people = {}, [], [], 0
    for n, a in enumerate(labels["annotations"]):
        by_name.setdefault(labels["images"][a["image_id"] - 1]["file_name"], []).append(n)
    for f in frames:
        for n in by_name.get(f["name"], []):
            box = labels["annotations"][n]["bbox"]
            person = max(f["persons"], key=lambda p: overlap(p["box"], box), default=None)
            if person is None or overlap(person["box"], box) < .5:
                continue
            people += 1
            want, known = truth["space"][n], truth["known"][n]
            if "keypoints_z" not in person or not known[joints.PELVIS]:
                continue
            xy, z = depths(person, names)
            got = in_space(xy, 1000 * z, want[joints.PELVIS, 2], truth["k"][truth["camera"][n]], truth["bent"][truth["camera"][n]])
            d = (got - (want - want[joints.PELVIS]))[BODY][known[BODY]]
            d = d[np.isfinite(d).all(1)]
            depth += list(np.abs(d[:, 2]))
            space += list(np.linalg.norm(d, axis=1))
    return depth, space, people


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("program")
    p.add_argument("models", nargs="+")
    p.add_argument("--views", help="folder of views.py")
    p.add_argument("--clip", action="append", default=[])
    p.add_argument("--models-dir")
    p.add_argument("--detector", default="efficientdet_lite0_int8")
    a = p.parse_args()
    if a.views:
        with open(a.views + "/labels.json") as f:
            labels = json.load(f)
        truth = np.load(a.views + "/truth.npz")
        cameras = sorted({os.path.splitext(i["file_name"])[0].rpartition("-")[2] for i in labels["images"]})
    print("| net |" + "".join(f" trembling, {os.path.basename(c)} |" for c in a.clip) + (" depth mm | space mm | people |" if a.views else ""))
    print("|---|" + "---|" * (len(a.clip) + 3 * bool(a.views)))
    cell = lambda v: f" {v:.1f} |" if np.isfinite(v) else " - |"
    for m in a.models:
        row = f"| {os.path.basename(m)} |"
        for c in a.clip:
            row += cell(trembling(run(a.program, c, m, a.models_dir, a.detector)[1]))
        if a.views:
            depth, space, people = [], [], 0
            for c in cameras:
                names, frames = run(a.program, f"{a.views}/images/*-{c}.png", m, a.models_dir, a.detector)
                for total, part in zip((depth, space), (found := errors(frames, names, labels, truth))):
                    total += part
                people += found[2]
            row += "".join(f" {np.mean(v):.0f} |" if v else " - |" for v in (depth, space)) + f" {people} of {len(truth['known'])} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
