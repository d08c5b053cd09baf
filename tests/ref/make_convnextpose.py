# SPDX-License-Identifier: Apache-2.0
"""Writes ConvNeXtPose XS, S, M or L as ONNX with random weights and lively batch-norm statistics: good for numerics and speed,
not for poses. Structure: docs and paper (medialab-ku/ConvNeXtPose); written with onnx.helper, so that PyTorch is not needed.

usage: make_convnextpose.py xs|s|m|l OUT.onnx [BATCH]"""
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

VARIANTS = {  # depths, dims, head, depth bins, upsamplings
    "xs": ((2, 2, 6, 2), (40, 80, 160, 320), 128, 32, 2),
    "s": ((3, 3, 9, 3), (48, 96, 192, 384), 256, 32, 2),
    "m": ((3, 3, 9, 3), (48, 96, 192, 384), 256, 64, 3),
    "l": ((3, 3, 9, 3), (48, 96, 192, 384), 512, 64, 3),
}


class Net:
    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.consts, self.n = [], [], 0

    def const(self, array, name):
        self.n += 1
        self.consts.append(numpy_helper.from_array(np.ascontiguousarray(array), f"{name}_{self.n}"))
        return self.consts[-1].name

    def op(self, kind, *inputs, **attrs):
        self.n += 1
        out = f"{kind.lower()}_{self.n}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=out, **attrs))
        return out

    def conv(self, x, ci, co, k, stride=1, pad=0, groups=1):
        fan = ci // groups * k * k
        w = self.rng.normal(0, 1 / np.sqrt(fan), (co, ci // groups, k, k)).astype(np.float32)
        b = self.rng.normal(0, 0.1, co).astype(np.float32)
        return self.op("Conv", x, self.const(w, "w"), self.const(b, "b"), kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4, group=groups)

    def bn(self, x, c):
        r = self.rng
        p = [r.uniform(0.5, 1.5, c), r.normal(0, 0.1, c), r.normal(0, 0.1, c), r.uniform(0.5, 1.5, c)]
        return self.op("BatchNormalization", x, *[self.const(v.astype(np.float32), "bn") for v in p], epsilon=1e-5)

    def up(self, x):
        scales = self.const(np.array([1, 1, 2, 2], np.float32), "scales")
        return self.op("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="align_corners")

    def block(self, x, d):
        y = self.bn(self.conv(x, d, d, 7, pad=3, groups=d), d)
        y = self.conv(self.op("Relu", self.conv(y, d, 4 * d, 1)), 4 * d, d, 1)
        return self.op("Add", x, y)


def build(variant, batch=1, joints=18, seed=0):
    depths, dims, head, bins, ups = VARIANTS[variant]
    n = Net(seed)
    x = n.bn(n.conv("input", 3, dims[0], 4, stride=4), dims[0])
    for i in range(4):
        if i:
            x = n.conv(n.bn(x, dims[i - 1]), dims[i - 1], dims[i], 2, stride=2)
        for _ in range(depths[i]):
            x = n.block(x, dims[i])
    c = dims[3]
    for i in range(3):
        x = n.bn(n.conv(x, c, c, 3, pad=1, groups=c), c)
        x = n.op("Relu", n.conv(x, c, head, 1))
        if i < ups:
            x = n.up(x)
        c = head
    x = n.conv(x, c, joints * bins, 1)
    n.nodes[-1].output[0] = "heat"
    side = 8 * 2**ups
    graph = helper.make_graph(
        n.nodes, f"convnextpose_{variant}",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, 256, 256])],
        [helper.make_tensor_value_info("heat", TensorProto.FLOAT, [batch, joints * bins, side, side])], n.consts)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="nextpose")
    checker.check_model(model)
    return model


if __name__ == "__main__":
    save(build(sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 1), sys.argv[2])
