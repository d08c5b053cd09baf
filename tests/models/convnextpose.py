# SPDX-License-Identifier: Apache-2.0
"""ConvNeXtPose XS and S as ONNX files with random weights of realistic statistics, for numerics only.

Batch normalisations are left in the graph (an exporter would fold some), so that folding them is tested too.
"""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CONFIG = {"xs": ([2, 2, 6, 2], [40, 80, 160, 320], 128), "s": ([3, 3, 9, 3], [48, 96, 192, 384], 256)}


class Builder:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], [], 0

    def const(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def node(self, op, inputs, **attributes):
        self.count += 1
        out = f"t{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"{op.lower()}_{self.count}", **attributes))
        return out

    def conv(self, x, c_in, c_out, k, stride=1, pad=0, groups=1):
        bound = 1 / np.sqrt(c_in // groups * k * k)
        w = self.rng.uniform(-bound, bound, (c_out, c_in // groups, k, k))
        b = self.rng.uniform(-bound, bound, c_out)
        return self.node("Conv", [x, self.const(w), self.const(b)], kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4, group=groups)

    def norm(self, x, c):
        r = self.rng
        p = [r.uniform(.5, 1.5, c), r.normal(0, .1, c), r.normal(0, .1, c), r.uniform(.5, 1.5, c)]
        return self.node("BatchNormalization", [x] + [self.const(v) for v in p], epsilon=1e-5)

    def block(self, x, c):
        y = self.norm(self.conv(x, c, c, 7, pad=3, groups=c), c)
        y = self.node("Relu", [self.conv(y, c, 4 * c, 1)])
        return self.node("Add", [x, self.conv(y, 4 * c, c, 1)])


def make(variant, joints=18, depth=32):
    depths, dims, head = CONFIG[variant]
    b = Builder(7)
    x = b.norm(b.conv("input", 3, dims[0], 4, stride=4), dims[0])
    for i in range(4):
        if i:
            x = b.conv(b.norm(x, dims[i - 1]), dims[i - 1], dims[i], 2, stride=2)
        for _ in range(depths[i]):
            x = b.block(x, dims[i])
    c = dims[3]
    for i in range(3):
        x = b.norm(b.conv(x, c, c, 3, pad=1, groups=c), c)
        x = b.node("Relu", [b.conv(x, c, head, 1)])
        c = head
        if i < 2:
            x = b.node("Resize", [x, "", b.const([1, 1, 2, 2])], mode="linear", coordinate_transformation_mode="align_corners")
    x = b.conv(x, head, joints * depth, 1)
    b.nodes.append(helper.make_node("Identity", [x], ["heat"], name="heat"))
    graph = helper.make_graph(b.nodes, f"convnextpose_{variant}", [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 256, 256])],
                              [helper.make_tensor_value_info("heat", TensorProto.FLOAT, [1, joints * depth, 32, 32])], b.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
