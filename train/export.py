#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""export.py RUN OUT.onnx [--size 192] [--run-model PROGRAM]: the moving average of a training run as ONNX, with its card inside and beside it.

Checked before it says so: ONNX Runtime's answer against PyTorch's, and with --run-model (tests/models/run_model of a build) our engine's against ONNX Runtime's on the same input. The
confidence is calibrated on the held-out people (calibrate.py) unless --no-calibration."""
import argparse
import os
import sys

import torch

import calibrate
import joints
import onnx_out
import people as crops
import prepare

NOTE = ("trained by train/ on Leeds Sports Pose Extended 1-8500 (Johnson & Everingham, CVPR 2011) with labels of BlazePose heavy (Apache-2.0) fused with the "
        "human ones, and on the clips that docs/training.md lists; %d samples; accuracy: docs/training.md")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("run", help="folder of a run, or a checkpoint")
    p.add_argument("out")
    p.add_argument("--size", type=int, default=192)
    p.add_argument("--name", help="card's id (default: the file's name)")
    p.add_argument("--work")
    p.add_argument("--no-calibration", action="store_true")
    p.add_argument("--run-model", help="tests/models/run_model of a build: our engine is checked, too")
    a = p.parse_args()
    torch.set_num_threads(2)
    if not a.out.endswith(".onnx") or a.size % 32:
        sys.exit("export: OUT ends in .onnx, --size is a multiple of 32")
    net, c = calibrate.load(a.run)
    name = a.name or os.path.basename(a.out)[:-5]
    gain = bias = 0.
    if not a.no_calibration:
        m = calibrate.measure(net, crops.People(prepare.work_dir(a.work), False), a.size)
        gain, bias = m["gain"], m["bias"]
        print(f"confidence: gain {gain:.3f} bias {bias:.3f}, calibration error {m['before'][1]:.3f} -> {m['after'][1]:.3f}")
    card = onnx_out.pose_card(name, f"NextPose {c['about']['variant'].upper()}, {a.size} px", a.size, "np24", joints.PELVIS, 32, (round(gain, 4), round(bias, 4)),
                              source="train/ of NextPose", note=NOTE % c["seen"])
    shape = (1, 3, a.size, a.size)
    digest = onnx_out.write(net, shape, a.out, card, "volume")
    error = onnx_out.compare(net, shape, a.out)
    if not error < 1e-4:
        sys.exit(f"export: ONNX Runtime differs from PyTorch by {error:.2e} of the largest number")
    line = f"{a.out}: {os.path.getsize(a.out)} bytes, sha256 {digest}, ONNX Runtime within {error:.1e}"
    if a.run_model:
        error = onnx_out.compare_ours(a.run_model, a.out, shape)
        if not error < 1e-3:
            sys.exit(f"export: our engine differs from ONNX Runtime by {error:.2e} of the largest number")
        line += f", our engine within {error:.1e}"
    print(line)


if __name__ == "__main__":
    main()
