# SPDX-License-Identifier: Apache-2.0
"""resume.py DIR: a training run that is killed again and again ends with the very weights and the very log of one that was left alone: the pose net's, then
the detector's.

The data are noise with skeletons and boxes, made here; the pose net is the smallest, one thread, so that every sum is done in the same order."""
import csv
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import torch

import joints

TRAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "train")
SAMPLES = 8 * 32
DET_SAMPLES = 4 * 12


def make_data(folder, n=16, side=48):
    rng = np.random.default_rng(7)
    os.makedirs(folder)
    rng.integers(0, 256, n * side * side * 3, dtype=np.uint8).tofile(folder + "/pictures.u8")
    np.save(folder + "/pictures.npy", np.array([(i * side * side * 3, side, side) for i in range(n)]))
    idx = np.concatenate([np.arange(n), 8500 + np.arange(4)])     # the last four are held out; they borrow the first pictures
    index = np.zeros((9000, 3), np.int64)
    index[:] = np.load(folder + "/pictures.npy")[np.arange(9000) % n]      # the detector takes whatever is there, labelled or not
    index[8500:8504] = index[:4]
    np.save(folder + "/pictures.npy", index)
    xy = rng.uniform(6, side - 6, (len(idx), joints.N, 2)).astype(np.float32)
    human = np.zeros((9000, 14, 3), np.float32)
    human[idx] = np.concatenate([xy[:, joints.LSP], np.ones((len(idx), 14, 1))], 2)
    box = np.concatenate([xy.min(1), xy.max(1)], 1)
    one = np.ones((len(idx), joints.N), np.float16)
    np.savez(folder + "/people.npz", idx=idx, kind=np.zeros(len(idx)), xy=xy, w=one, wz=one, human=human, box=box, ybox=box,
             z=rng.normal(0, .2, one.shape).astype(np.float16))
    rows = np.repeat(idx, 2)                                     # two boxes a picture, one in four doubtful
    corner = rng.uniform(0, side / 2, (len(rows), 2))
    np.savez(folder + "/boxes-1-9000.npz", idx=rows, box=np.concatenate([corner, corner + rng.uniform(12, side / 2, corner.shape)], 1).astype(np.float32),
             kind=np.arange(len(rows)) % 4 // 3)


def command(folder, data, samples=SAMPLES):
    return [sys.executable, "-B", TRAIN + "/train_pose.py", folder, "--work", data, "--variant", "tiny", "--samples", str(samples), "--decay", "96", "--batch", "8",
            "--size", "64", "--final-size", "96", "--threads", "1", "--warm-up", "64", "--log-every", "4", "--evaluate-every", "16",
            "--checkpoint-every", "3", "--validate", "4"]


def detector_command(folder, data):
    return [sys.executable, "-B", TRAIN + "/train_det.py", folder, "--work", data, "--samples", str(DET_SAMPLES), "--decay", "16", "--batch", "4", "--size", "64",
            "--final-size", "96", "--threads", "1", "--warm-up", "16", "--log-every", "2", "--evaluate-every", "6", "--checkpoint-every", "1",
            "--validate", "4"]


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if torch.is_tensor(a) else a == b


def rows(folder):
    with open(folder + "/log.csv", newline="") as f:
        return [{k: v for k, v in r.items() if k != "images_s"} for r in csv.DictReader(f)]


def kill_and_go_on(folder, words):
    """Run `a` is left alone, run `b` is killed twice at moments all over it: start, step, checkpoint, log. -> times killed."""
    quiet = dict(stdout=subprocess.DEVNULL)
    began = time.monotonic()
    subprocess.run(words(folder + "/a"), check=True, **quiet)
    whole = time.monotonic() - began
    dice, kills = random.Random(3), 0
    while kills < 2:
        p = subprocess.Popen(words(folder + "/b"), **quiet)
        try:
            p.wait(dice.uniform(.5, .9) * whole)
            break
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
            kills += 1
    return kills


def check_detector(folder, data):
    os.makedirs(folder)
    kills = kill_and_go_on(folder, lambda run: detector_command(run, data))
    subprocess.run(detector_command(folder + "/b", data), check=True, stdout=subprocess.DEVNULL)
    a, b = (torch.load(f"{folder}/{d}/checkpoint.pt", weights_only=True) for d in "ab")
    assert kills >= 1, "the detector's run was too short to be killed"
    assert a["seen"] == b["seen"] == DET_SAMPLES, (a["seen"], b["seen"])
    assert same(a, b), [k for k in a if not same(a[k], b[k])]
    assert rows(folder + "/a") == rows(folder + "/b") and len(rows(folder + "/a")) == 6, (rows(folder + "/a"), rows(folder + "/b"))
    return kills


def main():
    folder = sys.argv[1]
    data, quiet = folder + "/data", dict(stdout=subprocess.DEVNULL)
    make_data(data)
    kills = kill_and_go_on(folder, lambda run: command(run, data))
    for name in ("checkpoint.pt.tmp", "log.csv.tmp"):       # what a kill in the middle of writing leaves
        with open(folder + "/b/" + name, "wb") as f:
            f.write(b"half a file")
    with open(folder + "/b/log.csv", "a") as f:
        f.write("99999999,96,1e-3,newer than any checkpoint\n12")
    subprocess.run(command(folder + "/b", data), check=True, **quiet)
    a, b = (torch.load(f"{folder}/{d}/checkpoint.pt", weights_only=True) for d in "ab")
    assert kills >= 1, "the run was too short to be killed"
    assert a["seen"] == b["seen"] == SAMPLES, (a["seen"], b["seen"])
    assert same(a, b), [k for k in a if not same(a[k], b[k])]
    assert rows(folder + "/a") == rows(folder + "/b") and len(rows(folder + "/a")) == 8, (rows(folder + "/a"), rows(folder + "/b"))
    longer = subprocess.run(command(folder + "/b", data, SAMPLES + 64), check=True, stdout=subprocess.PIPE, text=True).stdout
    assert f"from {SAMPLES - 96} samples" in longer, longer             # from before the fall of the rate
    with open(folder + "/b/checkpoint.pt", "r+b") as f:
        f.truncate(1000)
    broken = subprocess.run(command(folder + "/b", data), stderr=subprocess.PIPE, text=True, **quiet)
    assert broken.returncode == 1 and broken.stderr.count("\n") == 1 and "no checkpoint that can be read" in broken.stderr, broken.stderr
    print(f"ok: killed {kills} times, the detector's run {check_detector(folder + '/det', data)} times")


main()
