# SPDX-License-Identifier: Apache-2.0
"""TFLite cases for operators that the collected conformance models lack, made here with golden outputs from LiteRT.

    tflite_made.py TFLITE_OPS [KEEP]    writes the cases (into folder KEEP, else a temporary one) and runs them

Each is a model of one operator (sparse constants: two) built from the schema, in the layout that tflite_ops reads.
Exit code 77: skipped (says why).
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as S
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
except ImportError as e:
    print(f"skipped: Python package {e.name} is missing (see tests/requirements.txt)")
    sys.exit(77)

TYPES = {np.dtype(t): getattr(S.TensorType, n) for t, n in [
    (np.float32, "FLOAT32"), (np.float16, "FLOAT16"), (np.int8, "INT8"), (np.uint8, "UINT8"), (np.int16, "INT16"), (np.int32, "INT32"),
    (np.int64, "INT64"), (np.bool_, "BOOL")]}
rng = np.random.default_rng(3)


class Model:
    def __init__(self):
        self.m, self.g = S.ModelT(), S.SubGraphT()
        self.m.version, self.m.subgraphs, self.m.operatorCodes = 3, [self.g], []
        empty = S.BufferT()
        self.m.buffers = [empty]
        self.g.tensors, self.g.operators, self.g.inputs, self.g.outputs = [], [], [], []
        self.g.name = "main"

    def tensor(self, dtype, shape, data=None, quant=None):
        t = S.TensorT()
        t.type, t.shape, t.name, t.buffer = TYPES[np.dtype(dtype)], np.int32(shape), f"t{len(self.g.tensors)}", 0
        if data is not None:
            b = S.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            t.buffer = len(self.m.buffers)
            self.m.buffers.append(b)
        if quant:
            q = S.QuantizationParametersT()
            q.scale, q.zeroPoint = np.float32([quant[0]]), np.int64([quant[1]])
            t.quantization = q
        self.g.tensors.append(t)
        return len(self.g.tensors) - 1

    def op(self, name, inputs, outputs, kind=None, **fields):
        code, o = S.OperatorCodeT(), S.OperatorT()
        code.builtinCode = getattr(S.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        o.opcodeIndex, o.inputs, o.outputs = len(self.m.operatorCodes), np.int32(inputs), np.int32(outputs)
        if kind:
            o.builtinOptionsType = getattr(S.BuiltinOptions, kind)
            o.builtinOptions = getattr(S, kind + "T")()
            for k, v in fields.items():
                assert hasattr(o.builtinOptions, k), (kind, k)
                setattr(o.builtinOptions, k, v)
        self.m.operatorCodes.append(code)
        self.g.operators.append(o)

    def bytes(self):
        b = flatbuffers.Builder(0)
        b.Finish(self.m.Pack(b), b"TFL3")
        return bytes(b.Output())


def one(name, inputs, outputs, kind=None, **fields):
    """One operator. inputs: arrays are constants; (shape, dtype[, quant]) tuples are fed; outputs: (dtype, rank[, quant])."""
    m, ids = Model(), []
    for i in inputs:
        if isinstance(i, np.ndarray):
            ids.append(m.tensor(i.dtype, i.shape, i))
        elif i is None:
            ids.append(-1)
        else:
            ids.append(m.tensor(i[1], i[0], quant=i[2] if len(i) > 2 else None))
            m.g.inputs.append(ids[-1])
    outs = [m.tensor(o[0], [1] * o[1], quant=o[2] if len(o) > 2 else None) for o in outputs]
    m.op(name, ids, outs, kind, **fields)
    m.g.outputs = outs
    return m


# Not the reference kernels: there are none of these, or (lrn) their window lacks its last channel.
FAST = {"elu", "round", "lrn"}
F, I32, I8, B = np.float32, np.int32, np.int8, np.bool_


def i32(*v):
    return np.array(v, I32)


def sparse(dense, order, block_map, formats, index_type):
    """A DENSIFY + ADD model. formats: 'd' or 's' for each level; blocks are always dense."""
    shape, rank = dense.shape, dense.ndim
    block = {d: b for d, b in block_map}
    # coordinates of every element by level
    sizes = []
    for level in order:
        if level < rank:
            sizes.append(shape[level] // block.get(level, 1))
        else:
            sizes.append(block_map[level - rank][1])

    def element(path):
        at = [0] * rank
        for level, i in zip(order, path):
            d = level if level < rank else block_map[level - rank][0]
            at[d] += i * block.get(d, 1) if level < rank else i
        return dense[tuple(at)]

    def nonzero(prefix, k):
        if k == len(order):
            return element(prefix) != 0
        return any(nonzero(prefix + [i], k + 1) for i in range(sizes[k]))

    segments, indices, values = [[0] for _ in order], [[] for _ in order], []

    def walk(prefix, k):
        if k == len(order):
            values.append(element(prefix))
            return
        for i in range(sizes[k]):
            if formats[k] == "d" or nonzero(prefix + [i], k + 1):
                if formats[k] == "s":
                    indices[k].append(i)
                walk(prefix + [i], k + 1)
        if formats[k] == "s":
            segments[k].append(len(indices[k]))

    walk([], 0)
    m = Model()
    x = m.tensor(dense.dtype, shape)
    w = m.tensor(dense.dtype, shape, np.array(values, dense.dtype))
    p = S.SparsityParametersT()
    p.traversalOrder, p.blockMap, p.dimMetadata = i32(*order), i32(*[d for d, _ in block_map]) if block_map else None, []
    vec = {4: ("Int32Vector", I32), 2: ("Uint16Vector", np.uint16), 1: ("Uint8Vector", np.uint8)}[index_type]
    for k, f in enumerate(formats):
        d = S.DimensionMetadataT()
        d.format, d.denseSize = (0, sizes[k]) if f == "d" else (1, 0)
        if f == "s":
            d.arraySegmentsType = d.arrayIndicesType = getattr(S.SparseIndexVector, vec[0])
            d.arraySegments, d.arrayIndices = getattr(S, vec[0] + "T")(), getattr(S, vec[0] + "T")()
            d.arraySegments.values, d.arrayIndices.values = np.array(segments[k], vec[1]), np.array(indices[k], vec[1])
        p.dimMetadata.append(d)
    m.g.tensors[w].sparsity = p
    dense_id, y = m.tensor(dense.dtype, shape), m.tensor(dense.dtype, shape)
    m.op("DENSIFY", [w], [dense_id])
    m.op("ADD", [x, dense_id], [y], "AddOptions")
    m.g.inputs, m.g.outputs = [x], [y]
    return m


def detection():
    """TFLite_Detection_PostProcess with its options as a FlexBuffer."""
    from flatbuffers import flexbuffers
    m = one("CUSTOM", [((1, 12, 4), F), ((1, 12, 3), F), (rng.random((12, 4)) * .5 + .25).astype(F)], [(F, 3), (F, 2), (F, 2), (F, 1)])
    m.m.operatorCodes[0].customCode = "TFLite_Detection_PostProcess"
    m.g.operators[0].customOptions = np.frombuffer(bytes(flexbuffers.Dumps({
        "max_detections": 5, "max_classes_per_detection": 1, "detections_per_class": 10, "use_regular_nms": False, "nms_score_threshold": .1,
        "nms_iou_threshold": .5, "num_classes": 2, "y_scale": 10., "x_scale": 10., "h_scale": 5., "w_scale": 5.})), np.uint8)
    return m


def few(shape):
    v = np.where(rng.random(shape) < .3, rng.normal(size=shape), 0).astype(F)
    v.flat[0] = 1
    return v


def cases():
    img = ((1, 6, 8, 4), F)
    img1 = ((2, 4, 6, 3), F)
    flat = ((3, 5), F)
    yield "prelu", one("PRELU", [img, rng.normal(size=(1, 1, 4)).astype(F)], [(F, 4)])
    yield "arg_max", one("ARG_MAX", [img, i32(3)], [(I32, 3)], "ArgMaxOptions", outputType=S.TensorType.INT32)
    yield "arg_min_i64", one("ARG_MIN", [img, i32(-2)], [(np.int64, 3)], "ArgMinOptions", outputType=S.TensorType.INT64)
    yield "cumsum", one("CUMSUM", [flat, np.array(1, I32)], [(F, 2)], "CumsumOptions", exclusive=True, reverse=True)
    yield "space_to_batch", one("SPACE_TO_BATCH_ND", [img, i32(2, 3), np.array([[1, 1], [0, 1]], I32)], [(F, 4)], "SpaceToBatchNDOptions")
    yield "batch_to_space", one("BATCH_TO_SPACE_ND", [((12, 3, 4, 2), F), i32(2, 3), np.array([[1, 1], [0, 2]], I32)], [(F, 4)], "BatchToSpaceNDOptions")
    yield "space_to_batch_3d", one("SPACE_TO_BATCH_ND", [((2, 6, 5), F), i32(3), np.array([[0, 3]], I32)], [(F, 3)], "SpaceToBatchNDOptions")
    yield "one_hot", one("ONE_HOT", [((2, 3), I32), np.array(4, I32), np.array(2.5, F), np.array(-1, F)], [(F, 3)], "OneHotOptions", axis=1)
    yield "reverse", one("REVERSE_V2", [img, i32(1)], [(F, 4)], "ReverseV2Options")
    yield "fill", one("FILL", [i32(2, 3), ((), F)], [(F, 2)], "FillOptions")
    yield "tile", one("TILE", [flat, i32(2, 3)], [(F, 2)], "TileOptions")
    yield "split_v", one("SPLIT_V", [img, i32(1, -1, 2), np.array(-2, I32)], [(F, 4)] * 3, "SplitVOptions", numSplits=3)
    yield "lrn", one("LOCAL_RESPONSE_NORMALIZATION", [img], [(F, 4)], "LocalResponseNormalizationOptions", radius=1, bias=1.5, alpha=.3, beta=.6)
    yield "expand_dims", one("EXPAND_DIMS", [flat, np.array(-1, I32)], [(F, 3)], "ExpandDimsOptions")
    yield "squeeze", one("SQUEEZE", [((1, 3, 1, 5), F)], [(F, 3)], "SqueezeOptions", squeezeDims=i32(0))
    yield "squeeze_all", one("SQUEEZE", [((1, 3, 1, 5), F)], [(F, 2)], "SqueezeOptions")
    yield "add_n", one("ADD_N", [flat, flat, flat], [(F, 2)], "AddNOptions")
    yield "floor_div", one("FLOOR_DIV", [((7,), I32), i32(3)], [(I32, 1)], "FloorDivOptions")
    yield "floor_mod", one("FLOOR_MOD", [((7,), I32), i32(-3)], [(I32, 1)], "FloorModOptions")
    yield "leaky", one("LEAKY_RELU", [img], [(F, 4)], "LeakyReluOptions", alpha=.2)
    yield "elu", one("ELU", [img], [(F, 4)])
    yield "round", one("ROUND", [((1, 7), F)], [(F, 2)])
    yield "reduce_max_keep", one("REDUCE_MAX", [img, i32(1, 2)], [(F, 4)], "ReducerOptions", keepDims=True)
    yield "reduce_prod", one("REDUCE_PROD", [flat, i32(0)], [(F, 1)], "ReducerOptions")
    yield "mirror_reflect", one("MIRROR_PAD", [img, np.array([[0, 0], [2, 1], [1, 3], [0, 0]], I32)], [(F, 4)], "MirrorPadOptions", mode=0)
    yield "gather_axis", one("GATHER", [img, i32(3, 0, 2)], [(F, 4)], "GatherOptions", axis=2)
    yield "gather_batch", one("GATHER", [((2, 3, 4), F), np.array([[2, 0], [1, 1]], I32)], [(F, 3)], "GatherOptions", axis=1, batchDims=1)
    yield "select_v1", one("SELECT", [np.array([True, False, True]), flat, flat], [(F, 2)], "SelectOptions")
    yield "slice_new_axis", one("STRIDED_SLICE", [img, i32(0, 0, 1), i32(0, 0, 4), i32(1, 1, 2)], [(F, 5)], "StridedSliceOptions", ellipsisMask=1, newAxisMask=2)
    yield "slice_shrink", one("STRIDED_SLICE", [img, i32(0, -2, 7, 0), i32(1, 0, -9, 4), i32(1, 1, -2, 1)], [(F, 3)], "StridedSliceOptions", shrinkAxisMask=2)
    yield "slice_ellipsis", one("STRIDED_SLICE", [img, i32(0, 1), i32(0, 3), i32(1, 1)], [(F, 4)], "StridedSliceOptions", ellipsisMask=1)
    yield "slice_masks", one("STRIDED_SLICE", [img, i32(0, 5, 1, 1), i32(1, 1, 7, 3), i32(1, -1, 3, 1)], [(F, 4)], "StridedSliceOptions", beginMask=2, endMask=2)
    yield "unpack_last", one("UNPACK", [((2, 3, 4), F)], [(F, 2)] * 4, "UnpackOptions", num=4, axis=-1)
    yield "pack_last", one("PACK", [flat, flat], [(F, 3)], "PackOptions", valuesCount=2, axis=-1)
    for align, half in ((0, 0), (1, 0), (0, 1)):
        for size in ((9, 5), (3, 16)):
            n = f"{'align' if align else 'half' if half else 'plain'}_{size[0]}x{size[1]}"
            yield "bilinear_" + n, one("RESIZE_BILINEAR", [img, i32(*size)], [(F, 4)], "ResizeBilinearOptions", alignCorners=bool(align), halfPixelCenters=bool(half))
            yield "nearest_" + n, one("RESIZE_NEAREST_NEIGHBOR", [img, i32(*size)], [(F, 4)], "ResizeNearestNeighborOptions", alignCorners=bool(align), halfPixelCenters=bool(half))
    for pad in (0, 1):
        yield f"conv_dilated_{pad}", one("CONV_2D", [((1, 9, 11, 3), F), rng.normal(size=(4, 3, 2, 3)).astype(F), rng.normal(size=4).astype(F)], [(F, 4)], "Conv2DOptions",
                                         padding=pad, strideW=1, strideH=1, dilationWFactor=3, dilationHFactor=2, fusedActivationFunction=2)
        yield f"conv_grouped_{pad}", one("CONV_2D", [((1, 8, 7, 6), F), rng.normal(size=(4, 3, 3, 3)).astype(F), rng.normal(size=4).astype(F)], [(F, 4)], "Conv2DOptions",
                                         padding=pad, strideW=2, strideH=3, dilationWFactor=1, dilationHFactor=1)
        yield f"dw_multiplier_{pad}", one("DEPTHWISE_CONV_2D", [img1, rng.normal(size=(1, 3, 2, 6)).astype(F), rng.normal(size=6).astype(F)], [(F, 4)], "DepthwiseConv2DOptions",
                                          padding=pad, strideW=2, strideH=2, depthMultiplier=2, dilationWFactor=1, dilationHFactor=1, fusedActivationFunction=1)
        for stride in (1, 2, 3):
            out = (1, 4 * stride, 5 * stride, 2) if pad == 0 else (1, 3 * stride + 3, 4 * stride + 4, 2)
            yield f"transpose_conv_{pad}_{stride}", one("TRANSPOSE_CONV", [i32(*out), rng.normal(size=(2, 3, 4, 3)).astype(F), ((1, 4, 5, 3), F)], [(F, 4)], "TransposeConvOptions",
                                                        padding=pad, strideW=stride, strideH=stride)
        yield f"avg_pool_{pad}", one("AVERAGE_POOL_2D", [img], [(F, 4)], "Pool2DOptions", padding=pad, strideW=2, strideH=2, filterWidth=3, filterHeight=3, fusedActivationFunction=3)
        yield f"max_pool_{pad}", one("MAX_POOL_2D", [((1, 6, 8, 4), I8, (.1, 3))], [(I8, 4, (.1, 3))], "Pool2DOptions", padding=pad, strideW=3, strideH=2, filterWidth=2, filterHeight=3)
    q, q2 = (.05, -7), (.11, 4)
    a = ((2, 3, 4), I8, q)
    yield "add_relu_q", one("ADD", [a, ((4,), I8, q2)], [(I8, 3, (.15, -128))], "AddOptions", fusedActivationFunction=1)
    yield "mul_relu6_q", one("MUL", [a, ((1, 4), I8, q2)], [(I8, 3, (.3, 10))], "MulOptions", fusedActivationFunction=3)
    yield "sub_q", one("SUB", [a, ((1, 4), I8, q2)], [(I8, 3, (.12, 10))], "SubOptions")
    yield "maximum_q", one("MAXIMUM", [a, ((1, 4), I8, q)], [(I8, 3, q)], "MaximumMinimumOptions")
    yield "mean_q", one("MEAN", [a, i32(1)], [(I8, 2, (.03, 0))], "ReducerOptions")
    yield "concat_q", one("CONCATENATION", [a, ((2, 3, 1), I8, q)], [(I8, 3, q)], "ConcatenationOptions", axis=-1)
    yield "pad_q", one("PAD", [a, np.array([[0, 1], [1, 0], [2, 2]], I32)], [(I8, 3, q)], "PadOptions")
    yield "softmax_q", one("SOFTMAX", [((3, 6), I8, (.2, 5))], [(I8, 2, (1 / 256, -128))], "SoftmaxOptions", beta=1.)
    yield "softmax_beta", one("SOFTMAX", [flat], [(F, 2)], "SoftmaxOptions", beta=.5)
    yield "hard_swish_q", one("HARD_SWISH", [((3, 6), I8, (.06, 5))], [(I8, 2, (.05, -100))], "HardSwishOptions")
    yield "bilinear_q", one("RESIZE_BILINEAR", [((1, 4, 5, 2), I8, q), i32(8, 10)], [(I8, 4, q)], "ResizeBilinearOptions", halfPixelCenters=True)
    yield "requantize", one("QUANTIZE", [((2, 8), np.uint8, (.05, 120))], [(I8, 2, (.07, -3))], "QuantizeOptions")
    yield "dequantize", one("DEQUANTIZE", [((2, 8), np.int16, (.001, 0))], [(F, 2)], "DequantizeOptions")
    yield "cast_bool", one("CAST", [((2, 8), B)], [(F, 2)], "CastOptions", inDataType=S.TensorType.BOOL, outDataType=S.TensorType.FLOAT32)
    yield "less_equal", one("LESS_EQUAL", [flat, ((5,), F)], [(B, 2)], "LessEqualOptions")
    yield "fc_flatten", one("FULLY_CONNECTED", [((2, 2, 6), F), rng.normal(size=(3, 12)).astype(F), rng.normal(size=3).astype(F)], [(F, 2)], "FullyConnectedOptions")
    yield "matmul_adj", one("BATCH_MATMUL", [((2, 1, 5, 3), F), ((1, 4, 6, 5), F)], [(F, 4)], "BatchMatMulOptions", adjX=True, adjY=True)
    yield "detection", detection()
    yield "sparse_csr", sparse(few((5, 7)), [0, 1], [], "ds", 1)
    yield "sparse_csr_order", sparse(few((4, 6)), [1, 0], [], "ss", 2)
    yield "sparse_4d", sparse(few((3, 2, 2, 9)), [0, 1, 2, 3], [], "ddds", 4)
    yield "sparse_block", sparse(few((8, 6)), [0, 1, 2, 3], [(0, 4), (1, 2)], "dsdd", 4)
    yield "sparse_block_1", sparse(few((6, 8)), [0, 1, 2], [(1, 4)], "dsd", 1)


def feed(detail):
    shape, t = detail["shape"], detail["dtype"]
    if t == np.float32:
        return rng.normal(size=shape).astype(t) * np.float32(2)
    if t == np.bool_:
        return rng.random(shape) < .5
    lo, hi = (0, 4) if t == np.int32 and len(shape) == 2 else (-9, 9) if t in (np.int32, np.int64) else (np.iinfo(t).min, np.iinfo(t).max + 1)
    return rng.integers(lo, hi, shape).astype(t)


def write(folder, name, model):
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    data = model.bytes()
    with open(f"{folder}/{name}/model.tflite", "wb") as f:
        f.write(data)
    kind = OpResolverType.BUILTIN_REF if name not in FAST else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    it = Interpreter(model_content=data, experimental_op_resolver_type=kind)
    it.allocate_tensors()
    ins, outs = it.get_input_details(), it.get_output_details()
    for k, d in enumerate(ins):
        x = feed(d)
        it.set_tensor(d["index"], x)
        x.tofile(f"{folder}/{name}/input_{k}.bin")
    it.invoke()
    for k, d in enumerate(outs):
        it.get_tensor(d["index"]).tofile(f"{folder}/{name}/output_ref_{k}.bin")
    with open(f"{folder}/{name}/meta.json", "w") as f:
        json.dump({"inputs": [{"name": d["name"]} for d in ins], "outputs": [{"name": d["name"]} for d in outs]}, f)


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory() as tmp:
        folder = sys.argv[2] if len(sys.argv) > 2 else tmp
        for name, model in cases():
            write(folder, name, model)
        return subprocess.run([sys.argv[1], "--all", "--verbose", folder]).returncode


if __name__ == "__main__":
    sys.exit(main())
