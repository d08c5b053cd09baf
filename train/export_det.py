#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""export_det.py RUN OUT.onnx [--size 320] [--run-model PROGRAM]: the moving average of a detector's run as ONNX, with its card inside and beside it.

One file serves all sizes: `nextpose run --yolo-size 416` scales its input. Checked like export.py."""
import argparse
import os
import sys

import torch

import det_net
import onnx_out
import state

NOTE = ("trained by train/ on %d pictures made of Leeds Sports Pose Extended 1-8500 (Johnson & Everingham, CVPR 2011) with boxes of YOLOX-nano (Apache-2.0) and "
        "the human labels; accuracy: docs/training.md")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("run")
    p.add_argument("out")
    p.add_argument("--size", type=int, default=320)
    p.add_argument("--name")
    p.add_argument("--run-model", help="tests/models/run_model of a build: our engine is checked, too")
    a = p.parse_args()
    torch.set_num_threads(2)
    if not a.out.endswith(".onnx") or a.size % 32:
        sys.exit("export_det: OUT ends in .onnx, --size is a multiple of 32")
    c = state.load(a.run)
    if c is None or "detector" not in c.get("about", {}):
        sys.exit(f"export_det: {a.run}: no run of train_det.py")
    net = det_net.make()
    net.load_state_dict(c["average"])
    name, shape = a.name or os.path.basename(a.out)[:-5], (1, 3, a.size, a.size)
    digest = onnx_out.write(net, shape, a.out, onnx_out.detector_card(name, "NextPose person detector", a.size, note=NOTE % c["seen"]), "boxes")
    error = onnx_out.compare(net, shape, a.out)
    if not error < 1e-4:
        sys.exit(f"export_det: ONNX Runtime differs from PyTorch by {error:.2e} of the largest number")
    line = f"{a.out}: {os.path.getsize(a.out)} bytes, sha256 {digest}, ONNX Runtime within {error:.1e}"
    if a.run_model:
        line += f", our engine within {onnx_out.compare_ours(a.run_model, a.out, shape):.1e}"
    print(line)


if __name__ == "__main__":
    main()
