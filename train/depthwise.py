# SPDX-License-Identifier: Apache-2.0
"""Fast depthwise convolutions for training on a CPU: depthwise.cpp behind autograd. Built on first use; without a C++ compiler PyTorch's own are used,
and a line says so."""
import ctypes
import hashlib
import os
import subprocess

import torch
from torch import nn
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
lib = None


def build(folder):
    """Compiles into `folder` unless that very source is there; -> True when it can be used from now on."""
    global lib
    with open(os.path.join(HERE, "depthwise.cpp"), "rb") as f:
        key = hashlib.sha256(f.read()).hexdigest()[:12]
    path = os.path.join(folder, f"depthwise-{key}.so")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        cmd = [os.environ.get("CXX", "g++"), "-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-fopenmp", "-shared", "-fPIC",
               os.path.join(HERE, "depthwise.cpp"), "-o", f"{path}.{os.getpid()}"]
        try:
            subprocess.run(cmd, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as e:
            print(f"depthwise: PyTorch's own, much slower: {cmd[0]} cannot build ours ({(getattr(e, 'stderr', '') or str(e)).strip()[:200]})", flush=True)
            return False
        os.replace(f"{path}.{os.getpid()}", path)
    lib = ctypes.CDLL(path)
    return True


def pointer(t):
    return ctypes.c_void_p(t.data_ptr() if t is not None else 0)


def channels_last(t):
    return t if t.permute(0, 2, 3, 1).is_contiguous() else t.contiguous(memory_format=torch.channels_last)


def forward(x, taps, bias, k):
    y = torch.empty_like(x, memory_format=torch.channels_last)
    n, c, h, w = x.shape
    lib.depthwise_forward(pointer(x), pointer(taps), pointer(bias), pointer(y), n, h, w, c, k)
    return y


class Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        x, k = channels_last(x), weight.shape[-1]
        taps = weight.detach().reshape(len(weight), k * k).t().contiguous()
        ctx.save_for_backward(x, taps)
        ctx.k = k
        return forward(x, taps, bias.detach(), k)

    @staticmethod
    def backward(ctx, g):
        x, taps = ctx.saved_tensors
        g, k, (n, c, h, w) = channels_last(g), ctx.k, x.shape
        gw, gb = torch.empty(k * k, c), torch.empty(c)
        lib.depthwise_gradient(pointer(x), pointer(g), pointer(gw), pointer(gb), n, h, w, c, k)
        return forward(g, taps.flip(0).contiguous(), None, k), gw.t().reshape(c, 1, k, k), gb


class Depthwise(nn.Conv2d):
    """nn.Conv2d(width, width, k, padding=k // 2, groups=width), with our kernels where it learns."""

    def __init__(self, width, k):
        super().__init__(width, width, k, padding=k // 2, groups=width)

    def forward(self, x):
        if lib is None or not self.training or self.in_channels % 8 or self.kernel_size[0] not in (3, 7) or x.dtype != torch.float32:
            return F.conv2d(x, self.weight, self.bias, padding=self.padding, groups=self.groups)
        return Function.apply(x, self.weight, self.bias)
