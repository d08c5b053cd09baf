# SPDX-License-Identifier: Apache-2.0
"""One runtime in a process of its own: what it does to its memory, its environment and its threads stays here, and while another one is timed this
one sleeps in read().

    worker.py RUNTIME MODEL THREADS PRECISION ISA LIBRARY          commands on stdin, one JSON object a line back

    load INPUT.npy OUT.npz   opens the model, runs it once on the picture, writes what came out     {"load_ms", "version", "held", "macs"}
    time N SECONDS           runs until N runs or SECONDS are over, at least three                  {"ms": [...]}
    memory                   peak of resident memory above what Python and NumPy took before, while the model is opened and run twice; what this script
                             needs to bring the picture into form and to hand over the outputs is not in it  {"mb"}

INPUT is [batch][height][width][3] float RGB 0..1; what the net wants of it (layout, range, type) is in its name: nets.py."""
import ctypes
import json
import os
import sys
import time

import numpy as np


def status_kb(key):
    """VmHWM (peak) or VmRSS (now) of this process; getrusage's peak begins with that of the parent."""
    return next(int(t.split()[1]) for t in open("/proc/self/status") if t.startswith(key))


def forget_peak():
    """VmHWM begins anew."""
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def to_net(x, shape, dtype, spec):
    """The picture as the net's input tensor: `shape` decides on the layout, `spec` on the numbers."""
    first = len(shape) == 4 and shape[1] == 3
    out = np.empty((len(x), 3, *x.shape[1:3]) if first else x.shape, dtype)
    for i, a in enumerate(x):  # one by one: what NumPy needs on the way is not to be taken for the memory of a runtime
        a = ((a[..., ::-1] if spec["bgr"] else a) - np.array(spec["mean"], np.float32)) / np.array(spec["std"], np.float32)
        if dtype != np.float32:
            a = np.clip(np.rint(a), *((-128, 127) if dtype == np.int8 else (0, 255)))
        out[i] = a.transpose(2, 0, 1) if first else a
    return out


def has_vnni():
    return "vnni" in open("/proc/cpuinfo").read()


class OnnxRuntime:
    def __init__(self, model, threads, precision, isa):
        import onnxruntime as ort

        self.version = ort.__version__
        so = ort.SessionOptions()
        so.intra_op_num_threads, so.inter_op_num_threads, so.log_severity_level = threads, 1, 3
        if precision == "int8" and not has_vnni():  # else its products of bytes saturate, and the outputs with them
            so.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self.s = ort.InferenceSession(model, so, providers=["CPUExecutionProvider"])
        except Exception:  # 1.32 fails on some graphs (EfficientDet) with that setting
            so.add_session_config_entry("session.x64quantprecision", "0")
            self.s = ort.InferenceSession(model, so, providers=["CPUExecutionProvider"])

    def feed(self, x, spec):
        i = self.s.get_inputs()[0]
        types = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}
        shape = [d if isinstance(d, int) else 1 for d in i.shape]
        self.x = {i.name: to_net(x, shape, types[i.type], spec)}

    def run(self):
        self.y = self.s.run(None, self.x)

    def outputs(self):
        return self.y


class OpenVino:
    def __init__(self, model, threads, precision, isa):
        import openvino as ov

        self.version = ov.__version__.split("-")[0]
        # What the file says is what is computed: "f32" also for int8 graphs, whose layers stay int8 by their own FakeQuantize.
        conf = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": {"bf16": "bf16"}.get(precision, "f32")}
        self.m = ov.Core().compile_model(model, "CPU", conf)
        self.r = self.m.create_infer_request()

    def feed(self, x, spec):
        i = self.m.inputs[0]
        self.x = to_net(x, list(i.shape), i.element_type.to_dtype(), spec)
        self.r.set_input_tensor(0, __import__("openvino").Tensor(self.x, shared_memory=True))

    def run(self):
        self.r.infer()

    def outputs(self):
        return [np.array(self.r.get_output_tensor(i).data) for i in range(len(self.m.outputs))]


class LiteRt:
    def __init__(self, model, threads, precision, isa):
        import importlib.metadata

        from ai_edge_litert.interpreter import Interpreter

        self.version = importlib.metadata.version("ai-edge-litert")
        self.s = Interpreter(model, num_threads=threads)
        self.s.allocate_tensors()

    def feed(self, x, spec):
        d = self.s.get_input_details()[0]
        self.s.set_tensor(d["index"], to_net(x, list(d["shape"]), d["dtype"], spec))

    def run(self):
        self.s.invoke()

    def outputs(self):
        return [self.s.get_tensor(d["index"]) for d in self.s.get_output_details()]


class Ncnn:
    """No batches: the pictures of a batch go through one after the other, all within one timed run."""

    def __init__(self, model, threads, precision, isa):
        import ncnn

        self.version = ncnn.__version__
        self.ncnn, self.net = ncnn, ncnn.Net()
        o = self.net.opt
        o.num_threads, o.use_vulkan_compute = threads, False
        half = precision == "bf16"
        o.use_fp16_packed = o.use_fp16_storage = o.use_fp16_arithmetic = False
        o.use_bf16_storage = half
        if self.net.load_param(model) or self.net.load_model(model.replace(".param", ".bin")):
            kinds = sorted({t.split()[0] for t in open(model) if "." in t.split()[0] or t.startswith("pnnx")})
            raise RuntimeError(f"ncnn does not take what pnnx made of the model: it has no {', '.join(kinds) or 'such layers'}")

    def feed(self, x, spec):
        chw = spec["ncnn_chw"]
        a = to_net(x, [1, 3 if chw else 0, 0, 0], np.dtype(spec["ncnn_dtype"]), spec)
        self.x = [self.ncnn.Mat(np.ascontiguousarray(p)).clone() for p in a]

    def run(self):
        self.y = []
        for m in self.x:
            e = self.net.create_extractor()
            e.input(self.net.input_names()[0], m)
            self.y.append([e.extract(n)[1] for n in self.net.output_names()])

    def outputs(self):
        return [np.stack([np.array(y[i]) for y in self.y]) for i in range(len(self.y[0]))]


class Ours:
    """The library by its C face (nextpose/engine.h)."""

    class Info(ctypes.Structure):
        _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int), ("dims", ctypes.c_int64 * 8), ("scale", ctypes.c_float),
                    ("zero_point", ctypes.c_int32), ("bytes", ctypes.c_size_t)]

    class Stats(ctypes.Structure):
        _fields_ = [("weights", ctypes.c_size_t), ("arena", ctypes.c_size_t), ("macs", ctypes.c_int64), ("nodes", ctypes.c_int), ("steps", ctypes.c_int)]

    class Head(ctypes.Structure):  # the first members of struct np_model_params
        _fields_ = [("isa", ctypes.c_char_p), ("input_name", ctypes.c_char_p), ("rank", ctypes.c_int), ("dims", ctypes.c_int64 * 8), ("no_optimize", ctypes.c_int),
                    ("log", ctypes.c_void_p), ("opaque", ctypes.c_void_p), ("precision", ctypes.c_char_p)]

    types = {0: np.float32, 3: np.int8, 4: np.uint8, 7: np.int32, 9: np.int64}

    def __init__(self, model, threads, precision, isa):
        self.lib = L = ctypes.CDLL(sys.argv[6])
        P = ctypes.c_void_p
        for f in ("np_session_input", "np_session_output"):
            getattr(L, f).restype, getattr(L, f).argtypes = P, [P, ctypes.c_int]
        L.np_version.restype = ctypes.c_char_p
        self.version = L.np_version().decode()
        params, self.err, self.model, self.pool, self.s = (ctypes.c_uint64 * 128)(), ctypes.create_string_buffer(512), P(), P(), P()
        L.np_model_params_default(params)
        head = ctypes.cast(params, ctypes.POINTER(self.Head)).contents
        self.kept = isa.encode(), precision.encode()
        head.isa = self.kept[0] if isa else None
        head.precision = self.kept[1] if precision in ("fp32", "bf16") else None
        self.check(L.np_model_load(ctypes.byref(self.model), model.encode(), params, self.err))
        if threads > 1:
            self.check(L.np_pool_create(ctypes.byref(self.pool), threads, self.err))
        self.check(L.np_session_open(ctypes.byref(self.s), self.model, self.pool, self.err))
        st = self.Stats()
        L.np_model_stats(self.model, ctypes.byref(st))
        self.macs = st.macs

    def check(self, r):
        if r < 0:
            raise RuntimeError(self.err.raw[4:].split(b"\0")[0].decode())

    def info(self, fn, i):
        t = self.Info()
        self.check(fn(self.model, i, ctypes.byref(t)))
        return t, list(t.dims[: t.rank])

    def feed(self, x, spec):
        t, shape = self.info(self.lib.np_model_input_info, 0)
        self.x = to_net(x, shape, np.dtype(self.types[t.dtype]), spec)

    def run(self):  # the copy is part of it: the others copy, too, or may keep their input
        ctypes.memmove(self.lib.np_session_input(self.s, 0), self.x.ctypes.data, self.x.nbytes)
        self.check(self.lib.np_session_run(self.s, self.err))

    def outputs(self):
        out = []
        for i in range(self.lib.np_model_n_outputs(self.model)):
            t, shape = self.info(self.lib.np_model_output_info, i)
            raw = ctypes.string_at(self.lib.np_session_output(self.s, i), t.bytes)
            out.append(np.frombuffer(raw, self.types[t.dtype]).reshape(shape).copy())
        return out


RUNTIMES = {"nextpose": Ours, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "litert": LiteRt, "ncnn": Ncnn}


def main():
    name, model, threads, precision, isa = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
    answers = os.fdopen(os.dup(1), "w")  # what a runtime prints must not get between
    os.dup2(2, 1)
    net, base_kb, peak_kb = None, status_kb("VmRSS:"), 0
    for line in sys.stdin:
        cmd, *arg = line.split()
        try:
            if cmd == "load":
                spec = json.loads(os.environ["PEERS_SPEC"])
                x = np.load(arg[0])
                t = time.perf_counter()
                net = RUNTIMES[name](model, threads, precision, isa)
                load_ms = (time.perf_counter() - t) * 1e3
                peak_kb = status_kb("VmHWM:")
                net.feed(x, spec)
                forget_peak()
                for _ in range(2):
                    net.run()
                peak_kb = max(peak_kb, status_kb("VmHWM:"))
                np.savez(arg[1], *[np.asarray(y, np.float32) for y in net.outputs()])
                r = {"load_ms": load_ms, "version": net.version, "macs": getattr(net, "macs", 0)}
            elif cmd == "time":
                ms, end, run = [], time.perf_counter() + float(arg[1]), net.run
                while len(ms) < int(arg[0]) and (len(ms) < 3 or time.perf_counter() < end):
                    t = time.perf_counter()
                    run()
                    ms.append((time.perf_counter() - t) * 1e3)
                r = {"ms": ms}
            else:
                r = {"mb": (peak_kb - base_kb) / 1024}
        except Exception as e:  # one runtime that cannot is a row with a reason, not the end of the table
            r = {"error": f"{type(e).__name__}: {e}".splitlines()[0][:200]}
        answers.write(json.dumps(r) + "\n")
        answers.flush()


main()
