# SPDX-License-Identifier: Apache-2.0
"""The training loop that the pose net and the detector share: optimisers, schedule in samples, average, checkpoints, log.

The rate rises over the first samples, stays, and falls to nothing over the last --decay ones. At the start of that fall DIR/trunk.pt is written: to train
longer, run again with more --samples, and it goes on from there as if the end had never been near."""
import copy
import os
import time

import numpy as np
import torch

import curve
import depthwise
import muon
import prepare
import state
import warm


def add_arguments(p, size, final_size):
    p.add_argument("dir", help="folder of the run")
    p.add_argument("--work", help="folder that prepare.py filled")
    p.add_argument("--start", help="weights to start from: a checkpoint of another run, or the pilot's")
    p.add_argument("--samples", type=int, default=2000000, help="end of the schedule")
    p.add_argument("--decay", type=int, default=64000, help="samples over which the rate falls")
    p.add_argument("--size", type=int, default=size, help="side of the pictures before the fall")
    p.add_argument("--final-size", type=int, default=final_size, help="side of the pictures in the fall")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--warm-up", type=int, default=6400)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--log-every", type=int, default=100, help="batches")
    p.add_argument("--evaluate-every", type=int, default=800, help="batches")
    p.add_argument("--checkpoint-every", type=int, default=200, help="batches")


def check_arguments(p, a):
    if a.size % 32 or a.final_size % 32 or a.size < 64 or a.final_size < 64:
        p.error("--size and --final-size are multiples of 32, 64 at least")
    if a.samples % a.batch or a.decay % a.batch or a.decay > a.samples:
        p.error("--samples and --decay are multiples of --batch, and --decay is at most --samples")
    return a


class Loop:
    """A net and its kind. Subclasses have `columns` (of the log), `drawn` (of the curve), stream(first batch), loss(batch) -> what is minimised, numbers for
    the log; figures() -> dict; about() -> dict that goes into the checkpoint and must be equal when it is read back."""

    def __init__(self, a, net):
        self.a, self.seen, self.sums = a, 0, []                  # sums: losses since the last row of the log
        torch.set_num_threads(a.threads)
        depthwise.build(prepare.work_dir(a.work))
        self.net = net
        found = state.load(a.dir)
        if found and found["end"] < a.samples and found["seen"] > found["fall"]:   # in its fall, or done, and to go on: from before the fall
            found = state.load(a.dir, "trunk.pt")
        if not found and a.start:
            print(f"{warm.start_from(net, a.start)} tensors from {a.start}", flush=True)
        self.copy = copy.deepcopy(net).eval()
        matrices = [p for n, p in net.named_parameters() if p.ndim == 4 and p.shape[1] > 1 and not n.startswith(("stem", "final"))]
        ids = {id(p) for p in matrices}
        rest = [p for p in net.parameters() if id(p) not in ids]
        self.muon = muon.Muon(matrices, a.lr)
        self.adam = torch.optim.AdamW([dict(params=[p for p in rest if p.ndim > 1], weight_decay=.05),
                                       dict(params=[p for p in rest if p.ndim <= 1], weight_decay=0.)], a.lr, betas=(.9, .99), fused=True)
        if found:
            self.restore(found)
        self.average = state.Average(net, self.copy)

    def content(self):
        return dict(about=self.about(), size=self.size(self.seen), seen=self.seen, end=self.a.samples, fall=self.a.samples - self.a.decay,
                    net=self.net.state_dict(), average=self.copy.state_dict(), muon=self.muon.state_dict(), adam=self.adam.state_dict(), sums=self.sums)

    def restore(self, c):
        if c["about"] != self.about():
            raise SystemExit(f"{self.a.dir}: its checkpoint is of {c['about']}, not of {self.about()}; take another folder")
        self.net.load_state_dict(c["net"])
        self.copy.load_state_dict(c["average"])
        self.muon.load_state_dict(c["muon"])
        self.adam.load_state_dict(c["adam"])
        self.seen, self.sums = c["seen"], c["sums"]

    def size(self, seen):
        return self.a.final_size if seen >= self.a.samples - self.a.decay else self.a.size

    def rate(self):
        a = self.a
        return a.lr * min(1., (self.seen + a.batch) / max(1, a.warm_up)) * min(1., (a.samples - self.seen) / max(1, a.decay))

    def step(self, batch):
        for group in self.adam.param_groups + self.muon.param_groups:
            group["lr"] = self.rate()
        self.net.train()
        loss, numbers = self.loss(batch)
        self.adam.zero_grad()
        self.muon.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5., foreach=True)
        self.adam.step()
        self.muon.step()
        self.seen += self.a.batch
        self.average.step(self.seen // self.a.batch)
        return [loss.item(), *numbers]

    def log(self, log, images_s, row):
        losses = {c: f"{v:.4f}" for c, v in zip(self.losses, np.mean(self.sums, 0))}
        log.row(samples=self.seen, size=self.size(self.seen - 1), lr=f"{self.rate():.2e}", images_s=f"{images_s:.1f}", **losses,
                **{k: f"{v:.4f}" for k, v in row.items()})
        self.sums = []

    def go(self):
        a = self.a
        os.makedirs(a.dir, exist_ok=True)
        stream = self.stream(self.seen // a.batch)
        try:
            self.run(stream)
        finally:
            stream.close()
        print(f"done: {self.seen} samples", flush=True)

    def run(self, stream):
        a = self.a
        log = state.Log(a.dir, ["samples", "size", "lr", *self.losses, *self.columns, "images_s"], self.seen)
        print(f"{sum(p.numel() for p in self.net.parameters()) / 1e6:.2f} M parameters, from {self.seen} samples", flush=True)
        began, count = time.monotonic(), 0
        while self.seen < a.samples:
            if self.seen == a.samples - a.decay:
                state.save(a.dir, self.content(), "trunk.pt")
            self.sums.append(self.step(stream.next()))
            count += 1
            n, row = self.seen // a.batch, {}
            if n % a.evaluate_every == 0 or self.seen >= a.samples:
                row = self.figures()
            if row or n % a.log_every == 0:
                self.log(log, count * a.batch / (time.monotonic() - began), row)
                began, count = time.monotonic(), 0
            if row or n % a.checkpoint_every == 0:
                state.save(a.dir, self.content())
            if row:
                curve.draw(log.path, os.path.join(a.dir, "curve.svg"), self.drawn)
