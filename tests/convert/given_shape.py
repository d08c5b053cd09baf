# SPDX-License-Identifier: Apache-2.0
"""nextpose convert --shape on files whose Resize and Reshape name sizes: a batch of four pictures gives what the file gives for each of the four, a
larger picture the size that grows with it, and what does not scale is refused in one line with nothing written.

    given_shape.py NEXTPOSE"""
import os
import subprocess
import sys
import tempfile

from peers import convert, np, onnx, run_onnx
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(7)


def const(name, a):
    return numpy_helper.from_array(np.asarray(a), name)


def sizes(kind):
    """Nodes and constants that make the sizes [n,4,16,24] of a Resize: written out, or batch and channels by Shape and the rest written out."""
    if kind == "constant":
        return [], [const("sizes", np.int64([1, 4, 16, 24]))]
    return ([helper.make_node("Shape", ["q"], ["s"]), helper.make_node("Slice", ["s", "0", "2"], ["nc"]), helper.make_node("Concat", ["nc", "hw"], ["sizes"], axis=0)],
            [const("0", np.int64([0])), const("2", np.int64([2])), const("hw", np.int64([16, 24]))])


def net(path, kind="constant", quantized=True, last=False, to=(16, 24)):
    """conv, quantize, dequantize, resize 8x12 -> `to`, reshape to [1,4,-1]; `last`: the input is channels-last."""
    nodes, consts = sizes(kind)
    if to != (16, 24):
        consts = [const("sizes", np.int64([1, 4, *to]))]
    x = "x"
    if last:
        nodes = [helper.make_node("Transpose", ["x"], ["nchw"], perm=[0, 3, 1, 2])] + nodes
        x = "nchw"
    body = [helper.make_node("Conv", [x, "w"], ["c"], kernel_shape=[2, 2], strides=[2, 2])]
    if quantized:
        body += [helper.make_node("QuantizeLinear", ["c", "scale", "zero"], ["c8"]), helper.make_node("DequantizeLinear", ["c8", "scale", "zero"], ["q"])]
    else:
        body += [helper.make_node("Identity", ["c"], ["q"])]
    tail = [helper.make_node("Resize", ["q", "", "", "sizes"], ["r"], name="up", mode="linear", coordinate_transformation_mode="align_corners"),
            helper.make_node("Reshape", ["r", "flat"], ["y"])]
    at = 1 if last else 0
    graph = helper.make_graph(nodes[:at] + body + nodes[at:] + tail, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 24, 3] if last else [1, 3, 16, 24])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              consts + [const("w", RNG.normal(0, 1, (4, 3, 2, 2)).astype(np.float32)), const("scale", np.float32(.05)), const("zero", np.uint8(128)),
                                        const("flat", np.int64([1, 4, -1]))])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def main():
    bad = 0
    exe = sys.argv[1]
    with tempfile.TemporaryDirectory() as tmp:
        a, b = f"{tmp}/a.onnx", f"{tmp}/b.onnx"
        for kind in ("constant", "computed"):
            for quantized in (True, False):
                for last in (False, True):
                    net(a, kind, quantized, last)
                    x = RNG.normal(0, 1, (4, 16, 24, 3) if last else (4, 3, 16, 24)).astype(np.float32)
                    want = np.concatenate([run_onnx(a, [x[i:i + 1]])[0] for i in range(4)])
                    convert(exe, a, b, "--strategy", "fp32" if not quantized else "auto", "--io-layout", "keep", "--shape", ",".join(str(d) for d in x.shape))
                    got = run_onnx(b, [x])[0]
                    ok = got.shape == want.shape and np.abs(got - want).max() <= 1e-5  # .05 is a step, and sums differ by rounding
                    big = [1, 32, 36, 3] if last else [1, 3, 32, 36]
                    convert(exe, a, b, "--strategy", "fp32" if not quantized else "auto", "--io-layout", "keep", "--shape", ",".join(str(d) for d in big))
                    flat = run_onnx(b, [np.zeros(big, np.float32)])[0].shape
                    ok &= flat == (1, 4, 32 * 36)
                    print(f"{kind:9} {'int8' if quantized else 'fp32'} {'NHWC' if last else 'NCHW'} {'ok' if ok else f'FAIL {got.shape} {flat}'}", flush=True)
                    bad += not ok
        net(a, to=(13, 24))  # 8 -> 13: no whole scale, and 13 * 20 / 16 is no whole number
        os.remove(b)
        p = subprocess.run([exe, "convert", a, b, "--shape", "1,3,20,24"], capture_output=True, text=True)
        ok = p.returncode not in (0, -6, -11) and len(p.stderr.strip().splitlines()) == 1 and "does not scale to the shape given" in p.stderr and not os.path.exists(b)
        print("refused" if ok else f"FAIL {p.returncode} {p.stderr}", flush=True)
        bad += not ok
    return bad != 0


sys.exit(main())
