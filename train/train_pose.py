#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""train_pose.py DIR [--variant xs] [--start FILE] [--samples N] ...: trains a pose net; the same command again goes on where it stopped.

The learning rate rises over the first samples, stays, and falls to nothing over the last --decay samples, at the larger --final-size. At the start of
that fall DIR/trunk.pt is written: to train longer, run again with more --samples, and it goes on from there as if the end had never been near."""
import argparse
import copy
import os
import sys
import time

os.environ.setdefault("GOMP_SPINCOUNT", "1000")             # other work runs on this machine: waiting threads must not burn a core

import numpy as np
import torch

import curve
import depthwise
import joints
import muon
import net as pose_net
import people as crops
import prepare
import score
import state
import warm

COLUMNS = ["samples", "size", "lr", "loss", "l1", "pck", "pck_swap", "pck_upright", "depth_mm", "sure_right", "sure_wrong", "images_s"]


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("dir", help="folder of the run")
    p.add_argument("--work", help="folder that prepare.py filled")
    p.add_argument("--variant", default="xs", choices=sorted(pose_net.VARIANTS))
    p.add_argument("--start", help="weights to start from: a checkpoint of another run, or the pilot's")
    p.add_argument("--samples", type=int, default=2000000, help="end of the schedule")
    p.add_argument("--decay", type=int, default=60000, help="samples over which the rate falls")
    p.add_argument("--size", type=int, default=128, help="side of the crops before the fall")
    p.add_argument("--final-size", type=int, default=192, help="side of the crops in the fall")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--warm-up", type=int, default=6400)
    p.add_argument("--ce", type=float, default=1., help="share of the marginals' cross entropy")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--log-every", type=int, default=100, help="batches")
    p.add_argument("--evaluate-every", type=int, default=800, help="batches; also writes a checkpoint")
    p.add_argument("--checkpoint-every", type=int, default=200, help="batches")
    p.add_argument("--limit", type=int, default=0, help="people to train with, 0: all")
    p.add_argument("--validate", type=int, default=300, help="held-out people a quick evaluation takes")
    a = p.parse_args(argv)
    if a.size % 32 or a.final_size % 32 or a.size < 64 or a.final_size < 64:
        p.error("--size and --final-size are multiples of 32, 64 at least")
    if a.samples % a.batch or a.decay % a.batch or a.decay > a.samples:
        p.error("--samples and --decay are multiples of --batch, and --decay is at most --samples")
    return a


class Run:
    def __init__(self, a):
        self.a, self.seen, self.sums = a, 0, []                # sums: losses since the last row of the log
        torch.manual_seed(a.seed)
        torch.set_num_threads(a.threads)
        depthwise.build(prepare.work_dir(a.work))
        self.net = pose_net.make(a.variant, joints.N)
        found = state.load(a.dir)
        if found:
            found = self.choose(found)
        if not found and a.start:
            print(f"{warm.start_from(self.net, a.start)} tensors from {a.start}", flush=True)
        self.copy = copy.deepcopy(self.net).eval()
        matrices = [p for n, p in self.net.named_parameters() if p.ndim == 4 and p.shape[1] > 1 and not n.startswith(("stem", "final"))]
        ids = {id(p) for p in matrices}
        rest = [p for p in self.net.parameters() if id(p) not in ids]
        self.muon = muon.Muon(matrices, a.lr)
        self.adam = torch.optim.AdamW([dict(params=[p for p in rest if p.ndim > 1], weight_decay=.05),
                                       dict(params=[p for p in rest if p.ndim <= 1], weight_decay=0.)], a.lr, betas=(.9, .99), fused=True)
        if found:
            self.restore(found)
        self.average = state.Average(self.net, self.copy)

    def choose(self, found):
        """A run in its fall, or at its end, that shall end later goes on from before the fall."""
        return state.load(self.a.dir, "trunk.pt") if found["end"] < self.a.samples and found["seen"] > found["fall"] else found

    def content(self):
        return dict(variant=self.a.variant, joints=joints.NAMES, size=self.size(self.seen), seen=self.seen, end=self.a.samples,
                    fall=self.a.samples - self.a.decay, net=self.net.state_dict(), average=self.copy.state_dict(),
                    muon=self.muon.state_dict(), adam=self.adam.state_dict(), sums=self.sums)

    def restore(self, c):
        if c["variant"] != self.a.variant:
            raise SystemExit(f"{self.a.dir}: its checkpoint is a {c['variant']}, not a {self.a.variant}; take another folder")
        self.net.load_state_dict(c["net"])
        self.copy.load_state_dict(c["average"])
        self.muon.load_state_dict(c["muon"])
        self.adam.load_state_dict(c["adam"])
        self.seen, self.sums = c["seen"], c["sums"]

    def falling(self, seen):
        return seen >= self.a.samples - self.a.decay

    def size(self, seen):
        return self.a.final_size if self.falling(seen) else self.a.size

    def rate(self):
        a = self.a
        fall = min(1., (a.samples - self.seen) / max(1, a.decay))
        return a.lr * min(1., (self.seen + a.batch) / max(1, a.warm_up)) * fall

    def step(self, batch):
        crop, target, weight, absent = (torch.from_numpy(x) for x in batch)
        size, lr = crop.shape[1], self.rate()
        for group in self.adam.param_groups + self.muon.param_groups:
            group["lr"] = lr
        self.net.train()
        volume = self.net(pose_net.pixels(crop))
        loss, l1, _ = pose_net.loss_pose(volume, joints.N, pose_net.to_bins(target, size), weight, absent, 1., self.a.ce)
        self.adam.zero_grad()
        self.muon.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5., foreach=True)
        self.adam.step()
        self.muon.step()
        self.seen += self.a.batch
        self.average.step(self.seen // self.a.batch)
        return loss.item(), l1.item()

    def go(self):
        a = self.a
        os.makedirs(a.dir, exist_ok=True)
        folder = prepare.work_dir(a.work)
        train, held_out = crops.People(folder, True, a.limit), crops.People(folder, False, a.validate)
        stream = crops.Stream(train, a.batch, self.size, a.seed, self.seen // a.batch)
        log = state.Log(a.dir, COLUMNS, self.seen)
        print(f"{a.variant}: {sum(p.numel() for p in self.net.parameters()) / 1e6:.2f} M parameters, {train.n} people, from {self.seen} samples",
              flush=True)
        began, count = time.monotonic(), 0
        while self.seen < a.samples:
            if self.seen == a.samples - a.decay:
                state.save(a.dir, self.content(), "trunk.pt")
            self.sums.append(self.step(stream.next()))
            count += 1
            n, row = self.seen // a.batch, {}
            if n % a.evaluate_every == 0 or self.seen >= a.samples:
                row = score.figures(self.copy, held_out, self.size(self.seen - 1))
            if row or n % a.log_every == 0:
                row = {k: f"{v:.4f}" for k, v in row.items()}
                loss, l1 = np.mean(self.sums, 0)
                log.row(samples=self.seen, size=self.size(self.seen - 1), lr=f"{self.rate():.2e}", loss=f"{loss:.4f}", l1=f"{l1:.4f}",
                        images_s=f"{count * a.batch / (time.monotonic() - began):.1f}", **row)
                self.sums, began, count = [], time.monotonic(), 0
            if row or n % a.checkpoint_every == 0:
                state.save(a.dir, self.content())
            if row:
                curve.draw(log.path, os.path.join(a.dir, "curve.svg"), ["pck", "pck_swap", "pck_upright"])
        state.save(a.dir, self.content())
        print(f"done: {self.seen} samples", flush=True)


if __name__ == "__main__":
    Run(arguments(sys.argv[1:])).go()
