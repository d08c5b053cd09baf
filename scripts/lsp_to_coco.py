#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Leeds Sports Pose labels (joints.mat of LSP and LSP Extended, or an .npz with the same array) as COCO keypoints JSON.

    lsp_to_coco.py joints.mat --images DIR [--first 8501] [--last 9000] --out labels.json

LSP has 14 joints: right ankle, knee, hip, left hip, knee, ankle, right wrist, elbow, shoulder, left shoulder, elbow, wrist, neck, head
top. Twelve are COCO's; neck and head top are not and stay out; nose, eyes and ears are unlabelled (v = 0). A joint that LSP marks as
not visible is unlabelled as well: in the extended set its place is often (0, 0).

LSP has no boxes and no areas. bbox: the extent of the labelled joints, neck and head top too, grown by 10 % of the longer side each way and clipped to
the picture. area: 0.53 of the box, the usual share where there is no segmentation. Needs numpy; scipy for .mat.
"""
import argparse
import glob
import json
import os
import struct
import sys

import numpy as np

TO_COCO17 = {0: 16, 1: 14, 2: 12, 3: 11, 4: 13, 5: 15, 6: 10, 7: 8, 8: 6, 9: 5, 10: 7, 11: 9}
NAMES = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
         "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"]


def load_joints(path):
    """-> [n][14][3]: x, y, visible."""
    if path.endswith(".mat"):
        from scipy.io import loadmat
        joints = loadmat(path)["joints"]
    else:
        with np.load(path) as z:
            joints = z["joints"]
    joints = np.asarray(joints, dtype=np.float64)
    if joints.ndim != 3 or 14 not in joints.shape or 3 not in joints.shape:
        sys.exit(f"{path}: 'joints' is {joints.shape}, not 14 joints x 3 numbers x people")
    joint_axis, number_axis = joints.shape.index(14), joints.shape.index(3)
    joints = joints.transpose(3 - joint_axis - number_axis, joint_axis, number_axis)
    if not path.endswith("npz") and len(joints) == 2000:  # LSP (not extended) says 1 for occluded
        joints[:, :, 2] = 1 - joints[:, :, 2]
    return joints


def picture_size(path):
    """Width and height from the head of a JPEG, PNG or WebP file."""
    with open(path, "rb") as f:
        b = f.read(1 << 16)
    if b[:8] == b"\x89PNG\r\n\x1a\n":
        return struct.unpack(">II", b[16:24])
    if b[:4] == b"RIFF" and b[12:16] == b"VP8 ":
        w, h = struct.unpack("<HH", b[26:30])
        return w & 0x3fff, h & 0x3fff
    if b[:4] == b"RIFF" and b[12:16] == b"VP8L":
        v = struct.unpack("<I", b[21:25])[0]
        return (v & 0x3fff) + 1, (v >> 14 & 0x3fff) + 1
    if b[:4] == b"RIFF" and b[12:16] == b"VP8X":
        return 1 + int.from_bytes(b[24:27], "little"), 1 + int.from_bytes(b[27:30], "little")
    i = 2
    while b[:2] == b"\xff\xd8" and i + 9 < len(b):
        if b[i] != 0xff:
            i += 1
        elif 0xc0 <= b[i + 1] <= 0xcf and b[i + 1] not in (0xc4, 0xc8, 0xcc):
            h, w = struct.unpack(">HH", b[i + 5:i + 9])
            return w, h
        else:
            i += 2 + struct.unpack(">H", b[i + 2:i + 4])[0]
    sys.exit(f"{path}: neither JPEG, PNG nor WebP")


def find_picture(folder, number):
    hits = [p for p in glob.glob(os.path.join(glob.escape(folder), f"*{number:05d}.*")) + glob.glob(os.path.join(glob.escape(folder), f"*{number:04d}.*"))
            if os.path.splitext(p)[0][-5:].lstrip("im_0") == str(number)]
    return sorted(hits)[0] if hits else None


def annotation(joints, number, size):
    seen = joints[:, 2] > 0
    if not seen.any():
        return None
    lo, hi = joints[seen, :2].min(axis=0), joints[seen, :2].max(axis=0)
    grow = 0.1 * max(hi - lo)
    lo, hi = np.maximum(lo - grow, 0), np.minimum(hi + grow, size)
    w, h = np.maximum(hi - lo, 1)
    keypoints = [0] * 51
    for lsp, coco in TO_COCO17.items():
        if seen[lsp]:
            keypoints[3 * coco:3 * coco + 3] = [round(float(joints[lsp, 0]), 2), round(float(joints[lsp, 1]), 2), 2]
    return {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "keypoints": keypoints, "num_keypoints": sum(v > 0 for v in keypoints[2::3]),
            "bbox": [round(float(v), 2) for v in (*lo, w, h)], "area": round(0.53 * float(w * h), 2)}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("joints")
    p.add_argument("--images", required=True, help="folder with the pictures, im00001.jpg and so on")
    p.add_argument("--first", type=int, default=1)
    p.add_argument("--last", type=int)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    joints = load_joints(a.joints)
    images, labels = [], []
    for number in range(a.first, (a.last or len(joints)) + 1):
        if number > len(joints):
            sys.exit(f"{a.joints} has {len(joints)} people, not {number}")
        path = find_picture(a.images, number)
        if not path:
            sys.exit(f"{a.images}: no picture number {number}")
        size = picture_size(path)
        label = annotation(joints[number - 1], number, size)
        images.append({"id": number, "file_name": os.path.basename(path), "width": size[0], "height": size[1]})
        labels += [label] if label else []
    out = {"info": {"description": "Leeds Sports Pose, converted"}, "images": images, "annotations": labels,
           "categories": [{"id": 1, "name": "person", "supercategory": "person", "keypoints": NAMES, "skeleton": []}]}
    with open(a.out + ".part", "w") as f:
        json.dump(out, f)
    os.replace(a.out + ".part", a.out)
    print(f"{a.out}: {len(images)} pictures, {len(labels)} people")


if __name__ == "__main__":
    main()
