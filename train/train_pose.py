#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""train_pose.py DIR [--variant xs] [--start FILE] [--samples N] ...: trains a pose net; the same command again goes on where it stopped (loop.py)."""
import argparse
import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "1000")             # other work runs on this machine: waiting threads must not burn a core

import torch

import joints
import loop
import net as pose_net
import people as crops
import prepare
import score


class Pose(loop.Loop):
    losses = ["loss", "l1"]
    columns = ["pck", "pck_swap", "pck_upright", "depth_mm", "sure_right", "sure_wrong"]
    drawn = columns[:3]

    def __init__(self, a):
        torch.manual_seed(a.seed)
        folder = prepare.work_dir(a.work)
        self.train, self.held_out = crops.People(folder, True, a.limit), crops.People(folder, False, a.validate)
        super().__init__(a, pose_net.make(a.variant, joints.N))

    def about(self):
        return dict(variant=self.a.variant, joints=joints.NAMES)

    def stream(self, first):
        return crops.Stream(self.train, self.a.batch, self.size, self.a.seed, first)

    def loss(self, batch):
        crop, target, weight, absent = (torch.from_numpy(x) for x in batch)
        volume = self.net(pose_net.pixels(crop))
        loss, l1, _ = pose_net.loss_pose(volume, joints.N, pose_net.to_bins(target, crop.shape[1]), weight, absent, 1., self.a.ce)
        return loss, [l1.item()]

    def figures(self):
        return score.figures(self.copy, self.held_out, self.size(self.seen - 1))


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    loop.add_arguments(p, 128, 192)
    p.add_argument("--variant", default="xs", choices=sorted(pose_net.VARIANTS))
    p.add_argument("--ce", type=float, default=1., help="share of the marginals' cross entropy")
    p.add_argument("--limit", type=int, default=0, help="people to train with, 0: all")
    p.add_argument("--validate", type=int, default=300, help="held-out people a quick evaluation takes")
    return loop.check_arguments(p, p.parse_args(argv))


if __name__ == "__main__":
    Pose(arguments(sys.argv[1:])).go()
