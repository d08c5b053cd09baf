# SPDX-License-Identifier: Apache-2.0
"""Weights to start from: a checkpoint of ours, or the pilot's file (../shared/data/pilot-xs-192-ema-fp16.pt)."""
import torch

from net import MEAN, STD


def pilot(old):
    """The pilot's tensors -> ours. It kept [h * w][c] depthwise and [out][h * w * c] strided weights, and took pictures as (p - 128) / 64: with ours,
    p / 255 * 1 / STD - MEAN / STD, the same function is another scale and bias of the stem, exactly, since the stem pads nothing."""
    new = {}

    def norm(dst, src):
        for a, b in (("weight", "weight"), ("bias", "bias"), ("running_mean", "rm"), ("running_var", "rv")):
            new[f"{dst}.{a}"] = old[f"{src}.{b}"]

    def conv(dst, src, kind, k=1):
        w = old[src + ".weight"]
        if kind == "dw":
            new[dst + ".weight"] = w.t().reshape(w.shape[1], 1, k, k)
        else:
            new[dst + ".weight"] = w.reshape(w.shape[0], k, k, -1).permute(0, 3, 1, 2)
        new[dst + ".bias"] = old[src + ".bias"]

    old = {k: v.float() for k, v in old.items()}
    conv("stem", "stem", "conv", 4)
    mean, std = torch.tensor(MEAN) * 255, torch.tensor(STD) * 255
    w = new["stem.weight"]
    new["stem.bias"] = new["stem.bias"] + (w * ((mean - 128) / 64).view(1, 3, 1, 1)).sum((1, 2, 3))
    new["stem.weight"] = w * (std / 64).view(1, 3, 1, 1)
    norm("stem_bn", "sbn")
    for i in range(3):
        norm(f"down_bn.{i}", f"dbn.{i}")
        conv(f"down.{i}", f"down.{i}", "conv", 2)
        conv(f"head.{i}.dw", f"hdw.{i}", "dw", 3)
        norm(f"head.{i}.bn", f"hbn.{i}")
        conv(f"head.{i}.pw", f"hp.{i}", "conv")
    for name in sorted({k.rsplit(".", 2)[0] for k in old if k.startswith("blocks.")}):
        to = name.replace("blocks", "stages")
        conv(to + ".dw", name + ".dw", "dw", 7)
        norm(to + ".bn", name + ".bn")
        conv(to + ".expand", name + ".p1", "conv")
        conv(to + ".reduce", name + ".p2", "conv")
    conv("final", "final", "conv")
    return new


def start_from(net, path):
    """Loads what has the same shape, wherever it is from; returns how many tensors did."""
    try:
        c = torch.load(path, weights_only=True)
    except Exception as e:
        raise SystemExit(f"{path}: no weights that can be read ({type(e).__name__})") from None
    c = c.get("average", c)
    if "sbn.weight" in c:
        c = pilot(c)
    mine = net.state_dict()
    fits = {k: v for k, v in c.items() if k in mine and mine[k].shape == v.shape}
    if not fits:
        raise SystemExit(f"{path}: holds no tensor of this net")
    net.load_state_dict(fits, strict=False)
    return len(fits)
