# SPDX-License-Identifier: Apache-2.0
"""np-det: one class, anchor-free, decoupled head; 0.8 M parameters.

    stem 4x4/4, blocks of ConvNeXtPose XS (1, 2, 2 of 40, 80, 160 channels: they start from the pose net's weights) -> strides 8, 16, and 32 by a
    strided depthwise -> 64 channels each, top-down sums -> shared head of two branches

Out: [n][cells of strides 8, 16, 32, y-major][6] = x, y, w, h as YOLOX codes them, objectness, class; sigmoids in the graph. It is read by the YOLOX head
of src/decode/yolox.c as it is, at any size of a multiple of 32. Pictures are RGB, 0..1."""
import torch
from torch import nn
import torch.nn.functional as F

from depthwise import Depthwise
from net import Block

DIMS, DEPTHS, WIDTH, STRIDES = (40, 80, 160), (1, 2, 2), 64, (8, 16, 32)


class Separable(nn.Module):
    def __init__(self, before, after, k):
        super().__init__()
        self.dw, self.pw, self.bn = Depthwise(before, k), nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after)

    def forward(self, x):
        return F.relu(self.bn(self.pw(self.dw(x))))


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.stem_bn = nn.Conv2d(3, DIMS[0], 4, 4), nn.BatchNorm2d(DIMS[0])
        self.stages = nn.ModuleList(nn.Sequential(*[Block(d) for _ in range(n)]) for n, d in zip(DEPTHS, DIMS))
        self.down_bn = nn.ModuleList(nn.BatchNorm2d(d) for d in DIMS[:2])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in zip(DIMS, DIMS[1:]))
        self.last_bn = nn.BatchNorm2d(DIMS[2])
        self.last_down = nn.Conv2d(DIMS[2], WIDTH, 2, 2)
        self.context = nn.Sequential(Block(WIDTH), Block(WIDTH))
        self.lateral = nn.ModuleList(nn.Conv2d(d, WIDTH, 1) for d in DIMS[1:])
        self.smooth = nn.ModuleList(Separable(WIDTH, WIDTH, 3) for _ in range(3))
        self.branch = nn.ModuleList(nn.Sequential(Separable(WIDTH, WIDTH, 3), Separable(WIDTH, WIDTH, 3)) for _ in range(2))
        self.final_box, self.final_class = nn.Conv2d(WIDTH, 5, 1), nn.Conv2d(WIDTH, 1, 1)
        self.scale = nn.Parameter(torch.ones(3))             # levels share the head but not the unit of a size

    def maps(self, x):
        x = self.stem_bn(self.stem(x))
        found = []
        for i, stage in enumerate(self.stages):
            if i:
                x = self.down[i - 1](self.down_bn[i - 1](x))
            x = stage(x)
            found.append(x)
        top = self.context(self.last_down(self.last_bn(found[2])))
        mid = self.lateral[1](found[2]) + F.interpolate(top, scale_factor=2, mode="nearest")
        low = self.lateral[0](found[1]) + F.interpolate(mid, scale_factor=2, mode="nearest")
        return [s(m) for s, m in zip(self.smooth, (low, mid, top))]

    def raw(self, x):
        """-> [n][cells][6], scores as logits."""
        rows = []
        for i, m in enumerate(self.maps(x)):
            box, cls = self.final_box(self.branch[0](m)), self.final_class(self.branch[1](m))
            box = torch.cat([box[:, :2], box[:, 2:4] * self.scale[i], box[:, 4:]], 1)
            rows.append(torch.cat([box, cls], 1).reshape(x.shape[0], 6, -1))
        return torch.cat(rows, 2).transpose(1, 2)

    def forward(self, x):
        out = self.raw(x)
        return torch.cat([out[..., :4], out[..., 4:].sigmoid()], 2)


def make():
    net = Detector()
    for m in net.modules():
        if isinstance(m, nn.Conv2d) and m.groups > 1:
            nn.init.trunc_normal_(m.weight, std=.1)
        elif isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    for m in net.modules():
        if isinstance(m, Block):
            m.reduce.weight.data.mul_(.2)
    for m in (net.final_box, net.final_class):
        m.weight.data.mul_(.1)
    net.final_box.bias.data[2:4] = 1.
    net.final_box.bias.data[4] = -4.
    return net.to(memory_format=torch.channels_last)


def grid(size):
    """-> centres of the cells' corners [n][2] in cells, strides [n]."""
    xy, stride = [], []
    for s in STRIDES:
        n = size // s
        y, x = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
        xy.append(torch.stack([x, y], 2).reshape(-1, 2))
        stride.append(torch.full((n * n,), float(s)))
    return torch.cat(xy).float(), torch.cat(stride)


def boxes(out, size):
    """Rows of the net -> x0 y0 x1 y1 in pixels, as src/decode/yolox.c decodes them."""
    xy, stride = grid(size)
    centre, wh = (out[..., :2] + xy) * stride[:, None], out[..., 2:4].clamp(max=8).exp() * stride[:, None]
    return torch.cat([centre - wh / 2, centre + wh / 2], -1)


def iou(a, b):
    """Pairwise [g][4], [n][4] -> [g][n]."""
    lo, hi = torch.maximum(a[:, None, :2], b[None, :, :2]), torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (hi - lo).clamp(min=0).prod(2)
    area = [(x[:, 2:] - x[:, :2]).clamp(min=0).prod(1) for x in (a, b)]
    return inter / (area[0][:, None] + area[1][None] - inter).clamp(min=1e-6)


def giou(a, b):
    """Row by row."""
    inter = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    area = [(x[:, 2:] - x[:, :2]).clamp(min=0).prod(1) for x in (a, b)]
    union = (area[0] + area[1] - inter).clamp(min=1e-6)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1).clamp(min=1e-6)
    return inter / union - (hull - union) / hull


@torch.no_grad()
def assign(found, score, people, centre, stride):
    """Which cell answers for which person (SimOTA): the cells that do best by score and overlap, as many as the ten best overlaps sum up to, among those
    near the middle. -> cells, persons, overlaps."""
    mid, reach = (people[:, :2] + people[:, 2:]) / 2, 2.5 * stride
    inside = ((centre[None] > people[:, None, :2]) & (centre[None] < people[:, None, 2:])).all(2)
    near = ((centre[None] - mid[:, None]).abs() < reach[None, :, None]).all(2)
    some = (inside | near).any(0).nonzero()[:, 0]
    if not len(some):
        return some, some, score[:0]
    overlap = iou(people, found[some])
    both = (inside & near)[:, some]
    cost = -score[some].clamp(1e-6).log()[None] - 3 * overlap.clamp(1e-6).log() + 1e5 * ~both
    share = torch.zeros_like(cost, dtype=torch.bool)
    k = overlap.topk(min(10, len(some)), 1).values.sum(1).int().clamp(min=1)
    for g in range(len(people)):
        share[g, cost[g].topk(min(int(k[g]), len(some)), largest=False).indices] = True
    cost[~share] = float("inf")
    best, person = cost.min(0)
    keep = best < float("inf")
    return some[keep], person[keep], overlap[person[keep], keep.nonzero()[:, 0]]


def loss_detector(out, people, ignore, size):
    """out: logits [n][cells][6]; people, ignore: lists of boxes [..][4] in pixels."""
    xy, stride = grid(size)
    centre, found = (xy + .5) * stride[:, None], boxes(out, size)
    score = (out[..., 4].detach().sigmoid() * out[..., 5].detach().sigmoid()).sqrt()
    total_box = total_class = total_object = out.sum() * 0
    positives = 0
    for b in range(len(out)):
        target, weight = torch.zeros(out.shape[1]), torch.ones(out.shape[1])
        if len(ignore[b]):
            inside = (centre[:, None] > ignore[b][None, :, :2]) & (centre[:, None] < ignore[b][None, :, 2:])
            weight[inside.all(2).any(1)] = 0
        if len(people[b]):
            cells, who, overlap = assign(found[b].detach(), score[b], people[b], centre, stride)
            target[cells], weight[cells] = 1, 1
            positives += len(cells)
            total_box = total_box + (1 - giou(found[b][cells], people[b][who])).sum()
            total_class = total_class + F.binary_cross_entropy_with_logits(out[b, cells, 5], overlap.clamp(0, 1), reduction="sum")
        total_object = total_object + (F.binary_cross_entropy_with_logits(out[b, :, 4], target, reduction="none") * weight).sum()
    n = max(1, positives)
    return (5 * total_box + total_class + total_object) / n, total_box.detach() / n, total_object.detach() / n
