# SPDX-License-Identifier: Apache-2.0
"""ConvNeXtPose in PyTorch, as our trainer and exporter see it.

    picture [n][3][h][w] -> stem 4x4/4 + BN -> 4 stages of blocks, BN + 2x2/2 between -> 3 x (dw 3x3 + BN -> 1x1 -> ReLU), x2 after the first ones
                         -> 1x1 -> volume [n][J * D][h / 8][w / 8] (M, L: h / 4)

A block is depthwise 7x7 + BN -> 1x1 (x 4) -> ReLU -> 1x1 -> + input. Pictures are RGB with ImageNet's mean and deviation. The paper's checkpoints have
one more BN behind the stages (last_norm); ours do not: it would be the only one that cannot be folded into a neighbour, because a zero-padded
depthwise follows. Everything is kept channels-last: on a CPU that is 3 to 4 times faster than PyTorch's default here.
"""
import torch
from torch import nn
import torch.nn.functional as F

from depthwise import Depthwise

MEAN, STD = (.485, .456, .406), (.229, .224, .225)
BINS = 32                                                   # depth bins of XS and S
VARIANTS = {"xs": ((2, 2, 6, 2), (40, 80, 160, 320), 128), "s": ((3, 3, 9, 3), (48, 96, 192, 384), 256),
            "tiny": ((1, 1, 1, 1), (8, 8, 16, 16), 16)}     # tiny: for tests


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.dw = Depthwise(width, 7)
        self.bn = nn.BatchNorm2d(width)
        self.expand = nn.Conv2d(width, 4 * width, 1)
        self.reduce = nn.Conv2d(4 * width, width, 1)

    def forward(self, x):
        return x + self.reduce(F.relu(self.expand(self.bn(self.dw(x)))))


class HeadStep(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.dw = Depthwise(before, 3)
        self.bn = nn.BatchNorm2d(before)
        self.pw = nn.Conv2d(before, after, 1)

    def forward(self, x):
        return F.relu(self.pw(self.bn(self.dw(x))))


class Net(nn.Module):
    def __init__(self, depths, dims, head, joints, bins=BINS, upsamplings=2, last_norm=False):
        super().__init__()
        self.joints, self.bins, self.upsamplings = joints, bins, upsamplings
        self.stem = nn.Conv2d(3, dims[0], 4, 4)
        self.stem_bn = nn.BatchNorm2d(dims[0])
        self.stages = nn.ModuleList(nn.Sequential(*[Block(d) for _ in range(n)]) for n, d in zip(depths, dims))
        self.down_bn = nn.ModuleList(nn.BatchNorm2d(d) for d in dims[:3])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in zip(dims, dims[1:]))
        self.last_norm = nn.BatchNorm2d(dims[3]) if last_norm else nn.Identity()
        self.head = nn.ModuleList([HeadStep(dims[3], head), HeadStep(head, head), HeadStep(head, head)])
        self.final = nn.Conv2d(head, joints * bins, 1)

    def forward(self, x):
        x = self.stem_bn(self.stem(x))
        for i, stage in enumerate(self.stages):
            if i:
                x = self.down[i - 1](self.down_bn[i - 1](x))
            x = stage(x)
        x = self.last_norm(x)
        for i, step in enumerate(self.head):
            x = step(x)
            if i < self.upsamplings:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return self.final(x)


def make(variant, joints):
    net = Net(*VARIANTS[variant], joints)
    for m in net.modules():
        if isinstance(m, nn.Conv2d) and m.groups > 1:
            nn.init.trunc_normal_(m.weight, std=.1)
        elif isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight)
            nn.init.zeros_(m.bias)
    for m in net.modules():
        if isinstance(m, Block):
            m.reduce.weight.data.mul_(.2)                   # blocks start near the identity
    net.final.weight.data.mul_(.3)
    return net.to(memory_format=torch.channels_last)


def pixels(batch):
    """uint8 [n][h][w][3] RGB -> normalised float [n][3][h][w], channels-last."""
    mean, std = (torch.tensor(v) * 255 for v in (MEAN, STD))
    return ((batch.float() - mean) / std).permute(0, 3, 1, 2)


class Marginals(torch.autograd.Function):
    """volume [n][J*D][h][w] -> un-normalised masses (place [n][h*w][J], depth [n][J][D]) of a softmax over each joint's voxels.

    The soft-argmax and the cross entropies only need these sums. One exponential is stored; autograd's own chain would keep five copies of the volume."""

    @staticmethod
    def forward(ctx, volume, joints):
        n, c, h, w = volume.shape
        v = volume.permute(0, 2, 3, 1).reshape(n, h * w, joints, c // joints)
        e = torch.exp(v - v.amax(dim=(1, 3), keepdim=True))
        ctx.save_for_backward(e)
        ctx.size = (n, c, h, w)
        return e.sum(3), e.sum(1)

    @staticmethod
    def backward(ctx, place, depth):
        e, = ctx.saved_tensors
        n, c, h, w = ctx.size
        g = (place[:, :, :, None] + depth[:, None]).mul_(e)
        return g.reshape(n, h, w, c).permute(0, 3, 1, 2), None


def marginals(volume, joints):
    """-> place [n][J][h][w] and depth [n][J][D], each joint's summing to 1."""
    n, _, h, w = volume.shape
    place, depth = Marginals.apply(volume, joints)
    total = depth.sum(2)
    return (place / total[:, None]).transpose(1, 2).reshape(n, joints, h, w), depth / total[:, :, None]


def expected(place, depth):
    """Soft-argmax: [n][J][3] x, y in cells and depth in bins."""
    h, w = place.shape[2:]
    x = (place.sum(2) * torch.arange(w)).sum(2)
    y = (place.sum(3) * torch.arange(h)).sum(2)
    z = (depth * torch.arange(depth.shape[2])).sum(2)
    return torch.stack([x, y, z], 2)


def to_bins(target, side, bins=BINS):
    """Targets (x, y in pixels of the crop, z in metres from the pelvis) -> cells and bins, the inverse of src/decode/convnextpose.c:
    x = cell / cells * side + .5, z = bin / bins * 2 - 1."""
    cells = side // 8
    return torch.stack([(target[..., 0] - .5) * cells / side, (target[..., 1] - .5) * cells / side, (target[..., 2] + 1) / 2 * bins], -1)


def from_bins(cell, side, bins=BINS):
    cells = side // 8
    return torch.stack([cell[..., 0] * side / cells + .5, cell[..., 1] * side / cells + .5, cell[..., 2] / bins * 2 - 1], -1)


def loss_pose(volume, joints, target, weight, absent, l1_share, ce_share):
    """Weighted L1 of the soft-argmax + cross entropy of the marginals against a Gaussian, per joint and picture.

    target [n][J][3] in cells and bins, weight [n][J][2] for place and depth. The L1 alone learns slowly at first (its gradient through the softmax is
    flat); the cross entropy alone does not care about half a cell. absent [n][J]: 1 where the joint is known to lie outside of the crop; its place is
    pulled to "anywhere" so that the mass about the answer, which is our confidence, falls."""
    n, _, h, w = volume.shape
    place, depth = marginals(volume, joints)
    at = expected(place, depth)
    unit = torch.tensor([24. / w, 24. / h, .75 * 32 / depth.shape[2]])
    d = (at - target).abs() * unit
    l1 = ((d[..., 0] + d[..., 1]) * weight[..., 0] + .5 * d[..., 2] * weight[..., 1]).sum() / (n * joints)
    gx = torch.exp(-.5 * (torch.arange(w) - target[..., :1]) ** 2)
    gy = torch.exp(-.5 * (torch.arange(h) - target[..., 1:2]) ** 2)
    gz = torch.exp(-.5 * ((torch.arange(depth.shape[2]) - target[..., 2:]) / 1.5) ** 2)
    gx, gy, gz = (g / g.sum(2, keepdim=True).clamp_min(1e-6) for g in (gx, gy, gz))
    log = place.clamp_min(1e-8).log()
    ce = -(log * gy[..., None] * gx[:, :, None]).sum((2, 3)) * weight[..., 0]
    ce = ce - .5 * (depth.clamp_min(1e-6).log() * gz).sum(2) * weight[..., 1] - .1 * log.mean((2, 3)) * absent
    ce = ce.sum() / (n * joints)
    return l1_share * l1 + ce_share * ce, l1.detach(), at
