# SPDX-License-Identifier: Apache-2.0
"""Writing ONNX files with our card beside them and inside them, and checking them: what export.py, export_paper.py and export_det.py share."""
import hashlib
import json
import os
import subprocess
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
import torch


def pose_card(name, title, size, keypoints, root, bins, calibration=(0., 0.), licence="Apache-2.0", source="", note="", kpt=.3, bbox=.1):
    return {
        "id": name, "name": title, "licence": licence, "source": source, "note": note, "sha256": [], "files": [f"{name}.onnx", f"{name}.tflite"],
        "task": "pose", "keypoint_set": keypoints, "root": root, "depth_range_mm": 1000,
        "input": {"layout": "auto", "colour": "rgb", "fit": "letterbox_center", "width": size, "height": size, "raw": False, "scale": 1 / 255,
                  "mean": [.485, .456, .406], "std": [.229, .224, .225], "pad": 114, "crop_factor": 1.25},
        "decoder": {"name": "soft_argmax3d", "depth_bins": bins, "conf_gain": calibration[0], "conf_bias": calibration[1]},
        "thresholds": {"bbox": bbox, "nms": .5, "kpt": kpt},
    }


def detector_card(name, title, size, note="", threshold=.3):
    return {
        "id": name, "name": title, "licence": "Apache-2.0", "source": "train/ of NextPose", "note": note, "sha256": [],
        "files": [f"{name}.onnx", f"{name}.tflite"], "task": "detect", "keypoint_set": "", "root": -2, "depth_range_mm": 0,
        "input": {"layout": "auto", "colour": "rgb", "fit": "letterbox_center", "width": size, "height": size, "raw": False, "scale": 1 / 255,
                  "mean": [0, 0, 0], "std": [1, 1, 1], "pad": 114, "crop_factor": 1.25},
        "decoder": {"name": "yolox", "class_index": 0}, "thresholds": {"bbox": threshold, "nms": .5, "kpt": .3},
    }


def write(net, shape, path, card, outputs):
    """`outputs`: names, with commas between. Card None: none. Traces `net` for an input of that shape; BN is folded by the exporter where it can be. The file gets its name when it is whole."""
    net = net.eval()
    picture = torch.linspace(-2, 2, int(np.prod(shape))).reshape(shape)
    part = path + ".part"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                     # the exporter of PyTorch 2.9 and later makes graphs that fewer runtimes read
        torch.onnx.export(net, picture, part, dynamo=False, opset_version=17, input_names=["picture"], output_names=outputs.split(","),
                          do_constant_folding=True)
    model = onnx.load(part)
    model.producer_name, model.producer_version = "nextpose-train", ""
    if card:
        text = json.dumps(card, indent=2)
        onnx.helper.set_model_props(model, {"nextpose_card": text})
    onnx.checker.check_model(model)
    with open(part, "wb") as f:
        f.write(model.SerializeToString())
    if card:
        with open(os.path.splitext(path)[0] + ".json", "w") as f:
            f.write(text + "\n")
    os.replace(part, path)
    return hashlib.sha256(open(path, "rb").read()).hexdigest()


def compare(net, shape, path, seed=0):
    """Largest difference between PyTorch's answer and ONNX Runtime's, as a share of the answer's largest number."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        want = net.eval()(x)
    session, worst = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]), 0.
    for got, want in zip(session.run(None, {"picture": x.numpy()}), want if isinstance(want, tuple) else [want]):
        if got.shape != want.shape:
            raise SystemExit(f"{path}: ONNX Runtime's output is {got.shape}, PyTorch's {tuple(want.shape)}")
        worst = max(worst, float(np.abs(got - want.numpy()).max() / want.abs().max()))
    return worst


def compare_ours(run_model, path, shape, seed=0):
    """The same between our engine (tests/models/run_model) and ONNX Runtime, the worst of all outputs. Ours keeps pictures channels-last."""
    x = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    wanted, worst = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"picture": x}), 0.
    with tempfile.TemporaryDirectory() as tmp:
        said = [line.split() for line in nextpose(run_model, path, tmp + "/out").splitlines()]
        dims = [(line[0], [int(v) for v in line[5:]]) for line in said if line[0] in ("input", "output")]
        (x if dims[0] == ("input", list(shape)) else x.transpose(0, 2, 3, 1)).tofile(tmp + "/in")
        nextpose(run_model, path, tmp + "/out", tmp + "/in")
        outputs = [d for kind, d in dims if kind == "output"]
        if len(outputs) != len(wanted):
            raise SystemExit(f"{path}: our engine has {len(outputs)} outputs, ONNX Runtime {len(wanted)}")
        for k, want in enumerate(wanted):
            got = np.fromfile(f"{tmp}/out.{k}", np.float32).reshape(outputs[k])
            if got.shape != want.shape and got.ndim == 4:
                got = got.transpose(0, 3, 1, 2)
            if got.shape != want.shape:
                raise SystemExit(f"{path}: our engine's output is {got.shape}, ONNX Runtime's {want.shape}")
            worst = max(worst, float(np.abs(got - want).max() / np.abs(want).max()))
    return worst


def nextpose(program, *args):
    r = subprocess.run([program, *args], capture_output=True, text=True)
    if r.returncode:
        raise SystemExit(f"{program} {' '.join(args)}: exit {r.returncode}: {r.stderr.strip()}")
    return r.stdout
