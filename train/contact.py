#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contact.py RUN OUT.png [--size 128]: a contact sheet of the held-out people: a row of the best, two of the middle, a row of the worst, by mean error of the
labelled joints over the trunk. Left of each pair the label, right the answer (joints under a confidence of .3 are left out, as `nextpose run` does)."""
import argparse

import numpy as np
import torch

import calibrate
import joints
import people as crops
import prepare
import score
import sheet


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("run")
    p.add_argument("out")
    p.add_argument("--work")
    p.add_argument("--size", type=int, default=128)
    a = p.parse_args()
    torch.set_num_threads(2)
    net, _ = calibrate.load(a.run)
    people = crops.People(prepare.work_dir(a.work), False)
    m = calibrate.measure(net, people, a.size)
    found, sure = score.predict(net, people, np.arange(people.n), a.size)
    sure = 1 / (1 + np.exp(-(m["gain"] * calibrate.logit(sure) + m["bias"])))
    human = people.human[people.z["idx"]]
    known = human[:, :, 2] > 0
    trunk = np.maximum(np.hypot(*(human[:, 9, :2] - human[:, 2, :2]).T), np.hypot(*(human[:, 8, :2] - human[:, 3, :2]).T))
    error = (np.hypot(*(found[:, joints.LSP, :2] - human[:, :, :2]).transpose(2, 0, 1)) * known).sum(1) / np.maximum(known.sum(1), 1) / np.maximum(trunk, 1)
    order = [k for k in np.argsort(error) if known[k].sum() >= 12 and trunk[k] > 20]
    middle, pictures = len(order) // 2, []
    for k in order[:5] + order[middle - 5:middle + 5] + order[-5:]:
        crop, _, _, _, matrix = crops.sample(people, k, 144)
        label, got = np.zeros((joints.N, 2)), found[k][:, :2] @ matrix[:, :2].T + matrix[:, 2]
        label[joints.LSP] = human[k][:, :2] @ matrix[:, :2].T + matrix[:, 2]
        there = np.zeros(joints.N, bool)
        there[joints.LSP] = known[k]
        pictures += [sheet.draw(crop.copy(), label, there), sheet.draw(crop.copy(), got, sure[k] > .3)]
    sheet.save(a.out, sheet.grid(pictures, 10))


if __name__ == "__main__":
    main()
