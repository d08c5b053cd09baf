# SPDX-License-Identifier: Apache-2.0
"""Pictures for the detector: single ones and mosaics of 4 or 9, at all scales, with the boxes of everybody that label.py found."""
import cv2
import numpy as np

import people as crops


class Pictures:
    def __init__(self, folder, train=True, limit=0):
        self.index, self.pixels = np.load(folder + "/pictures.npy"), np.memmap(folder + "/pictures.u8", np.uint8, "r")
        with np.load(folder + "/boxes-1-9000.npz") as z:
            self.idx, self.box, self.kind = z["idx"], z["box"], z["kind"]
        held_out = np.isin(np.arange(len(self.index)), crops.VALIDATION)
        self.list = np.flatnonzero(~held_out if train else held_out)[:limit or None]
        self.n = len(self.list)
        self.first = np.searchsorted(self.idx, np.arange(len(self.index) + 1))

    def get(self, i):
        """-> picture, boxes [n][4], doubtful [n]."""
        offset, h, w = self.index[i]
        rows = slice(self.first[i], self.first[i + 1])
        return self.pixels[offset:offset + h * w * 3].reshape(h, w, 3), self.box[rows].astype(np.float64), self.kind[rows] == 1


def place(canvas, picture, box, doubtful, area, rng, spread):
    """Puts a picture into `area` (x0 y0 x1 y1) of the canvas, scaled, shifted, perhaps mirrored and turned a little. -> boxes, doubtful."""
    x0, y0, x1, y1 = area
    h, w = picture.shape[:2]
    k = max((x1 - x0) / w, (y1 - y0) / h) if rng.random() < .5 else min((x1 - x0) / w, (y1 - y0) / h)
    k *= np.exp(rng.uniform(*spread))
    angle = np.clip(rng.normal(0, np.radians(6)), -.25, .25) if rng.random() < .3 else (rng.choice([.5, 1, 1.5]) * np.pi if rng.random() < .04 else 0.)
    flip = rng.random() < .5
    co, si = np.cos(angle) * k, np.sin(angle) * k
    m = np.array([[co, -si, 0], [si, co, 0]])
    if flip:
        m[0] *= -1
    slack = .25 * np.array([x1 - x0, y1 - y0]) * rng.uniform(-1, 1, 2)
    m[:, 2] = np.array([x1 - x0, y1 - y0]) / 2 + slack - m[:, :2] @ np.array([w / 2, h / 2])
    if k < .5:
        picture = cv2.GaussianBlur(picture, (0, 0), .35 / k)
    canvas[y0:y1, x0:x1] = cv2.warpAffine(picture, m, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderValue=crops.GREY)
    if not len(box):
        return box.reshape(0, 4), doubtful
    corners = box[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ m[:, :2].T + m[:, 2]
    lo, hi = corners.min(1), corners.max(1)
    if angle % (np.pi / 2):                                  # a person fills less than the turned rectangle's hull
        shrink = .5 * (hi - lo - (box[:, 2:] - box[:, :2]) * k)
        lo, hi = lo + .6 * shrink, hi - .6 * shrink
    whole = np.prod(hi - lo, 1)
    lo, hi = (np.clip(v, 0, [x1 - x0, y1 - y0]) for v in (lo, hi))
    left = np.prod(np.maximum(hi - lo, 0), 1) / np.maximum(whole, 1e-9)
    keep = (left > .05) & (hi - lo > 2).all(1)
    doubtful = doubtful | (left < .3) | ((hi - lo).max(1) < 10)
    return np.concatenate([lo, hi], 1)[keep] + [x0, y0, x0, y0], doubtful[keep]


def sample(pictures, i, size, rng):
    """-> picture [size][size][3], boxes, doubtful ones apart."""
    kind = rng.random()
    n = 1 if kind < .4 else 2 if kind < .85 else 3
    cuts = [np.round(np.concatenate([[0], (np.arange(1, n) + rng.uniform(-.2, .2, n - 1)) / n, [1]]) * size).astype(int) for _ in range(2)]
    canvas, rows, unsure = np.empty((size, size, 3), np.uint8), [], []
    for y in range(n):
        for x in range(n):
            k = i if x == y == 0 else pictures.list[rng.integers(pictures.n)]
            area = (cuts[0][x], cuts[1][y], cuts[0][x + 1], cuts[1][y + 1])
            b, d = place(canvas, *pictures.get(k), area, rng, (-.7, .5) if n == 1 else (-.3, .5))
            rows.append(b)
            unsure.append(d)
    box, d = np.concatenate(rows).astype(np.float32), np.concatenate(unsure).astype(bool)
    return crops.spoil(canvas, rng), box[~d], box[d]


def letterbox(picture, size):
    """As the pipeline does: centred, grey bars. -> picture, scale, offset."""
    h, w = picture.shape[:2]
    k = size / max(h, w)
    small = cv2.resize(picture, (round(w * k), round(h * k)), interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR)
    out = np.full((size, size, 3), 114, np.uint8)
    y, x = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    out[y:y + small.shape[0], x:x + small.shape[1]] = small
    return out, k, np.array([x, y])


class Stream(crops.Stream):
    def make(self, b):
        size, parts = self.size_of(b * self.batch), []
        for k in range(b * self.batch, (b + 1) * self.batch):
            parts.append(sample(self.people, self.people.list[self.person(k)], size, np.random.default_rng((self.seed, 2, k))))
        return np.stack([p[0] for p in parts]), [p[1] for p in parts], [p[2] for p in parts]
