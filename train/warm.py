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


def grow(small, net):
    """small: state dict of a net of fewer blocks and channels than net, which is freshly made and becomes a wider and deeper net that computes what the small one does
    (as Net2Net, Chen et al. 2016, but by zeros instead of copies). Returns how many tensors were taken over.

    Old channels are the first ones of each tensor. What new channels feed into old ones is zero, so the function stays; what feeds new channels is net's own start.
    A block that the small net lacks has a zero `reduce`, which makes it the identity. Possible because no norm of ours mixes channels."""
    taken = 0
    with torch.no_grad():
        for name, mine in net.state_dict().items():
            old = small.get(name)
            if old is None:
                if name.endswith(("reduce.weight", "reduce.bias")):
                    mine.zero_()
                continue
            if old.dim() != mine.dim() or any(a > b for a, b in zip(old.shape, mine.shape)):
                raise SystemExit(f"{name}: {tuple(old.shape)} does not fit into {tuple(mine.shape)}")
            taken += 1
            if mine.dim() == 0:
                mine.copy_(old)
                continue
            rows = old.shape[0]
            if mine.dim() == 4 and mine.shape[1] > 1:
                mine[:rows].zero_()
            mine[tuple(slice(0, n) for n in old.shape)] = old
    return taken


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
    if all(k in mine and v.dim() == mine[k].dim() and all(a <= b for a, b in zip(v.shape, mine[k].shape)) for k, v in c.items()) and \
            any(v.shape != mine[k].shape for k, v in c.items()):
        return grow(c, net)
    fits = {k: v for k, v in c.items() if k in mine and mine[k].shape == v.shape}
    if not fits:
        raise SystemExit(f"{path}: holds no tensor of this net")
    net.load_state_dict(fits, strict=False)
    return len(fits)
