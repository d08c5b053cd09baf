# SPDX-License-Identifier: Apache-2.0
"""What the tests of `nextpose convert` share: running a file in the runtime it is for, and looking for transposes."""
import os
import subprocess
import sys


def skip(why):
    print("skipped:", why)
    sys.exit(77)


try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
except ImportError as e:
    skip(f"Python package {e.name} is missing (see tests/requirements.txt)")

CONVOLUTIONS = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "MAX_POOL_2D", "AVERAGE_POOL_2D"}


NEED_ORDER = {"Reshape", "Gather", "GatherND", "MatMul", "Gemm", "RESHAPE", "GATHER", "GATHER_ND", "BATCH_MATMUL", "FULLY_CONNECTED"}


def turned(x, shape):
    """x, with its channels where `shape` has them."""
    if list(x.shape) == list(shape):
        return x
    for perm in ((0, 3, 1, 2), (0, 2, 3, 1)):
        if x.ndim == 4 and [x.shape[p] for p in perm] == list(shape):
            return np.ascontiguousarray(x.transpose(perm))
    raise AssertionError(f"shape {list(x.shape)} where {list(shape)} is wanted")


def run_onnx(path, inputs, plain=True):
    o = ort.SessionOptions()
    o.log_severity_level, o.intra_op_num_threads = 3, 1
    o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL if plain else ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    return s.run(None, {i.name: turned(x, i.shape) for i, x in zip(s.get_inputs(), inputs)})


def run_tflite(path, inputs, plain=True):
    try:
        r = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF if plain else OpResolverType.AUTO, num_threads=1)
    except ValueError:  # the reference kernels lack a few operators
        r = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1)
    r.allocate_tensors()
    for d, x in zip(r.get_input_details(), inputs):
        r.set_tensor(d["index"], turned(x, d["shape"]))
    r.invoke()
    return [r.get_tensor(d["index"]).copy() for d in r.get_output_details()]


def run(path, inputs, plain=True):
    return (run_onnx if path.endswith(".onnx") else run_tflite)(path, inputs, plain)


def graph_of(path):
    """[(op, inputs, outputs)]"""
    if path.endswith(".onnx"):
        m = onnx.load(path)
        onnx.checker.check_model(m, full_check=True)
        return [(n.op_type, list(n.input), list(n.output)) for n in m.graph.node]
    r = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    return [(o["op_name"], [int(i) for i in o["inputs"]], [int(i) for i in o["outputs"]]) for o in r._get_ops_details()]


def transposes_at_convolutions(path):
    """Transposes in front of a convolution (but that of an input whose shape was kept), or between one and anything that could have taken
    its order: what remains is asked for by ops that mean another order (a Reshape of mixed dimensions, a Gather, an output)."""
    ops = graph_of(path)
    made = {o: op for op, _, outs in ops for o in outs}
    readers = {}
    for op, ins, _ in ops:
        for i in ins:
            readers.setdefault(i, []).append(op)
    n = 0
    for op, ins, outs in ops:
        if op not in ("Transpose", "TRANSPOSE"):
            continue
        source, then = made.get(ins[0]), readers.get(outs[0], [])
        n += any(t in CONVOLUTIONS for t in then) and source not in (None, "Cast", "CAST", "Sub", "SUB", "Mul", "MUL", "Div", "DIV")
        n += source in CONVOLUTIONS and any(t not in NEED_ORDER for t in then)
    return n


def convert(exe, source, target, *options):
    p = subprocess.run([exe, "convert", source, target, *options], capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError(p.stderr.strip() or f"exit code {p.returncode}")
    return p.stdout
