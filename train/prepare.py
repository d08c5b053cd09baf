#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""prepare.py [--data ../shared/data] [--work DIR]: Leeds Sports Pose Extended and its teacher labels -> one folder that training maps into memory.

    pictures.u8      all pixels, RGB, one picture after another
    pictures.npy     [n][3] int64: offset into pictures.u8, height, width
    people.npz       the teacher's labels as they are, and the human ones (`human` [9000][14][3])

DIR (default: $NEXTPOSE_TRAIN_DIR, else train/work, which git ignores) takes 2.3 GB. Decoding once and mapping the result leaves the two cores to the
net: WebP would cost more than the augmentation. Takes a minute. Each file gets its name when it is whole.
"""
import argparse
import os
import sys
import tarfile

import cv2
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def work_dir(given=None):
    return given or os.environ.get("NEXTPOSE_TRAIN_DIR") or os.path.join(HERE, "work")


def unpack(tar_path, folder):
    rows, offset = {}, 0
    path = os.path.join(folder, "pictures.u8")
    with tarfile.open(tar_path) as tar, open(path + ".tmp", "wb") as out:
        for member in tar:
            name = os.path.basename(member.name)
            if not member.isfile() or not name.startswith("im"):
                continue
            im = cv2.imdecode(np.frombuffer(tar.extractfile(member).read(), np.uint8), cv2.IMREAD_COLOR)
            if im is None:
                sys.exit(f"{tar_path}: {member.name} is no picture that OpenCV can read")
            out.write(np.ascontiguousarray(im[:, :, ::-1]).data)
            rows[int(name[2:7]) - 1] = (offset, im.shape[0], im.shape[1])
            offset += im.size
    if sorted(rows) != list(range(len(rows))):
        sys.exit(f"{tar_path}: pictures are missing ({len(rows)} of 1..{max(rows) + 1})")
    index = np.array([rows[i] for i in range(len(rows))], np.int64)
    np.save(os.path.join(folder, "pictures.tmp.npy"), index)
    os.replace(path + ".tmp", path)
    os.replace(os.path.join(folder, "pictures.tmp.npy"), os.path.join(folder, "pictures.npy"))
    return len(index), offset


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--data", default=os.path.join(HERE, "..", "..", "shared", "data"))
    p.add_argument("--work", help="folder for the result")
    a = p.parse_args()
    folder, need = work_dir(a.work), ["lspet-1-9000.tar", "lspet-1-9000-joints.npz", "teacher-labels-1-9000.npz"]
    for f in need:
        if not os.path.exists(os.path.join(a.data, f)):
            sys.exit(f"prepare: {os.path.join(a.data, f)} is missing; give the folder that has {', '.join(need)} with --data")
    os.makedirs(folder, exist_ok=True)
    n, size = unpack(os.path.join(a.data, need[0]), folder)
    with np.load(os.path.join(a.data, need[1])) as human, np.load(os.path.join(a.data, need[2])) as teacher:
        np.savez(os.path.join(folder, "people.tmp.npz"), human=human["joints"].transpose(2, 0, 1), **{k: teacher[k] for k in teacher.files})
    os.replace(os.path.join(folder, "people.tmp.npz"), os.path.join(folder, "people.npz"))
    print(f"{n} pictures, {size / 1e6:.0f} MB in {folder}")


if __name__ == "__main__":
    main()
