#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""export_paper.py snapshot_N.pth.tar [--out NAME.onnx] [--nextpose PROGRAM]: the paper's own weights, for those who have them, as ONNX with a card.

Takes checkpoints of medialab-ku/ConvNeXtPose (XS, S, M, L; 18 joints of Human3.6M or 21 of MuCo) and of mks0601/3DMPPE_ROOTNET_RELEASE. Which one it is
is read from the shapes of its tensors, never from its name. With --nextpose, a TFLite file is made beside it.

A checkpoint is a pickle, and a pickle can run anything: it is only read as plain tensors (weights_only), and refused when it holds more."""
import argparse
import os
import sys

import torch
from torch import nn
import torch.nn.functional as F

import net as pose_net
import onnx_out

DIMS = {40: ((2, 2, 6, 2), (40, 80, 160, 320)), 48: ((3, 3, 9, 3), (48, 96, 192, 384))}
LETTER = {(40, 128, 32): "xs", (48, 256, 32): "s", (48, 256, 64): "m", (48, 512, 64): "l"}   # first width, head, depth bins
KEYPOINTS = {18: ("h36m18", 0), 21: ("muco21", 14)}                                           # joints: set, root


def refuse(path, why):
    sys.exit(f"export_paper: {path}: {why}")


def tensors(path):
    """name -> tensor, without the "module." of DataParallel."""
    try:
        c = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        refuse(path, "no such file")
    except OSError as e:
        refuse(path, f"cannot be read ({e.strerror or e})")
    except Exception as e:
        more = "GLOBAL" in str(e) or "unsupported global" in str(e).lower()
        refuse(path, "refused: it holds more than tensors, and loading that could run code of whoever made it" if more else
               f"no PyTorch checkpoint that can be read ({type(e).__name__})")
    if not isinstance(c, dict) or not isinstance(c.get("network", c), dict):
        refuse(path, "no checkpoint of a network: it holds no table of tensors")
    c = c.get("network", c)
    return {str(k).removeprefix("module."): v for k, v in c.items() if torch.is_tensor(v)}


def at(t, path, name, *shape):
    """Tensor `name`, whose shape must be as said (-1: any)."""
    if name not in t:
        refuse(path, f"no checkpoint of ConvNeXtPose or RootNet: it lacks {name}")
    if len(t[name].shape) != len(shape) or any(w not in (-1, v) for v, w in zip(t[name].shape, shape)):
        refuse(path, f"{name} is {list(t[name].shape)}, not {list(shape)}")
    return t[name]


def our_name(name):
    """Where a tensor of theirs goes in net.Net; None: nowhere."""
    part = name.split(".")
    if part[0] == "backbone" and part[1] == "downsample_layers":
        i, j = int(part[2]), int(part[3])
        stem = "stem" if j == 0 else "stem_bn"
        return ".".join(([stem] if i == 0 else ["down_bn" if j == 0 else "down", str(i - 1)]) + part[4:])
    if part[0] == "backbone" and part[1] == "stages":
        return ".".join(["stages", part[2], part[3], {"dwconv": "dw", "norm": "bn", "pwconv1": "expand", "pwconv2": "reduce"}.get(part[4], "?")] + part[5:])
    if part[0] == "backbone" and part[1] == "norm":
        return ".".join(["last_norm"] + part[2:])
    if part[0] == "head" and part[1].startswith("deconv_layers_"):
        return ".".join(["head", str(int(part[1][-1]) - 1), {"dwconv": "dw", "norm": "bn", "pwconv": "pw"}.get(part[2], "?")] + part[3:])
    return ".".join(["final"] + part[2:]) if part[:2] == ["head", "final_layer"] else None


def convnextpose(t, path):
    """-> net, letter, joints."""
    first = at(t, path, "backbone.downsample_layers.0.0.weight", -1, 3, 4, 4).shape[0]
    if first not in DIMS:
        refuse(path, f"a first width of {first} is no variant of the paper (40: XS; 48: S, M, L)")
    depths, dims = DIMS[first]
    out, head = at(t, path, "head.final_layer.weight", -1, -1, 1, 1).shape[:2]
    found = [(n, b) for n in KEYPOINTS for b in (32, 64) if n * b == out]
    if not found or (first, head, found[0][1]) not in LETTER:
        refuse(path, f"{out} channels out of a head of {head} are no variant of the paper")
    (n, bins), = found
    net = pose_net.Net(depths, dims, head, n, bins, 3 if bins == 64 else 2, last_norm=True)
    mine, mapped = net.state_dict(), {}
    for name, v in t.items():
        try:
            to = our_name(name)
        except (ValueError, IndexError):
            to = None
        if to not in mine:
            refuse(path, f"holds {name}, which the network has no place for")
        if mine[to].shape != v.shape:
            refuse(path, f"{name} is {list(v.shape)}, not {list(mine[to].shape)}")
        mapped[to] = v.float() if v.is_floating_point() else v
    lacking = [k for k in mine if k not in mapped and not k.endswith("num_batches_tracked")]
    if lacking:
        refuse(path, f"{len(lacking)} tensors are missing, the first is what we call {lacking[0]}")
    net.load_state_dict(mapped, strict=False)
    return net.to(memory_format=torch.channels_last), LETTER[first, head, bins], n


class Bottleneck(nn.Module):
    def __init__(self, before, width, stride, turn):
        super().__init__()
        after = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, after, 1, bias=False), nn.BatchNorm2d(after)
        self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)) if turn else None

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class RootNet(nn.Module):
    """ResNet of bottlenecks -> [place of the root: heat map [1][1][64][64], correction factor of its depth [1][1]].

    Distance of the root = factor * sqrt(2000 mm * 2000 mm * fx * fy / (box width * box height)); that needs the camera and stays outside of the net."""

    def __init__(self, blocks):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before, self.layers = 64, nn.ModuleList()
        for i, n in enumerate(blocks):
            width = 64 << i
            self.layers.append(nn.Sequential(*[Bottleneck(before if j == 0 else 4 * width, width, 2 if i and j == 0 else 1, j == 0) for j in range(n)]))
            before = 4 * width
        self.deconv = nn.Sequential(*[m for i in range(3) for m in (nn.ConvTranspose2d(2048 if i == 0 else 256, 256, 4, 2, 1, bias=False),
                                                                    nn.BatchNorm2d(256), nn.ReLU())])
        self.xy, self.depth = nn.Conv2d(256, 1, 1), nn.Conv2d(2048, 1, 1)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for layer in self.layers:
            x = layer(x)
        return self.xy(self.deconv(x)), self.depth(x.mean((2, 3), keepdim=True)).flatten(1)


def rootnet(t, path):
    """-> net, its name."""
    if at(t, path, "backbone.conv1.weight", 64, 3, 7, 7) is None or "backbone.layer1.0.conv3.weight" not in t:
        refuse(path, "RootNet on ResNet-18 or 34 is not supported, only on 50, 101, 152")
    blocks = []
    for i in range(1, 5):
        blocks.append(len({k.split(".")[2] for k in t if k.startswith(f"backbone.layer{i}.")}))
    names = {(3, 4, 6, 3): "50", (3, 4, 23, 3): "101", (3, 8, 36, 3): "152"}
    if tuple(blocks) not in names:
        refuse(path, f"{blocks} blocks are no ResNet that RootNet has")
    net, mapped = RootNet(blocks), {}
    for name, v in t.items():
        to = name.replace("root.deconv_layers.", "deconv.").replace("root.xy_layer.", "xy.").replace("root.depth_layer.", "depth.").removeprefix("backbone.")
        if to.startswith("layer"):
            to = f"layers.{int(to[5]) - 1}{to[6:]}"
        mapped[to] = v.float() if v.is_floating_point() else v
    try:
        net.load_state_dict(mapped)
    except RuntimeError as e:
        refuse(path, "no RootNet: " + " ".join(str(e).split())[:200])
    return net, f"rootnet_resnet{names[tuple(blocks)]}"


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("checkpoint")
    p.add_argument("--out", help="NAME.onnx (default: convnextpose_xs.onnx and so on, here)")
    p.add_argument("--nextpose", help="the program; a TFLite file is made, too")
    a = p.parse_args()
    torch.set_num_threads(2)
    if a.out and not a.out.endswith(".onnx"):
        p.error("--out ends in .onnx")
    t = tensors(a.checkpoint)
    if any(k.startswith("root.") for k in t):
        (net, name), card, output = rootnet(t, a.checkpoint), None, "place,factor"
    else:
        net, letter, n = convnextpose(t, a.checkpoint)
        keypoints, root = KEYPOINTS[n]
        name, output = f"convnextpose_{letter}" + ("_muco" if n == 21 else ""), "volume"
        card = onnx_out.pose_card(name, f"ConvNeXtPose {letter.upper()}", 256, keypoints, root, net.bins, licence="MIT", bbox=0.,
                                  source="github.com/medialab-ku/ConvNeXtPose (weights of the user)", note=f"from {os.path.basename(a.checkpoint)}")
        card["input"]["pad"] = 0
    out = a.out or name + ".onnx"
    digest = onnx_out.write(net, (1, 3, 256, 256), out, card, output)
    error = onnx_out.compare(net, (1, 3, 256, 256), out)
    if not error < 1e-4:
        sys.exit(f"export_paper: ONNX Runtime differs from PyTorch by {error:.2e} of the largest number")
    print(f"{name}: {out}, {sum(v.numel() for v in net.parameters()) / 1e6:.2f} M parameters, sha256 {digest}, ONNX Runtime within {error:.1e}")
    if a.nextpose:
        print(onnx_out.nextpose(a.nextpose, "convert", out, out[:-5] + ".tflite").strip().splitlines()[-1])


if __name__ == "__main__":
    main()
