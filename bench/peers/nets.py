# SPDX-License-Identifier: Apache-2.0
"""The nets that we and the peers are timed on, each in the files that each runtime reads, and the picture that goes in.

Made once into a folder and used again: ConvNeXtPose by ../shared/peers/convnextpose_torch.py where PyTorch is installed, else by tests/ref/make_convnextpose.py (the
same net without PyTorch; random weights with lively statistics both); int8 by `nextpose quantize`; other formats by `nextpose convert`; ncnn's by pnnx. What cannot be
made is a reason, by name, instead of a path.

Int8 weights of ConvNeXtPose have 7 bits, for all: without VNNI the 8-bit products of ONNX Runtime and OpenVINO saturate (vpmaddubsw), and their outputs with 8-bit weights are off by a
tenth; ours and LiteRT's are not. EfficientDet and MoveNet are Google's files with 8 bits."""
import importlib.util
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REF = os.path.join(HERE, "..", "..", "tests", "ref")
TORCH = """
import sys; sys.path.insert(0, sys.argv[1])
import torch, torch.nn as nn, convnextpose_torch as c
torch.manual_seed(0)
m = c.make(sys.argv[2])
for mod in m.modules():
    if isinstance(mod, nn.BatchNorm2d):
        mod.running_mean.normal_(0, .1); mod.running_var.uniform_(.5, 1.5); mod.weight.data.uniform_(.5, 1.5); mod.bias.data.normal_(0, .1)
m.eval()
torch.onnx.export(m, torch.randn(1, 3, 256, 256), sys.argv[3], dynamo=False, opset_version=17, input_names=['input'], output_names=['heat'], do_constant_folding=True)
"""
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "bgr": False}
UNIT = {"mean": [0, 0, 0], "std": [1, 1, 1], "bgr": False}
BYTES = {"mean": [0, 0, 0], "std": [1 / 255] * 3, "bgr": False}
# How far outputs may differ to be called the same: fp32 and bf16 the largest difference relative to the largest value, int8 root mean squares.
# Int8: what these nets lose to quantization is as much; runtimes round, fuse and keep sums in float where they please.
BOUND = {"fp32": 2e-3, "bf16": 5e-2, "int8": 0.1}
# MoveNet's int8 scores come in steps of a sixth of their range: LiteRT's own plain kernels are 0.28 off what its XNNPACK ones give on the same picture.
BOUND_MOVENET = 0.3
RUNTIMES = ("onnxruntime", "openvino", "litert", "ncnn")


class Absent(Exception):
    pass


def run(cmd):
    p = subprocess.run(cmd, capture_output=True, text=True)
    if p.returncode:
        said = (p.stderr or p.stdout).strip().splitlines() or [f"exit {p.returncode}"]
        raise Absent(f"{os.path.basename(cmd[0])}: {said[-1][:140]}")


class Maker:
    def __init__(self, nextpose, shared, folder, torch_python):
        self.nextpose, self.shared, self.folder, self.torch_python = nextpose, shared, folder, torch_python
        self.why = {}
        os.makedirs(folder, exist_ok=True)

    def make(self, name, sources, how):
        """The file `name` of the folder, made anew when one of its sources is younger."""
        path = os.path.join(self.folder, name)
        if os.path.exists(path) and all(os.path.getmtime(s) <= os.path.getmtime(path) for s in sources):
            return path
        if name in self.why:
            raise Absent(self.why[name])
        try:
            how(path)
        except Absent as e:
            self.why[name] = str(e)
            raise
        return path

    def convert(self, source, name, *flags):
        return self.make(name, [source], lambda to: run([self.nextpose, "convert", source, to, "-q", *flags]))

    def quantize(self, source, name):
        photos = os.path.join(self.shared, "clips", "photos")
        return self.make(name, [source], lambda to: run([self.nextpose, "quantize", source, to, "--calibrate", photos, "-d", "none", "--weight-bits", "7", "-q", "--log-level", "error"]))

    def convnextpose(self, variant):
        def how(to):
            peers = os.path.join(self.shared, "peers")
            for python in filter(None, (self.torch_python, sys.executable)):
                if subprocess.run([python, "-c", TORCH, peers, variant, to], capture_output=True).returncode == 0:
                    return
            run([sys.executable, os.path.join(REF, "make_convnextpose.py"), variant, to])

        return self.make(f"convnextpose_{variant}.onnx", [], how)

    def ncnn(self, onnx, name, shape, dtype="f32"):
        spec = importlib.util.find_spec("pnnx")  # not imported: that would want PyTorch, the program inside does not
        if not spec:
            raise Absent("pnnx, which makes ncnn's files, is not installed")
        program = os.path.join(os.path.dirname(spec.origin), "pnnx")

        def how(to):
            stem = to.replace(".param", "")
            run([program, onnx, f"inputshape=[{','.join(map(str, shape))}]{dtype}", "fp16=0", f"ncnnparam={to}", f"ncnnbin={stem}.bin", f"ncnnpy={stem}.py", f"pnnxparam={stem}.p.param",
                 f"pnnxbin={stem}.p.bin", f"pnnxpy={stem}.p.py", f"pnnxonnx={stem}.p.onnx"])
            if not os.path.getsize(to):
                raise Absent("pnnx wrote nothing")

        return self.make(name, [onnx], how)


def files_or_reasons(**makers):
    out = {}
    for k, f in makers.items():
        try:
            out[k] = f() if callable(f) else f
        except Absent as e:
            out[k] = e
    return out


def all_nets(m, quick, bf16=False):
    """Each: name, precision, batch, side, spec, files of each runtime (a path, or an Absent)."""
    nets = []

    def add(name, precision, batch, side, spec, ours, bound=None, **files):
        files = {r: files.get(r, Absent("not made")) for r in RUNTIMES}
        nets.append({"name": name, "precision": precision, "batch": batch, "side": side, "spec": spec, "bound": bound or BOUND[precision], "files": {"nextpose": ours, **files_or_reasons(**files)}})

    no_int8 = Absent("its int8 tools want a calibration of their own; no converter from QDQ")
    for v in ("s", "xs"):
        name, one = f"ConvNeXtPose-{v.upper()}", m.convnextpose(v)
        for b in (1, 4):
            stem = f"convnextpose_{v}" + (f"_b{b}" if b > 1 else "")
            onnx = one if b == 1 else m.convert(one, f"{stem}.onnx", "--strategy", "fp32", "--shape", f"{b},3,256,256")
            add(name, "fp32", b, 256, {**IMAGENET, "ncnn_chw": True, "ncnn_dtype": "float32"}, onnx, onnxruntime=onnx, openvino=onnx,
                litert=lambda onnx=onnx, stem=stem: m.convert(onnx, f"{stem}.tflite", "--strategy", "fp32"),
                ncnn=lambda v=v, one=one: m.ncnn(one, f"convnextpose_{v}.ncnn.param", (1, 3, 256, 256)))
        for b in (1, 4):
            stem = f"convnextpose_{v}_int8" + (f"_b{b}" if b > 1 else "")
            try:
                q = m.quantize(one, f"convnextpose_{v}_int8.onnx")
                q = q if b == 1 else m.convert(q, f"{stem}.onnx", "--strategy", "fp32", "--shape", f"{b},3,256,256")
            except Absent as e:
                print(f"{name} int8: {e}", file=sys.stderr)
                continue
            add(name, "int8", b, 256, IMAGENET, q, onnxruntime=q, openvino=q, litert=lambda q=q, stem=stem: m.convert(q, f"{stem}.tflite"), ncnn=no_int8)
    models = os.path.join(m.shared, "models")

    def there(f):
        path = os.path.join(models, f)
        return path if os.path.exists(path) else None

    if p := there("yolox_nano.onnx"):
        add("YOLOX-nano 416", "fp32", 1, 416, {**BYTES, "bgr": True, "ncnn_chw": True, "ncnn_dtype": "float32"}, p, onnxruntime=p, openvino=p,
            litert=lambda: m.convert(p, "yolox_nano.tflite", "--strategy", "fp32"), ncnn=lambda: m.ncnn(p, "yolox_nano.ncnn.param", (1, 3, 416, 416)))
    if bp := there("pose_landmark_full.tflite"):
        def bp_onnx():
            return m.convert(bp, "pose_landmark_full.onnx", "--strategy", "fp32")
        add("BlazePose full", "fp32", 1, 256, {**UNIT, "ncnn_chw": True, "ncnn_dtype": "float32"}, bp, onnxruntime=bp_onnx, openvino=bp_onnx, litert=bp,
            ncnn=lambda: m.ncnn(bp_onnx(), "pose_landmark_full.ncnn.param", (1, 3, 256, 256)))
    if mn := there("movenet_lightning.onnx"):
        add("MoveNet Lightning", "fp32", 1, 192, {**BYTES, "ncnn_chw": False, "ncnn_dtype": "float32"}, mn, onnxruntime=mn, openvino=mn,
            litert=lambda: m.convert(mn, "movenet_lightning.tflite", "--strategy", "fp32"), ncnn=lambda: m.ncnn(mn, "movenet_lightning.ncnn.param", (1, 192, 192, 3), "i32"))
    for name, f, side, bound in (("EfficientDet-Lite0", "efficientdet_lite0_int8", 320, None), ("MoveNet Lightning", "movenet_lightning_int8", 192, BOUND_MOVENET)):
        if p8 := there(f + ".tflite"):
            def onnx8(p8=p8, f=f):
                return m.convert(p8, f + ".onnx")
            add(name, "int8", 1, side, BYTES, p8, bound, onnxruntime=onnx8, openvino=onnx8, litert=p8, ncnn=no_int8)
    if bf16:  # the same float files; runtimes that have no bf16 on a CPU say so
        for n in [n for n in nets if n["precision"] == "fp32"]:
            files = dict(n["files"], onnxruntime=Absent("no bf16 kernels for CPUs"), litert=Absent("no bf16 kernels for CPUs"))
            nets.append(dict(n, precision="bf16", bound=BOUND["bf16"], files=files, reference=n["files"]["onnxruntime"]))
    return [n for n in nets if not quick or n["batch"] == 1]


def pictures(shared, batch, side):
    """[batch][side][side][3] float RGB 0..1: squares around the middle of real photos, one after the other."""
    import cv2
    import numpy as np

    folder = os.path.join(shared, "clips", "photos")
    names = sorted(f for f in os.listdir(folder) if f.endswith((".jpg", ".png")))
    out = []
    for i in range(batch):
        rgb = cv2.imread(os.path.join(folder, names[i % len(names)]))[..., ::-1]
        s = min(rgb.shape[:2])
        y, x = (rgb.shape[0] - s) // 2, (rgb.shape[1] - s) // 2
        out.append(cv2.resize(rgb[y : y + s, x : x + s], (side, side), interpolation=cv2.INTER_AREA))
    return np.stack(out).astype(np.float32) / 255
