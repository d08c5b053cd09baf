#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""views.py --heavy FILE --thunder FILE --boxes yolox_nano.onnx --calibration Calib.qca.txt OUT CAM1.mp4 CAM2.mp4 ...: labels of everyday people by triangulation.

Calibrated, synchronous views of one scene (the clips and the calibration of pose2sim's Demo_MultiPerson). In every N-th frame both teachers look at everybody in each
view; people are put together across views where their joints meet in space, and each joint is triangulated from the views that agree on it. No view's label
is then its own teacher's: what a teacher gets wrong in one view is outvoted by the others. Still it is no human's label, and docs/training.md says so.

OUT/images/FRAME-CAM.png, OUT/labels.json (COCO-17, for `nextpose eval`), OUT/truth.npz (space: [annotation][24][3] millimetres in the camera's own axes,
known [annotation][24], camera [annotation], k and bent of each camera), for evaluate_video.py."""
import argparse
import itertools
import json
import os
import re
import sys

import cv2
import numpy as np

import clips
import joints
import label
import teachers

AREA = .53                                                  # of the box, as scripts/lsp_to_coco.py
TIGHT = 20.                                                 # pixels of 1080 by 1920 within which a view agrees


class Camera:
    """One camera of a Qualisys file: X in the camera = flip * R (X - T), y down and z away from it; pixels are 1/64 units there."""

    def __init__(self, text):
        n = {k: float(v) for k, v in re.findall(r'([A-Za-z]\w*)="(-?[\d.]+)"', text)}
        flip = np.diag([1., -1., -1.])
        self.k = np.array([[n["focalLengthU"], 0, n["centerPointU"] - n["sensorMinU"]], [0, n["focalLengthV"], n["centerPointV"] - n["sensorMinV"]],
                           [0, 0, 64]]) / 64
        self.bent = np.array([n["radialDistortion1"], n["radialDistortion2"], n["tangentalDistortion1"], n["tangentalDistortion2"]])
        turn = np.array([[n[f"r{i}{j}"] for j in (1, 2, 3)] for i in (1, 2, 3)])
        self.r = flip @ turn
        self.t = -self.r @ np.array([n["x"], n["y"], n["z"]])
        self.p = np.column_stack([self.r, self.t])

    def straight(self, xy):
        return cv2.undistortPoints(np.asarray(xy, np.float64).reshape(-1, 1, 2), self.k, self.bent).reshape(-1, 2)

    def project(self, points):
        return cv2.projectPoints(np.asarray(points, np.float64).reshape(-1, 1, 3), self.r, self.t, self.k, self.bent)[0].reshape(-1, 2)


def cameras(path):
    with open(path, encoding="ascii", errors="replace") as f:
        found = [Camera(c) for c in re.findall(r"<camera .*?</camera>", f.read(), re.S)]
    if len(found) < 2:
        sys.exit(f"views: {path}: no Qualisys calibration of two cameras or more")
    return found


def triangulate(cams, people):
    """people: (xy [24][2], w [24]) or None for each camera -> space [24][3], known [24], error [cameras][24] in pixels, inf where not seen.

    Least squares over all views that saw the joint; while one of them disagrees by more than TIGHT, the one is left out without which the others agree
    best. Two views must remain."""
    space, known = np.zeros((joints.N, 3)), np.zeros(joints.N, bool)
    error = np.full((len(cams), joints.N), np.inf)
    line = [c.straight(p[0]) if p else None for c, p in zip(cams, people)]

    def solve(j, use):
        """-> point, error in pixels of each view of `use`."""
        x = np.linalg.svd(np.concatenate([line[i][j][:, None] * cams[i].p[2] - cams[i].p[:2] for i in use]))[2][3]
        return x[:3] / x[3], [np.hypot(*(cams[i].project(x[:3] / x[3])[0] - people[i][0][j])) for i in use]

    for j in range(joints.N):
        use = [i for i, p in enumerate(people) if p and p[1][j] > 0]
        while len(use) >= 2:
            at, off = solve(j, use)
            if max(off) < TIGHT:
                space[j], known[j] = at, True
                error[use, j] = off
                break
            if len(use) == 2:
                break
            use = min(([v for v in use if v != i] for i in use), key=lambda rest: max(solve(j, rest)[1]))
    return space, known, error


def together(cams, views):
    """views: a list of (box, xy, w, ...) for each camera -> [(who [cameras], space, known, error)], most views and joints first, nobody twice."""
    found = []
    for who in itertools.product(*[[None, *range(len(v))] for v in views]):
        if sum(w is not None for w in who) < 2:
            continue
        space, known, error = triangulate(cams, [None if w is None else views[i][w][1:3] for i, w in enumerate(who)])
        seen = np.isfinite(error)
        if all(w is None or seen[i].sum() >= 6 for i, w in enumerate(who)):
            found.append((sum(w is not None for w in who), seen.sum() - error[seen].mean(), who, space, known, error))
    taken, out = set(), []
    for _, _, who, space, known, error in sorted(found, key=lambda f: f[:2], reverse=True):
        mine = {(i, w) for i, w in enumerate(who) if w is not None}
        if not mine & taken:
            taken |= mine
            out.append((who, space, known, error))
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("out")
    p.add_argument("clips", nargs="+", help="one for each camera of the calibration, in its order")
    for name in ("heavy", "thunder", "boxes", "calibration"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--every", type=int, default=5)
    a = p.parse_args()
    cams = cameras(a.calibration)
    if len(cams) != len(a.clips):
        p.error(f"{a.calibration} has {len(cams)} cameras, {len(a.clips)} clips are given")
    boxes, heavy, thunder = label.Teacher(a.boxes, 1), teachers.Heavy(a.heavy), teachers.Thunder(a.thunder)
    os.makedirs(a.out + "/images", exist_ok=True)
    readers, images, annotations, truth, off = [cv2.VideoCapture(c) for c in a.clips], [], [], [], []
    for frame in itertools.count():
        pictures = [r.read() for r in readers]
        if not all(ok for ok, _ in pictures):
            break
        if frame % a.every:
            continue
        pictures = [np.ascontiguousarray(x[:, :, ::-1]) for _, x in pictures]
        views = [clips.people_of(x, boxes, heavy, thunder)[0] for x in pictures]
        first = len(images)
        for i, x in enumerate(pictures):
            name = f"{frame:04d}-{i + 1}.png"
            cv2.imwrite(f"{a.out}/images/{name}", x[:, :, ::-1])
            images.append({"id": len(images) + 1, "file_name": name, "width": x.shape[1], "height": x.shape[0]})
        for who, space, known, error in together(cams, views):
            seen = np.isfinite(error)
            for i, w in enumerate(who):
                if w is None:
                    continue
                known = seen[i] | (seen.sum(0) >= 3)        # two other views alone may both have taken a neighbour's arm
                box, (height, width), xy = views[i][w][0], pictures[i].shape[:2], cams[i].project(space)
                inside = known & (xy >= 0).all(1) & (xy < [width, height]).all(1)
                off += list(np.hypot(*(xy - views[i][w][1]).T)[inside & (views[i][w][2] > 0)])
                flat = [v for j in range(17) for v in ((*xy[j].round(2).tolist(), 2) if inside[j] else (0, 0, 0))]
                size = box[2:] - box[:2]
                annotations.append({"id": len(annotations) + 1, "image_id": first + i + 1, "category_id": 1, "iscrowd": 0, "keypoints": flat,
                                    "num_keypoints": int(inside[:17].sum()), "bbox": [float(v) for v in (*box[:2], *size)], "area": AREA * float(size.prod())})
                truth.append((space @ cams[i].r.T + cams[i].t, known, i))
    if not truth:
        sys.exit("views: nobody who is seen by two cameras")
    names = {"id": 1, "name": "person", "supercategory": "person", "keypoints": joints.NAMES[:17], "skeleton": []}
    with open(a.out + "/labels.json", "w") as f:
        json.dump({"images": images, "annotations": annotations, "categories": [names]}, f)
    space, known, camera = (np.array(c) for c in zip(*truth))
    np.savez(a.out + "/truth.npz", space=space, known=known, camera=camera, k=np.array([c.k for c in cams]), bent=np.array([c.bent for c in cams]))
    print(f"{len(annotations)} people on {len(images)} pictures; the teachers are off by {np.mean(off):.1f} pixels (half by less than {np.median(off):.1f})")


if __name__ == "__main__":
    main()
