# SPDX-License-Identifier: Apache-2.0
"""Small pictures in a grid, with skeletons: to look at what the net is fed and what it answers."""
import cv2
import numpy as np

import joints

COLOURS = {True: (255, 120, 0), False: (0, 160, 255)}       # left, right


def draw(picture, p, known, radius=2):
    for a, b in joints.LIMBS + [(0, 18)]:
        if known[a] and known[b]:
            cv2.line(picture, tuple(int(v) for v in p[a][:2]), tuple(int(v) for v in p[b][:2]), (0, 220, 0), 1, cv2.LINE_AA)
    for j in range(len(p)):
        if known[j]:
            cv2.circle(picture, tuple(int(v) for v in p[j][:2]), radius, COLOURS["left" in joints.NAMES[j]], -1, cv2.LINE_AA)
    return picture


def grid(pictures, columns):
    rows = [np.concatenate(pictures[i:i + columns], 1) for i in range(0, len(pictures) - columns + 1, columns)]
    return np.concatenate(rows, 0)


def save(path, picture):
    if not cv2.imwrite(path, picture[:, :, ::-1]):
        raise SystemExit(f"{path}: cannot be written")
