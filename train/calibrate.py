#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""calibrate.py DIR|CHECKPOINT [--size N]: what the net's sureness is worth.

The net gives no confidence; the decoder takes the mass about the answer. Here a logistic curve from its logit to "the joint is right" (within .2 of the
trunk's diagonal of the human label) is fitted on one half of the held-out people and judged on the other: the table of promised and kept shares, the
expected calibration error before and after, and the area under the ROC curve. The two numbers of the curve go into the card (conf_gain, conf_bias)."""
import argparse
import os

import numpy as np
import torch

import joints
import net as pose_net
import people as crops
import prepare
import score
import state


def fit(p, right, steps=60):
    """Logistic regression on logit(p) by Newton's method -> gain, bias."""
    x = np.stack([logit(p), np.ones_like(p)], 1)
    w = np.array([1., 0.])
    for _ in range(steps):
        q = 1 / (1 + np.exp(-x @ w))
        hessian = (x * (q * (1 - q))[:, None]).T @ x + 1e-6 * np.eye(2)
        w = w + np.linalg.solve(hessian, x.T @ (right - q))
    return float(max(w[0], 1e-3)), float(w[1])


def logit(p):
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def table(q, right, bins=10):
    """[(promised, kept, how many)] and the expected calibration error."""
    at = np.minimum((q * bins).astype(int), bins - 1)
    rows = [(q[at == i].mean(), right[at == i].mean(), int((at == i).sum())) for i in range(bins) if (at == i).any()]
    return rows, sum(n * abs(a - b) for a, b, n in rows) / len(q)


def roc_area(q, right):
    rank = np.empty(len(q))
    rank[np.argsort(q)] = np.arange(1, len(q) + 1)
    n = right.sum()
    return (rank[right > 0].sum() - n * (n + 1) / 2) / max(1, n * (len(q) - n))


def measure(net, people, size):
    found, sure = score.predict(net, people, np.arange(people.n), size)
    right, _, known = score.pck(found, people.human[people.z["idx"]])
    half = np.arange(people.n) % 2 == 0
    sure = sure[:, joints.LSP]
    a, b = (known & h[:, None] for h in (half, ~half))
    gain, bias = fit(sure[a], right[a].astype(float))
    p, y = sure[b], right[b].astype(float)
    q = 1 / (1 + np.exp(-(gain * logit(p) + bias)))
    return dict(gain=gain, bias=bias, before=table(p, y), after=table(q, y), roc=roc_area(p, y))


def load(path):
    """The average of a checkpoint (a file or a run's folder) -> net, checkpoint."""
    c = state.load(*os.path.split(path)) if os.path.isfile(path) else state.load(path)
    if c is None:
        raise SystemExit(f"{path}: no checkpoint there")
    net = pose_net.make(c["about"]["variant"], joints.N)
    net.load_state_dict(c["average"])
    return net.eval(), c


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("run")
    p.add_argument("--work")
    p.add_argument("--size", type=int, default=192)
    a = p.parse_args()
    torch.set_num_threads(2)
    net, _ = load(a.run)
    m = measure(net, crops.People(prepare.work_dir(a.work), False), a.size)
    print(f"conf_gain {m['gain']:.3f}  conf_bias {m['bias']:.3f}  area under ROC {m['roc']:.3f}")
    for name in ("before", "after"):
        rows, error = m[name]
        print(f"\n{name}: expected calibration error {error:.3f}\n| promised | kept | joints |\n|---|---|---|")
        for promised, kept, n in rows:
            print(f"| {promised:.2f} | {kept:.2f} | {n} |")


if __name__ == "__main__":
    main()
