# SPDX-License-Identifier: Apache-2.0
"""What a training run leaves on disk, so that kill -9 at any moment costs minutes and never the run.

    DIR/checkpoint.pt   weights, average, optimisers, samples done. Written beside, synced, renamed: it is always a whole one.
    DIR/log.csv         one row every few hundred batches; resuming cuts off what is newer than the checkpoint.
    DIR/curve.svg       drawn from log.csv by curve.py

The wall clock is no input of anything: schedules count samples, random numbers come from sample numbers."""
import csv
import os

import torch


def write_whole(path, write):
    with open(path + ".tmp", "wb") as f:
        write(f)
        f.flush()
        os.fsync(f.fileno())
    os.replace(path + ".tmp", path)


def save(folder, content, name="checkpoint.pt"):
    write_whole(os.path.join(folder, name), lambda f: torch.save(content, f))


def load(folder, name="checkpoint.pt"):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return None
    try:
        return torch.load(path, weights_only=True)
    except Exception as e:
        raise SystemExit(f"{path}: no checkpoint that can be read ({type(e).__name__}); move it away to start anew") from None


class Log:
    """CSV with the columns of the first row; `samples` is the first."""

    def __init__(self, folder, columns, samples):
        self.path, self.columns, rows = os.path.join(folder, "log.csv"), columns, []
        if os.path.exists(self.path):
            with open(self.path, newline="") as f:
                rows = [r for r in csv.DictReader(f) if (r.get("samples") or "").isdigit() and int(r["samples"]) <= samples and None not in r.values()]
        text = ",".join(columns) + "\n" + "".join(",".join(r.get(c) or "" for c in columns) + "\n" for r in rows)
        write_whole(self.path, lambda f: f.write(text.encode()))
        self.file = open(self.path, "a", newline="")

    def row(self, **values):
        self.file.write(",".join(str(values.get(c, "")) for c in self.columns) + "\n")
        self.file.flush()


class Average:
    """Exponential moving average of weights and of batch norm's statistics, kept beside the net that learns."""

    def __init__(self, net, copy, decay=.9985, every=4):
        self.pairs = [(e, p) for e, p in zip(copy.state_dict().values(), net.state_dict().values()) if e.dtype.is_floating_point]
        self.net, self.copy, self.decay, self.every = net, copy, decay, every

    def step(self, n):
        if n % self.every:
            return
        decay = min(self.decay ** self.every, (n / self.every + 1) / (n / self.every + 10))
        with torch.no_grad():
            torch._foreach_lerp_([e for e, _ in self.pairs], [p for _, p in self.pairs], 1 - decay)
