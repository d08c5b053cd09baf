# SPDX-License-Identifier: Apache-2.0
"""Small pictures in a grid, with skeletons or boxes: to look at what the net is fed and what it answers."""
import struct
import zlib

import cv2
import numpy as np

import joints

COLOURS = {True: (255, 120, 0), False: (0, 160, 255)}       # left, right
LIMB, LABEL, ANSWER = (0, 220, 0), (0, 220, 0), (255, 60, 200)


def draw(picture, p, known, radius=2):
    for a, b in joints.LIMBS + [(0, 18)]:
        if known[a] and known[b]:
            cv2.line(picture, tuple(int(v) for v in p[a][:2]), tuple(int(v) for v in p[b][:2]), LIMB, 1, cv2.LINE_AA)
    for j in range(len(p)):
        if known[j]:
            cv2.circle(picture, tuple(int(v) for v in p[j][:2]), radius, COLOURS["left" in joints.NAMES[j]], -1, cv2.LINE_AA)
    return picture


def frame(picture, box, colour, text=""):
    """A box (x y w h) with a line of text inside its upper edge."""
    x, y, w, h = (int(round(v)) for v in box)
    cv2.rectangle(picture, (x, y), (x + w, y + h), colour, 1)
    if text:
        x, y = max(x, 0) + 1, min(max(y, 0) + 1, picture.shape[0] - 12)
        cv2.rectangle(picture, (x, y), (x + 7 * len(text), y + 11), (0, 0, 0), -1)
        cv2.putText(picture, text, (x + 1, y + 9), cv2.FONT_HERSHEY_SIMPLEX, .34, colour, 1, cv2.LINE_AA)
    return picture


def grid(pictures, columns):
    rows = [np.concatenate(pictures[i:i + columns], 1) for i in range(0, len(pictures) - columns + 1, columns)]
    return np.concatenate(rows, 0)


def palette(picture, n=96):
    """-> [m][3] colours, index [h][w] of the nearest one. The colours that are drawn are always among them."""
    cv2.setRNGSeed(1)                                        # the same sheet again is the same file
    seen = picture.reshape(-1, 3)[::17].astype(np.float32)
    colours = cv2.kmeans(seen, n, None, (cv2.TERM_CRITERIA_MAX_ITER, 12, 0), 1, cv2.KMEANS_PP_CENTERS)[2]
    colours = np.unique(np.concatenate([colours.round(), [LIMB, ANSWER, *COLOURS.values()]]).astype(np.uint8), axis=0)
    index = np.empty(picture.shape[:2], np.uint8)
    for y, row in enumerate(picture.astype(np.int32)):
        index[y] = ((row[:, None] - colours[None].astype(np.int32)) ** 2).sum(2).argmin(1)
    return colours, index


def save(path, picture):
    """As a PNG of a hundred colours: a sheet is kept in git and takes an eighth so (OpenCV writes no palettes)."""
    colours, index = palette(picture)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    lines = np.concatenate([np.zeros((len(index), 1), np.uint8), index], 1)      # filter 0 before each line
    head = struct.pack(">IIBBBBB", index.shape[1], index.shape[0], 8, 3, 0, 0, 0)
    try:
        with open(path, "wb") as f:
            f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"PLTE", colours.tobytes()) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + chunk(b"IEND", b""))
    except OSError as e:
        raise SystemExit(f"{path}: cannot be written ({e.strerror})")
