#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clips.py --heavy FILE --thunder FILE --boxes yolox_nano.onnx [--work DIR] CLIP[:N] ...: everyday people for the pose net, out of clips whose licence allows it.

Every N-th frame (default 5) of each clip or picture; people by YOLOX-nano in three looks (label.py); each is shown to BlazePose heavy and MoveNet Thunder. A
person counts when the two agree on 6 joints at least and on 6 in 10 of those of which both are sure (teachers.py says how joints are taken). Writes
clips.u8, clips.npy, clips.npz beside what prepare.py wrote; people.py takes them along, pictures 9000 and up. --sheet draws what was taken.

docs/training.md lists the clips of the released nets and their licences. Clips that are evaluated on stay out."""
import argparse
import os
import sys

import cv2
import numpy as np

import label
import prepare
import sheet
import teachers

FIRST = 9000                                                # number of the first picture: after Leeds Sports'
LONG = 480                                                  # longer side that is kept: crops are 128 to 192 px


def frames(path, every):
    clip, n = cv2.VideoCapture(path), 0
    while True:
        ok, picture = clip.read()
        if not ok:
            break
        if n % every == 0:
            k = min(1, LONG / max(picture.shape[:2]))
            yield np.ascontiguousarray(cv2.resize(picture, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)[:, :, ::-1])
        n += 1
    if not n:
        sys.exit(f"clips: {path}: no video or picture that OpenCV can read")


def people_of(picture, boxes, heavy, thunder):
    """-> rows (box, xy, w, z, wz, agree) of those on whom the teachers agree, and how many were looked at."""
    found = label.join([boxes.look(picture, 1, False), boxes.look(picture, 1, True), boxes.look(picture, .6, False)])
    found, rows = found[(found[:, 4] >= .35) & (found[:, 3] - found[:, 1] >= 40)], []
    for b in found:
        h = heavy(picture, b[:4])
        xy, w, z, wz, share = teachers.agree(h, thunder(picture, b[:4]), picture.shape[1::-1])
        if h[3] > .5 and (w[:17] > 0).sum() >= 6 and share >= .6:
            rows.append((b[:4], xy, w, z, wz, share))
    return rows, len(found)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("clips", nargs="+", metavar="CLIP[:N]", help="N: every N-th frame")
    p.add_argument("--heavy", required=True)
    p.add_argument("--thunder", required=True)
    p.add_argument("--boxes", required=True, help="yolox_nano.onnx")
    p.add_argument("--work")
    p.add_argument("--sheet", help="PNG of some of the people")
    a = p.parse_args()
    folder = prepare.work_dir(a.work)
    os.makedirs(folder, exist_ok=True)
    boxes, heavy, thunder = label.Teacher(a.boxes, 1), teachers.Heavy(a.heavy), teachers.Thunder(a.thunder)
    index, rows, drawn, offset = [], [], [], 0
    with open(folder + "/clips.u8.part", "wb") as out:
        for clip in a.clips:
            path, _, every = clip.rpartition(":") if clip.rpartition(":")[2].isdigit() else (clip, "", "5")
            before, seen = len(rows), 0
            for picture in frames(path, max(1, int(every))):
                taken, n = people_of(picture, boxes, heavy, thunder)
                seen += n
                if not taken:
                    continue
                rows += [(FIRST + len(index), *r) for r in taken]
                index.append((offset, *picture.shape[:2]))
                out.write(picture.data)
                offset += picture.size
                if a.sheet and len(rows) % 7 == 0:
                    box, xy, w = taken[0][:3]
                    crop, m = teachers.square(picture, (box[:2] + box[2:]) / 2, 1.25 * max(box[2:] - box[:2]), 0., 144)
                    drawn.append(sheet.draw(crop, (xy - m[:, 2]) @ np.linalg.inv(m[:, :2]).T, w > 0))
            print(f"{os.path.basename(path)}: {len(rows) - before} of {seen} people", flush=True)
    if not rows:
        sys.exit("clips: nobody on whom the teachers agree")
    columns = [np.array(c) for c in zip(*rows)]
    np.savez(folder + "/clips.part.npz", idx=columns[0].astype(np.int16), kind=np.ones(len(rows), np.int8), box=columns[1].astype(np.float32),
             ybox=columns[1].astype(np.float32), xy=columns[2].astype(np.float32), w=columns[3].astype(np.float16), z=columns[4].astype(np.float16),
             wz=columns[5].astype(np.float16), agree=columns[6].astype(np.float16))
    np.save(folder + "/clips.part.npy", np.array(index, np.int64))
    for part, name in (("clips.u8.part", "clips.u8"), ("clips.part.npy", "clips.npy"), ("clips.part.npz", "clips.npz")):
        os.replace(f"{folder}/{part}", f"{folder}/{name}")
    if a.sheet and len(drawn) >= 10:
        sheet.save(a.sheet, sheet.grid(drawn, 10))
    print(f"{len(rows)} people on {len(index)} pictures, {offset / 1e6:.0f} MB in {folder}")


if __name__ == "__main__":
    main()
