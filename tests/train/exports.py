# SPDX-License-Identifier: Apache-2.0
"""exports.py DIR RUN_MODEL: export.py and export_det.py on runs with random weights, checked by ONNX Runtime and by our engine, and what they refuse; nets that
grow; Muon's short way; a small TensorFlow.js graph against PyTorch."""
import base64
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F

import det_net
import joints
import muon
import net as pose_net
import tfjs
import warm

TRAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "train")
FOLDER, RUN_MODEL = map(os.path.abspath, sys.argv[1:3])


def run(script, *words):
    return subprocess.run([sys.executable, "-B", os.path.join(TRAIN, script), *words], capture_output=True, text=True, cwd=FOLDER)


def refused(r, *words):
    assert r.returncode == 1 and r.stderr.count("\n") == 1 and all(w in r.stderr for w in words), (r.returncode, r.stderr)


def exports():
    os.makedirs(FOLDER + "/pose")
    os.makedirs(FOLDER + "/det")
    net, det = pose_net.make("tiny", joints.N), det_net.make()
    torch.save(dict(about=dict(variant="tiny", joints=joints.NAMES), seen=123, average=net.state_dict()), FOLDER + "/pose/checkpoint.pt")
    torch.save(dict(about=dict(detector=1), seen=123, average=det.state_dict()), FOLDER + "/det/checkpoint.pt")
    r = run("export.py", "pose", "tiny.onnx", "--size", "64", "--no-calibration", "--run-model", RUN_MODEL)
    assert r.returncode == 0 and "our engine within" in r.stdout, (r.stdout, r.stderr)
    r = run("export_det.py", "det", "d.onnx", "--size", "64", "--run-model", RUN_MODEL)
    assert r.returncode == 0 and "our engine within" in r.stdout, (r.stdout, r.stderr)
    for name, task in (("tiny", "pose"), ("d", "detect")):
        with open(f"{FOLDER}/{name}.json") as f:
            card = json.load(f)
        inside = {p.key: p.value for p in onnx.load(f"{FOLDER}/{name}.onnx").metadata_props}["nextpose_card"]
        assert json.loads(inside) == card and card["id"] == name and card["task"] == task and card["input"]["width"] == 64, card
        assert "Leeds Sports" in card["note"] and card["licence"] == "Apache-2.0"
    refused(run("export.py", "pose", "x.bin", "--size", "64"), "OUT ends in .onnx")
    refused(run("export.py", "nowhere", "x.onnx", "--no-calibration"), "nowhere", "no checkpoint")
    refused(run("export_det.py", "pose", "x.onnx"), "no run of train_det.py")
    assert not os.path.exists(FOLDER + "/x.onnx")


def grown():
    """A wider and deeper net that starts from a smaller one computes what that does."""
    torch.manual_seed(3)
    small, large = pose_net.make("tiny", joints.N), pose_net.Net((1, 2, 1, 2), (16, 16, 24, 24), 32, joints.N)
    for m in small.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.running_mean.normal_(0, .1)
            m.running_var.uniform_(.5, 2)
    x = torch.randn(2, 3, 64, 64)
    want = small.eval()(x).detach()
    warm.grow(small.state_dict(), large)
    got = large.eval()(x).detach()
    assert torch.allclose(got, want, atol=1e-5 * want.abs().max()), (got - want).abs().max()
    large.train()(x).square().sum().backward()              # and what is new learns
    assert all(p.grad is not None for p in large.parameters()) and large.stages[0][0].expand.weight.grad[-1].abs().max() >= 0


def short_way():
    for shape in ((24, 96), (96, 24), (32, 32)):
        g = torch.randn(shape)
        x = g / (g.norm() + 1e-7)
        for _ in range(5):
            a = x @ x.t()
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        assert (muon.orthogonal(g) - x).abs().max() < 1e-4, shape


def tensorflow_js():
    """Convolution, depthwise, addition, resize and what stands around them, as the converter of TensorFlow.js writes it."""
    rng = np.random.default_rng(2)
    text = lambda s: base64.b64encode(s.encode()).decode()
    ints = lambda v: {"list": {"i": [str(i) for i in v]}}
    w = {"w1": rng.normal(0, 1, (3, 3, 3, 8)), "b1": rng.normal(0, 1, 8), "w2": rng.normal(0, 1, (3, 3, 8, 1)), "size": np.array([16, 16])}
    conv = dict(strides=ints([1, 2, 2, 1]), dilations=ints([1, 1, 1, 1]), padding={"s": text("SAME")}, data_format={"s": text("NHWC")})
    node = lambda name, op, inputs, **attr: {"name": name, "op": op, "input": inputs, "attr": attr}
    nodes = [node("up", "ResizeBilinear", ["sum", "size"], half_pixel_centers={"b": True}),
             node("x", "Placeholder", []), node("float", "Cast", ["x"], DstT={"type": "DT_FLOAT"}), *[node(k, "Const", ["^x"] if k == "b1" else []) for k in w],
             node("c", "_FusedConv2D", ["float", "w1", "b1"], fused_ops={"list": {"s": [text("BiasAdd"), text("Relu6")]}}, **conv),
             node("d", "DepthwiseConv2dNative", ["c", "w2"], **(conv | {"strides": ints([1, 1, 1, 1])})), node("sum", "AddV2", ["c", "d"]),
             node("y", "Identity", ["up"])]
    data = b"".join(v.astype(np.int32 if k == "size" else np.float16).tobytes() for k, v in w.items())
    kinds = [{"name": k, "shape": list(v.shape), **({"dtype": "int32"} if k == "size" else {"dtype": "float32", "quantization": {"dtype": "float16"}})}
             for k, v in w.items()]
    value = lambda name, kind, shape: {name: {"name": name + ":0", "dtype": kind, "tensorShape": {"dim": [{"size": str(d)} for d in shape]}}}
    model = {"format": "graph-model", "modelTopology": {"node": nodes}, "weightsManifest": [{"paths": ["m.bin"], "weights": kinds}],
             "signature": {"inputs": value("x", "DT_INT32", (1, 16, 16, 3)), "outputs": value("y", "DT_FLOAT", (1, 16, 16, 8))}}
    write = lambda: (open(FOLDER + "/m.bin", "wb").write(data), open(FOLDER + "/m.json", "w").write(json.dumps(model)))
    write()
    assert tfjs.main.__doc__ is None and run("tfjs.py", "m.json", "m.onnx").returncode == 0
    x = rng.integers(0, 5, (1, 16, 16, 3)).astype(np.int32)
    got = onnxruntime.InferenceSession(FOLDER + "/m.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    half = {k: torch.from_numpy(v.astype(np.float16).astype(np.float32)) for k, v in w.items() if k != "size"}
    c = F.conv2d(F.pad(torch.from_numpy(x).float().permute(0, 3, 1, 2), (0, 1, 0, 1)), half["w1"].permute(3, 2, 0, 1), half["b1"], 2).clamp(0, 6)
    d = F.conv2d(c, half["w2"].permute(2, 3, 0, 1), padding=1, groups=8)
    want = F.interpolate(c + d, size=(16, 16), mode="bilinear", align_corners=False).permute(0, 2, 3, 1).numpy()
    assert got.shape == want.shape and np.abs(got - want).max() < 1e-4, np.abs(got - want).max()
    nodes[-1]["op"] = "Einsum"
    write()
    refused(run("tfjs.py", "m.json", "n.onnx"), "op Einsum is not understood")
    data = data[:-4]
    nodes[-1]["op"] = "Identity"
    write()
    assert run("tfjs.py", "m.json", "n.onnx").returncode == 1 and not os.path.exists(FOLDER + "/n.onnx")


exports()
grown()
short_way()
tensorflow_js()
print("ok")
