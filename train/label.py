#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""label.py --teacher yolox_nano.onnx [--work DIR] [--first N] [--last N]: boxes of everybody on the training pictures, by a teacher, for train_det.py.

Leeds Sports labels one person a picture and leaves out the others; a detector trained on that would learn to overlook people. The teacher (YOLOX-nano,
Apache-2.0) looks three times: as it is, mirrored, and shrunk to 60 % (people who fill the picture). Boxes that meet are joined, weighted by their scores.

    person    the joined score is .3 or more, or two looks agree on .2 or more
    ignore    what is left above .1: nobody is sure, so the trainer neither rewards nor punishes an answer there
    human     the labelled person counts whatever the teacher says (it overlooks half of those who are upside down); its box is the teacher's where
              the two meet by half, else the extent of the joints, grown by a tenth of the longer side

Writes boxes-FIRST-LAST.npz: idx, box [n][4], score, kind (0 person, 1 ignore, 2 person known by a human). 9000 pictures: about 10 minutes a core."""
import argparse
import os
import sys

import cv2
import numpy as np
import onnxruntime

import prepare

SIDE = 416


def iou(a, b):
    """[n][4], [m][4] -> [n][m]"""
    lo, hi = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.clip(hi - lo, 0, None), 2)
    area = [np.prod(x[:, 2:] - x[:, :2], 1) for x in (a, b)]
    return inter / np.maximum(area[0][:, None] + area[1][None] - inter, 1e-9)


class Teacher:
    def __init__(self, path, threads):
        o = onnxruntime.SessionOptions()
        o.intra_op_num_threads = threads
        self.net = onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])
        shape = self.net.get_inputs()[0].shape
        if list(shape[1:]) != [3, SIDE, SIDE]:
            sys.exit(f"{path}: its input is {shape}, a YOLOX at {SIDE} px is wanted")
        cells = [(x, y, s) for s in (8, 16, 32) for y in range(SIDE // s) for x in range(SIDE // s)]
        self.grid, self.stride = np.array([c[:2] for c in cells], np.float32), np.array([c[2:] for c in cells], np.float32)

    def look(self, picture, share, mirrored):
        """-> boxes [n][5] in pixels of the picture, sorted by score, doubles removed."""
        h, w = picture.shape[:2]
        k = SIDE * share / max(h, w)
        small = cv2.resize(picture, (max(1, round(w * k)), max(1, round(h * k))), interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR)
        canvas = np.full((SIDE, SIDE, 3), 114, np.uint8)
        canvas[:small.shape[0], :small.shape[1]] = small[:, ::-1] if mirrored else small
        out = self.net.run(None, {self.net.get_inputs()[0].name: canvas[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        score = out[:, 4] * out[:, 5]
        keep = np.flatnonzero(score > .1)
        centre, size = (out[keep, :2] + self.grid[keep]) * self.stride[keep], np.exp(out[keep, 2:4]) * self.stride[keep]
        box = np.concatenate([centre - size / 2, centre + size / 2], 1)
        if mirrored:
            box[:, [0, 2]] = small.shape[1] - box[:, [2, 0]]
        box = np.concatenate([np.clip(box / k, 0, [w, h, w, h]), score[keep, None]], 1)
        box, picked = box[np.argsort(-box[:, 4])], []
        while len(box):
            picked.append(box[0])
            box = box[iou(box[:1, :4], box[:, :4])[0] < .6]
        return np.array(picked).reshape(-1, 5)


def join(looks):
    """Boxes of several looks -> joined boxes [n][5] and by how many looks each was seen."""
    rest = np.concatenate([np.concatenate([b, np.full((len(b), 1), i)], 1) for i, b in enumerate(looks)])
    rest, out = rest[np.argsort(-rest[:, 4])], []
    while len(rest):
        same = iou(rest[:1, :4], rest[:, :4])[0] > .55
        group, rest = rest[same], rest[~same]
        seen = len(set(group[:, 5]))
        out.append(np.concatenate([(group[:, :4] * group[:, 4:5]).sum(0) / group[:, 4].sum(), [group[:, 4].max(), seen]]))
    return np.array(out).reshape(-1, 6)


def everybody(teacher, picture, human):
    """-> rows x0 y0 x1 y1 score kind."""
    found = join([teacher.look(picture, 1, False), teacher.look(picture, 1, True), teacher.look(picture, .6, False)])
    sure = (found[:, 4] >= .3) | ((found[:, 4] >= .2) & (found[:, 5] >= 2))
    rows = [[*b[:5], 0 if s else 1] for b, s in zip(found, sure)]
    known = human[:, 2] > 0
    if known.sum() >= 4:
        p = human[known, :2]
        grow, size = .1 * (p.max(0) - p.min(0)).max(), [picture.shape[1], picture.shape[0]]
        box = np.concatenate([np.clip(p.min(0) - grow, 0, size), np.clip(p.max(0) + grow, 0, size)])
        meets = iou(box[None], found[:, :4])[0] if len(found) else np.zeros(0)
        if len(meets) and meets.max() > .5:
            rows[int(meets.argmax())][5] = 2
        else:
            rows = [r for r in rows if iou(box[None], np.array([r[:4]]))[0, 0] < .3] + [[*box, 1., 2]]
    return np.array(rows, np.float32).reshape(-1, 6)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--teacher", required=True)
    p.add_argument("--work")
    p.add_argument("--first", type=int, default=1)
    p.add_argument("--last", type=int, default=9000)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    folder = prepare.work_dir(a.work)
    index, pixels = np.load(folder + "/pictures.npy"), np.memmap(folder + "/pictures.u8", np.uint8, "r")
    with np.load(folder + "/people.npz") as z:
        human = z["human"]
    if not 1 <= a.first <= a.last <= len(index):
        p.error(f"--first and --last are 1 to {len(index)}")
    teacher, rows = Teacher(a.teacher, a.threads), []
    for i in range(a.first - 1, a.last):
        offset, h, w = index[i]
        r = everybody(teacher, pixels[offset:offset + h * w * 3].reshape(h, w, 3), human[i])
        rows.append(np.concatenate([np.full((len(r), 1), i, np.float32), r], 1))
        if (i + 1) % 500 == 0:
            print(f"{i + 1} pictures, {sum(map(len, rows))} boxes", flush=True)
    rows = np.concatenate(rows)
    out = f"{folder}/boxes-{a.first}-{a.last}.npz"
    np.savez_compressed(out[:-4] + ".tmp.npz", idx=rows[:, 0].astype(np.int32), box=rows[:, 1:5], score=rows[:, 5], kind=rows[:, 6].astype(np.int8))
    os.replace(out[:-4] + ".tmp.npz", out)
    print(f"{out}: {(rows[:, 6] != 1).sum()} people, {(rows[:, 6] == 1).sum()} doubtful, on {a.last - a.first + 1} pictures")


if __name__ == "__main__":
    main()
