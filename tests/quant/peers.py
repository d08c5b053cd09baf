# SPDX-License-Identifier: Apache-2.0
"""A small made-up pose net is quantized; our engine, ONNX Runtime and LiteRT run the result and agree with each other and with the float net.

    peers.py NEXTPOSE RUN_MODEL TMP"""
import collections
import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

NEXTPOSE, RUN_MODEL, TMP = sys.argv[1:4]
SIDE = 64
rng = np.random.default_rng(5)
init, nodes = [], []


def const(name, a):
    init.append(numpy_helper.from_array(np.asarray(a, dtype=np.float32), name))
    return name


def op(kind, *inputs, out=None, **attributes):
    y = out or f"t{len(nodes)}"
    nodes.append(helper.make_node(kind, list(inputs), [y], name=f"{kind}_{len(nodes)}", **attributes))
    return y


def conv(x, ci, co, k=3, stride=1, groups=1, act="Relu", out=None):
    n = len(nodes)
    w = const(f"w{n}", rng.normal(0, (2 / (k * k * ci / groups)) ** .5, (co, ci // groups, k, k)))
    y = op("Conv", x, w, const(f"b{n}", rng.normal(0, .1, co)), kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4, group=groups, out=None if act else out)
    if act == "Clip":
        return op("Clip", y, const(f"lo{n}", 0), const(f"hi{n}", 6))
    if act == "Silu":
        return op("Mul", y, op("Sigmoid", y))
    return op("Relu", y) if act else y


def make(path):
    """Everything that the quantizer knows: pairs to equalize, residuals, concats of unlike ranges, SiLU, pooling, resizing."""
    x = conv("image", 3, 16, stride=2)
    x = conv(x, 16, 16, groups=16, act="Clip")
    a = conv(x, 16, 24, k=1, act="Silu")
    b = op("Add", conv(conv(a, 24, 24, groups=24, act="Clip"), 24, 24, k=1, act=None), a)
    p = op("MaxPool", b, kernel_shape=[2, 2], strides=[2, 2])
    c = conv(p, 24, 24)
    init.append(numpy_helper.from_array(np.array([1, 1, 2, 2], dtype=np.float32), "scales"))
    u = op("Resize", c, "", "scales", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    d = conv(op("Concat", b, u, axis=1), 48, 32, k=1)
    conv(d, 32, 17, k=1, act=None, out="maps")
    g = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
                          [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, 17, SIDE // 2, SIDE // 2])], init)
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(m)
    onnx.save(m, path)


CARD = {"id": "made_up", "task": "pose", "keypoint_set": "coco17", "input": {"layout": "nchw", "scale": 1 / 255}, "decoder": {"name": "heatmap"},
        "thresholds": {"bbox": 0, "nms": 0.5, "kpt": 0.3}}


def pictures(n):
    """Soft random pictures as PPM."""
    for i in range(n):
        small = rng.random((9, 9, 3))
        big = np.kron(small, np.ones((12, 12, 1))) * (.3 + .7 * rng.random())
        px = np.clip(big * 255 + rng.normal(0, 6, big.shape), 0, 255).astype(np.uint8)
        with open(f"{TMP}/pics/p{i:02d}.ppm", "wb") as f:
            f.write(b"P6\n%d %d\n255\n" % (px.shape[1], px.shape[0]) + px.tobytes())


def ours(model, x, shape):
    x.tofile(f"{TMP}/x.bin")
    subprocess.run([RUN_MODEL, model, f"{TMP}/y", f"{TMP}/x.bin"], stdout=subprocess.DEVNULL, check=True)
    return np.fromfile(f"{TMP}/y.0", dtype=np.float32).reshape(shape)


def fail(text):
    print("FAIL:", text)
    sys.exit(1)


def distance(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def main():
    make(f"{TMP}/net.onnx")
    with open(f"{TMP}/net.json", "w") as f:
        json.dump(CARD, f)
    pictures(24)
    for ext in ("onnx", "tflite"):
        out = subprocess.run([NEXTPOSE, "quantize", f"{TMP}/net.onnx", f"{TMP}/net8.{ext}", "--calibrate", f"{TMP}/pics", "--detector", "none", "--weight-bits", "7"],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
        if "8 of 8 convolutions in int8" not in out:
            fail(f"{ext}: not all convolutions are int8:\n{out}")

    q = onnx.load(f"{TMP}/net8.onnx")
    onnx.checker.check_model(q)
    if "nextpose_card" not in {m.key for m in q.metadata_props}:
        fail("the card is not in the ONNX metadata")
    so = ort.SessionOptions()
    so.optimized_model_filepath, so.log_severity_level = f"{TMP}/opt.onnx", 3
    s8, s32 = ort.InferenceSession(f"{TMP}/net8.onnx", so), ort.InferenceSession(f"{TMP}/net.onnx")
    fused = collections.Counter(n.op_type for n in onnx.load(f"{TMP}/opt.onnx").graph.node)
    if fused["QLinearConv"] != 8 or fused["Conv"]:
        fail(f"ONNX Runtime does not run all convolutions in int8: {dict(fused)}")

    from ai_edge_litert.interpreter import Interpreter
    lite = Interpreter(f"{TMP}/net8.tflite")
    lite.allocate_tensors()
    inp, outp = lite.get_input_details()[0], lite.get_output_details()[0]
    worst = collections.defaultdict(float)
    for _ in range(4):
        x = np.kron(rng.random((1, 3, 8, 8)), np.ones((1, 1, 8, 8))).astype(np.float32)
        want = s32.run(None, {"image": x})[0]
        got = {"onnx in ours": ours(f"{TMP}/net8.onnx", x, want.shape), "onnx in ORT": s8.run(None, {"image": x})[0]}
        xl = np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if list(inp["shape"]) == [1, SIDE, SIDE, 3] else x
        lite.set_tensor(inp["index"], xl)
        lite.invoke()
        last = list(outp["shape"])[-1] == 17
        turn = (lambda y: y.transpose(0, 3, 1, 2)) if last else (lambda y: y)
        got["tflite in LiteRT"] = turn(lite.get_tensor(outp["index"]))
        got["tflite in ours"] = turn(ours(f"{TMP}/net8.tflite", xl, outp["shape"]))
        for name, y in got.items():
            worst[name + " against float"] = max(worst[name + " against float"], distance(y, want))
        for a, b in (("onnx in ours", "onnx in ORT"), ("tflite in ours", "tflite in LiteRT"), ("onnx in ours", "tflite in LiteRT")):
            worst[f"{a} against {b}"] = max(worst[f"{a} against {b}"], distance(got[a], got[b]))
    for name, d in worst.items():
        print(f"{name}: {d:.4f}")
        # one rounding more or less here and there, in eight layers of 256 steps; the peers round sums where we round products
        if not d < (.1 if "float" in name else .03):
            fail(f"{name}: {d}")


if __name__ == "__main__":
    main()
