# SPDX-License-Identifier: Apache-2.0
"""A small made-up pose net, and MoveNet when it is there, is quantized; our engine, ONNX Runtime, LiteRT and OpenVINO run the result and agree with
each other and with the float net. What a peer is missing for is said by name.

    peers.py NEXTPOSE RUN_MODEL TMP [--small]      --small: not MoveNet"""
import collections
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

try:
    import openvino
except ImportError as e:
    openvino = None
    print(f"skipped: OpenVINO, its package is missing ({e}; see tests/requirements.txt)")

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


def in_openvino(path):
    """x -> outputs, on the processor, in 32 bits where it is not in 8: its default would be what the machine likes best."""
    core = openvino.Core()
    net = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    return lambda x: [np.array(net([x])[o]) for o in net.outputs]


def int8_convolutions(path):
    """How many convolutions of the file OpenVINO runs in 8 bits, and how many it has."""
    core = openvino.Core()
    net = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    kind = [n.get_rt_info() for n in net.get_runtime_model().get_ops()]
    convs = [str(k["runtimePrecision"].astype(str)) for k in kind if "Convolution" in str(k["layerType"].astype(str))]
    return sum("8" in c for c in convs), len(convs)


VINO_PAIRS = (("onnx in OpenVINO", "onnx in ours"), ("onnx in OpenVINO", "onnx in ORT"), ("tflite in OpenVINO", "tflite in ours"))


def movenet():
    """A real net, whose joints' places tell whether the peers mean the same as we do. It ends in argmaxes: a place may jump by cells of the
    output's grid where two score alike, so where and how sure three joints in four are is bounded, not the
    one that jumped (between two runtimes as between int8 and float). Places are in shares of the picture."""
    source = os.path.join(os.environ.get("NEXTPOSE_SHARED", ""), "models", "movenet_lightning.onnx")
    photos = os.path.join(os.environ.get("NEXTPOSE_SHARED", ""), "clips", "photos")
    if not os.path.exists(source) or not os.path.isdir(photos):
        print("skipped: MoveNet, not in NEXTPOSE_SHARED")
        return
    import cv2
    out = f"{TMP}/movenet8.onnx"
    p = subprocess.run([NEXTPOSE, "quantize", source, out, "--calibrate", photos, "--detector", "none", "--samples", "8", "--frames", "8", "--ranges", "minmax", "--keep-max", "0",
                        "--weight-bits", "7"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if p.returncode:
        fail(f"MoveNet: {p.stderr}")
    s8, s32 = ort.InferenceSession(out), ort.InferenceSession(source)
    inp = s32.get_inputs()[0]
    run_vino = in_openvino(out) if openvino else None
    pairs = collections.defaultdict(list)
    for photo in PHOTOS:
        bgr = cv2.resize(cv2.imread(os.path.join(photos, photo)), (192, 192), interpolation=cv2.INTER_AREA)
        rgb = np.ascontiguousarray(bgr[None, :, :, ::-1]).astype(np.int32 if "int32" in inp.type else np.float32)
        x = rgb if list(inp.shape)[-1] == 3 else np.ascontiguousarray(rgb.transpose(0, 3, 1, 2))
        want = s32.run(None, {inp.name: x})[0].reshape(17, 3)
        got = {"in ours": ours(out, x, (17, 3)), "in ORT": s8.run(None, {inp.name: x})[0].reshape(17, 3)}
        if run_vino:
            got["in OpenVINO"] = run_vino(x)[0].reshape(17, 3)
        for name, y in got.items():
            pairs[f"MoveNet {name} against float"].append(y - want)
            if name != "in ours":
                pairs[f"MoveNet {name} against ours"].append(y - got["in ours"])
    for name, d in pairs.items():
        d = np.abs(np.concatenate(d))
        place, score = float(np.quantile(d[:, :2].max(axis=1), .75)), float(np.quantile(d[:, 2], .75))
        print(f"{name}: three joints in four within {place:.4f} of the picture and {score:.3f} of the score; worst {d[:, :2].max():.3f}, {d[:, 2].max():.3f}")
        most_place, most_score = MOVENET_FLOAT if "float" in name else MOVENET_PEERS
        if not (place < most_place and score < most_score):
            fail(f"{name}: more than {most_place} and {most_score}")


PHOTOS = ["pifpaf_000000081988.jpg", "mmpose_000000000785.jpg"]
MOVENET_FLOAT, MOVENET_PEERS = (.03, .3), (.03, .3)  # seven bits, eight pictures: about twice what is seen


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
    vino = {}
    if openvino:
        vino = {ext: in_openvino(f"{TMP}/net8.{ext}") for ext in ("onnx", "tflite")}
        ints, convs = int8_convolutions(f"{TMP}/net8.onnx")
        if not ints or ints < convs:
            fail(f"OpenVINO runs {ints} of {convs} convolutions in int8")
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
        if vino:
            got["onnx in OpenVINO"] = vino["onnx"](x)[0]
            got["tflite in OpenVINO"] = turn(vino["tflite"](xl)[0])
        for name, y in got.items():
            worst[name + " against float"] = max(worst[name + " against float"], distance(y, want))
        for a, b in (("onnx in ours", "onnx in ORT"), ("tflite in ours", "tflite in LiteRT"), ("onnx in ours", "tflite in LiteRT")) + VINO_PAIRS * bool(vino):
            worst[f"{a} against {b}"] = max(worst[f"{a} against {b}"], distance(got[a], got[b]))
    for name, d in worst.items():
        print(f"{name}: {d:.4f}")
        # one rounding more or less here and there, in eight layers of 256 steps; the peers round sums where we round products
        if not d < (.1 if "float" in name else .03):
            fail(f"{name}: {d}")
    if "--small" not in sys.argv:
        movenet()


if __name__ == "__main__":
    main()
