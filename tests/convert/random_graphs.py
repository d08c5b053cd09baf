# SPDX-License-Identifier: Apache-2.0
"""Random nets, converted to TFLite and from there back to ONNX, give the same numbers in LiteRT and ONNX Runtime.

    random_graphs.py NEXTPOSE [--seeds FROM:TO] [--verbose]

Each seed grows a net of 3 to 12 operators over the vocabulary below, with pads, strides, dilations, groups and coordinate modes as they come.
(Transposes at convolutions: two for each operator of the net that means another order.) Allowed: 8 times what the input's own rounding does to the outputs (two runs with the input off by 2^-22), 4 yardsticks (ONNX Runtime
without and with optimisations), and eps * operators * largest number on the way. A refusal must name a node, and is counted: the vocabulary
holds little that TFLite lacks."""
import random
import sys
import tempfile

from peers import convert, np, onnx, ort, run_onnx, run_tflite, transposes_at_convolutions, turned
from onnx import TensorProto, helper, numpy_helper

EPS = 2.0 ** -23
UNARY = ["Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "HardSwish", "HardSigmoid", "Softplus", "Abs", "Neg", "Exp01", "Sqrt01", "Clip", "Clip6", "PRelu", "Silu", "Gelu",
         "Erfless", "Selu", "Softsign", "Mish", "Floor0", "Sin", "Cos", "ThresholdedRelu", "Celu", "Square"]


class Net:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.np = np.random.default_rng(seed)
        self.nodes, self.consts, self.n = [], [], 0
        self.shape = {}

    def const(self, a):
        self.n += 1
        self.consts.append(numpy_helper.from_array(np.ascontiguousarray(a), f"c{self.n}"))
        return f"c{self.n}"

    def f32(self, *shape, scale=1.0):
        return self.const((self.np.normal(0, scale, shape)).astype(np.float32))

    def op(self, kind, *ins, outs=1, **attrs):
        self.n += 1
        names = [f"{kind.lower()}{self.n}_{k}" for k in range(outs)]
        self.nodes.append(helper.make_node(kind, list(ins), names, name=f"{kind}{self.n}", **attrs))
        return names[0] if outs == 1 else names

    def model(self, inputs, outputs):
        g = helper.make_graph(self.nodes, "random", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
                              [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs], self.consts)
        return helper.make_model(g, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def infer(net, inputs, x):
    """Shape of x by ONNX itself."""
    m = onnx.shape_inference.infer_shapes(net.model(inputs, [x]), data_prop=True, strict_mode=True)
    return [d.dim_value for d in m.graph.output[0].type.tensor_type.shape.dim]


def unary(net, x, c):
    r, k = net.r, net.r.choice(UNARY)
    if k == "Exp01":
        return net.op("Exp", net.op("Tanh", x))
    if k == "Sqrt01":
        return net.op("Sqrt", net.op("Sigmoid", x))
    if k == "Clip":
        return net.op("Clip", x, net.const(np.float32(r.uniform(-2, 0))), net.const(np.float32(r.uniform(0.1, 3))))
    if k == "Clip6":
        return net.op("Clip", x, net.const(np.float32(0)), net.const(np.float32(6)))
    if k == "PRelu":
        return net.op("PRelu", x, net.f32(c, 1, 1, scale=.3))
    if k == "Silu":
        return net.op("Mul", x, net.op("Sigmoid", x))
    if k == "Gelu":
        e = net.op("Add", net.op("Erf", net.op("Div", x, net.const(np.float32(2 ** .5)))), net.const(np.float32(1)))
        return net.op("Mul", net.op("Mul", x, e), net.const(np.float32(.5)))
    if k == "Erfless":
        return net.op("Mul", x, net.op("HardSigmoid", x, alpha=1 / 6, beta=.5))
    if k == "Floor0":
        return net.op("Mul", x, net.const(np.float32(.5)))
    if k == "LeakyRelu":
        return net.op("LeakyRelu", x, alpha=r.choice([.01, .1, .3]))
    if k == "Elu":
        return net.op("Elu", x, alpha=r.choice([1., .5]))
    if k == "Square":
        return net.op("Tanh", net.op("Mul", x, x))
    if k == "HardSwish":
        return net.op("HardSwish", x)
    return net.op(k, x)


def convolution(net, x, s):
    r, c = net.r, s[1]
    kh, kw = r.choice([1, 1, 2, 3, 3, 5, 7]), r.choice([1, 3, 3, 5])
    st, dil = r.choice([1, 1, 2, 3]), r.choice([1, 1, 1, 2])
    kind = r.choice(["conv", "conv", "dw", "group", "mult"])
    groups = c if kind in ("dw", "mult") else r.choice([g for g in (1, 2, 4) if c % g == 0]) if kind == "group" else 1
    co = c if kind == "dw" else 2 * c if kind == "mult" else groups * r.choice([1, 2, 3, 5])
    span = max(kh, kw) * dil
    pads = [r.choice([0, 1, kh // 2]), r.choice([0, kw // 2]), r.choice([0, 1, kh // 2]), r.choice([0, kw // 2])]
    if min(s[2] + pads[0] + pads[2], s[3] + pads[1] + pads[3]) < span + 1:
        return None
    w = net.f32(co, c // groups, kh, kw, scale=1 / np.sqrt(c // groups * kh * kw))
    ins = [x, w] + ([net.f32(co, scale=.2)] if r.random() < .7 else [])
    auto = dil == 1 and r.random() < .25
    attrs = dict(auto_pad=r.choice(["SAME_UPPER", "SAME_LOWER"])) if auto else dict(pads=pads)
    return net.op("Conv", *ins, kernel_shape=[kh, kw], strides=[st, st], dilations=[dil, dil], group=groups, **attrs)


def transposed(net, x, s):
    r, k, st = net.r, net.r.choice([2, 3, 4]), net.r.choice([1, 2])
    p = r.choice([0, 1]) if k > 2 else 0
    extra = r.choice([0, 1]) if st == 2 and p else 0
    co = r.choice([2, 3])
    return net.op("ConvTranspose", x, net.f32(s[1], co, k, k, scale=.3), net.f32(co, scale=.2), kernel_shape=[k, k], strides=[st, st], pads=[p, p, p, p], output_padding=[extra, extra])


def pool(net, x, s):
    r, k = net.r, net.r.choice([2, 3])
    if min(s[2:]) < k + 1:
        return None
    kind = r.choice(["MaxPool", "AveragePool"])
    attrs = dict(kernel_shape=[k, k], strides=[r.choice([1, 2])] * 2, pads=[r.choice([0, 1]) for _ in range(4)], ceil_mode=r.choice([0, 0, 1]))
    if kind == "AveragePool":
        attrs["count_include_pad"] = r.choice([0, 1])
        if attrs["ceil_mode"]:
            attrs["pads"] = [0] * 4  # ONNX Runtime and the standard disagree about what both together divide by
    return net.op(kind, x, **attrs)


def resize(net, x, s):
    r = net.r
    if max(s[2:]) > 40:
        return None
    mode = r.choice(["nearest", "nearest", "linear", "linear", "cubic"])
    coord = r.choice(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
    attrs = dict(mode=mode, coordinate_transformation_mode=coord)
    if mode == "nearest":
        attrs["nearest_mode"] = r.choice(["floor", "round_prefer_floor", "round_prefer_ceil"])
    by = r.choice([2, 2, 3, 1.5, .5])
    sizes = [s[0], s[1], max(1, int(s[2] * by)), max(1, int(s[3] * by))]
    if coord == "align_corners" and min(sizes[2:]) == 1:
        return None
    return net.op("Resize", x, "", "", net.const(np.int64(sizes)), **attrs)


def move(net, x, s):
    r, k = net.r, net.r.choice(["Slice", "Pad", "Concat", "Transpose", "DepthToSpace", "SpaceToDepth", "Split", "Norm", "Softmax", "Reduce", "BN", "Broadcast", "Shuffle"])
    if k == "Slice":
        a = r.choice([1, 2, 3])
        if s[a] < 3:
            return None
        step = r.choice([1, 2, -1])
        lo, hi = (0, s[a] - 1) if step > 0 else (s[a] - 1, -s[a] - 1)
        return net.op("Slice", x, net.const(np.int64([lo])), net.const(np.int64([hi])), net.const(np.int64([a])), net.const(np.int64([step])))
    if k == "Pad":
        mode = r.choice(["constant", "reflect", "edge"])
        p = [0, 0, r.choice([0, 1]), r.choice([0, 1]), 0, 0, r.choice([0, 1]), r.choice([0, 1])]
        ins = [x, net.const(np.int64(p))] + ([net.const(np.float32(r.choice([0, .5])))] if mode == "constant" else [])
        return net.op("Pad", *ins, mode=mode) if min(s[2:]) > 1 else None
    if k == "Concat":
        return net.op("Concat", x, unary(net, x, s[1]), axis=r.choice([1, 2]))
    if k == "Transpose":
        return net.op("Transpose", x, perm=r.choice([[0, 1, 3, 2], [0, 2, 3, 1]]))
    if k == "DepthToSpace":
        return net.op("DepthToSpace", x, blocksize=2, mode=r.choice(["DCR", "CRD"])) if s[1] % 4 == 0 else None
    if k == "SpaceToDepth":
        return net.op("SpaceToDepth", x, blocksize=2) if s[2] % 2 == 0 and s[3] % 2 == 0 else None
    if k == "Split":
        if s[1] % 2:
            return None
        a, b = net.op("Split", x, outs=2, axis=1, num_outputs=2)
        return net.op("Concat", b, a, axis=1)
    if k == "Norm":
        return net.op("InstanceNormalization", x, net.f32(s[1]), net.f32(s[1]), epsilon=.1)
    if k == "Softmax":
        return net.op("Softmax", x, axis=r.choice([1, 3]))
    if k == "Reduce":
        return net.op("Mul", x, net.op("Sigmoid", net.op("ReduceMean", x, net.const(np.int64(r.choice([[2, 3], [1], [3]]))), keepdims=1)))
    if k == "BN":
        return net.op("BatchNormalization", x, net.f32(s[1]), net.f32(s[1]), net.f32(s[1], scale=.2), net.const(net.np.uniform(.5, 1.5, s[1]).astype(np.float32)))
    if k == "Shuffle":
        if s[1] % 2:
            return None
        y = net.op("Reshape", x, net.const(np.int64([s[0], 2, s[1] // 2, s[2], s[3]])))
        return net.op("Reshape", net.op("Transpose", y, perm=[0, 2, 1, 3, 4]), net.const(np.int64(s)))
    shape = r.choice([[s[1], 1, 1], [1, s[1], 1, 1], [1], [s[2], s[3]], [s[1], s[2], s[3]]])
    return net.op(r.choice(["Add", "Mul", "Sub"]), x, net.f32(*shape))


def build(seed):
    net = Net(seed)
    r = net.r
    shape = [1, r.choice([2, 3, 4, 8]), r.choice([7, 9, 12, 15, 16]), r.choice([6, 9, 11, 16])]
    inputs = [("x", shape)]
    x, s, last = "x", shape, None
    for _ in range(r.randint(3, 12)):
        if len(s) != 4 or s[1] > 48 or np.prod(s) > 40000:
            break
        y = r.choice([convolution, convolution, convolution, lambda n, v, t: unary(n, v, t[1]), lambda n, v, t: unary(n, v, t[1]), pool, resize, move, move, transposed])(net, x, s)
        if y is None:
            continue
        try:
            t = infer(net, inputs, y)
        except Exception as e:  # the generator's mistake, not the converter's
            raise AssertionError(f"generator: {e}")
        if last and last[1] == t and r.random() < .5:
            y = net.op("Add", y, last[0])
        last, x, s = (y, t), y, t
    if r.random() < .4:
        x = net.op("Reshape", x, net.const(np.int64([s[0], -1])))
        n = int(np.prod(s[1:]))
        if n < 4000:
            x = net.op("Gemm", x, net.f32(5, n, scale=1 / np.sqrt(n)), net.f32(5), transB=1)
    m = net.model(inputs, [x])
    m.graph.output[0].CopyFrom(helper.make_tensor_value_info(x, TensorProto.FLOAT, infer(net, inputs, x)))
    onnx.checker.check_model(m)
    return m, net.np.normal(0, 1, shape).astype(np.float32), len(net.nodes)


def largest_inside(path, x):
    """Largest number on the way, by making every float tensor an output."""
    m = onnx.load(path)
    inferred = onnx.shape_inference.infer_shapes(m)
    names = [v.name for v in inferred.graph.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT]
    m.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names)
    s = ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
    return max(float(np.abs(v).max()) if v.size else 0. for v in s.run(None, {"x": x}))


def check(exe, seed, tmp, verbose):
    model, x, n = build(seed)
    path = f"{tmp}/m.onnx"
    onnx.save(model, path)
    ref, fast = run_onnx(path, [x])[0], run_onnx(path, [x], plain=False)[0]
    sign = np.where(np.random.default_rng(seed).random(x.shape) < .5, 1, -1).astype(np.float32)
    moved = max(float(np.abs(run_onnx(path, [x * (1 + s * np.float32(2. ** -22) * sign)])[0] - ref).max()) if ref.size else 0. for s in (1, -1))
    allowed = 8 * moved + 4 * (float(np.abs(ref - fast).max()) if ref.size else 0.) + EPS * n * largest_inside(path, x)
    out = model.graph.output[0].type.tensor_type.shape.dim
    layout = "keep" if len(out) == 4 and out[1].dim_value in (out[2].dim_value, out[3].dim_value) else "native"  # a turned output must be told apart
    try:
        convert(exe, path, f"{tmp}/m.tflite", "--strategy", "fp32", "--quiet", "--io-layout", layout)
        convert(exe, f"{tmp}/m.tflite", f"{tmp}/back.onnx", "--strategy", "fp32", "--quiet", "--io-layout", layout)
    except RuntimeError as e:
        if "cannot be written as" in str(e) and "'" in str(e):
            if verbose:
                print(f"seed {seed}: {e}")
            return 0, 1
        print(f"seed {seed}: FAIL {e}")
        return 1, 0
    bad = 0
    for what, got in (("LiteRT", run_tflite(f"{tmp}/m.tflite", [x])), ("LiteRT, fast", run_tflite(f"{tmp}/m.tflite", [x], plain=False)), ("back", run_onnx(f"{tmp}/back.onnx", [x]))):
        d = float(np.abs(turned(got[0], ref.shape).astype(np.float64) - ref).max()) if ref.size else 0.
        if not d <= allowed:
            print(f"seed {seed}: {what}: off by {d:.3g}, {allowed:.3g} allowed; range {np.abs(ref).max():.3g}; {' '.join(k.op_type for k in model.graph.node)}")
            bad = 1
    for f in ("m.tflite", "back.onnx"):
        if layout == "native" and (t := transposes_at_convolutions(f"{tmp}/{f}")) > 2 * sum(k.op_type in ("Transpose", "Softmax", "DepthToSpace") for k in model.graph.node):
            print(f"seed {seed}: {t} transposes at convolutions in {f}")
            bad = 1
    return bad, 0


def main():
    exe = sys.argv[1]
    lo, hi = (int(v) for v in sys.argv[sys.argv.index("--seeds") + 1].split(":")) if "--seeds" in sys.argv else (0, 60)
    bad = refused = 0
    with tempfile.TemporaryDirectory() as tmp:
        for seed in range(lo, hi):
            try:
                b, n = check(exe, seed, tmp, "--verbose" in sys.argv)
            except (AssertionError, RuntimeError, ValueError) as e:
                print(f"seed {seed}: FAIL {e}")
                b, n = 1, 0
            bad, refused = bad + b, refused + n
    print(f"{hi - lo} nets, {refused} refused, {bad} failures")
    return 1 if bad or refused * 10 > hi - lo else 0


if __name__ == "__main__":
    sys.exit(main())
