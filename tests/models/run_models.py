# SPDX-License-Identifier: Apache-2.0
"""Whole models against ONNX Runtime and LiteRT, at every ISA level and with 1 and 2 threads.

    run_models.py RUN_MODEL [--only NAME] [--quick]      --quick: one photo, the best level on two threads; C on two small nets only, other sizes of a net not at all

Inputs are square crops of real photos. Every peer runs twice, with its plain and with its fast kernels (LiteRT: reference and
XNNPACK; ONNX Runtime: without and with graph optimisations); how far these two are apart is the yardstick, since both are
right. Allowed for us, against the plain kernels:

* float outputs of float models: 4 yardsticks + eps * layers * range. The second term is the rounding of one layer, half an eps of
  its output's range on either side, adding up over the layers without ever cancelling.
* models with integers inside: a value that falls between two steps may go either way in every layer, so that any two correct runs
  differ by whole steps that grow on their way. Allowed: mean difference 1.5 yardsticks + a tenth of a step, largest difference
  2 yardsticks + 2 steps, where a step is that of the quantization nearest to the output. Ours is measured from the nearer of the two
  peers: in a list of detections one step changes who comes first. MoveNet's joints count where both peers are sure of them (score
  over .3), for the place of a joint that isn't there is the largest of many small numbers and jumps. Their scores are read where the
  peers are unsure too (picking by the peers' score would bias it against us), as logits, whose step is .28, and by their mean.

Runs at different thread counts of one level must agree to the bit: threads split work, they do not reorder sums. The first photo
goes through every level, the second through the best one.
Exit code 77: skipped (says why).
"""
import os
import subprocess
import sys
import tempfile

SHARED = os.environ.get("NEXTPOSE_SHARED", "")
EPS = 2.0 ** -23
LOGIT_STEP = .28  # of MoveNet's int8 score map
PHOTOS = ["pifpaf_000000081988.jpg", "mmpose_000000000785.jpg"]
# name: (file, layout of the input)
MODELS = {
    "efficientdet": ("efficientdet_lite0_int8.tflite", "rgb"),
    "pose_full": ("pose_landmark_full.tflite", "rgb01"),
    "pose_lite": ("pose_landmark_lite.tflite", "rgb01"),
    "pose_detection": ("pose_detection.tflite", "rgb11"),
    "movenet_int8": ("movenet_lightning_int8.tflite", "rgb"),
    "coco_ssd": ("coco_ssd_mobilenet_v1_quant.tflite", "rgb"),
    "person_detect": ("person_detect_int8.tflite", "gray"),
    "mobilenet": ("mobilenet_v1_0.25_128_quant.tflite", "rgb"),
    "yolox": ("yolox_nano.onnx", "bgr_nchw"),
    "movenet": ("movenet_lightning.onnx", "rgb"),
    "convnextpose_xs": (None, "imagenet_nchw"),
    "convnextpose_s": (None, "imagenet_nchw"),
    # The same model for other input sizes: the peer gets a file with its stored shapes rewritten, we set the shape when loading.
    "efficientdet_256": ("efficientdet_lite0_int8.tflite", "rgb"),
    "efficientdet_384": ("efficientdet_lite0_int8.tflite", "rgb"),
    "efficientdet_500": ("efficientdet_lite0_int8.tflite", "rgb"),
}


def skip(why):
    print("skipped:", why)
    sys.exit(77)


try:
    import cv2
    import numpy as np
    import onnxruntime as ort
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
except ImportError as e:
    skip(f"Python package {e.name} is missing (see tests/requirements.txt)")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ref"))


def photo_input(photo, layout, shape, dtype):
    """A square crop of the photo in the layout and type of the model."""
    bgr = cv2.imread(os.path.join(SHARED, "clips", "photos", photo))
    if bgr is None:
        skip(f"{photo} is not in {SHARED}/clips/photos")
    nchw = layout.endswith("_nchw")
    h, w = (shape[2], shape[3]) if nchw else (shape[1], shape[2])
    side = min(bgr.shape[:2])
    y, x = (bgr.shape[0] - side) // 2, (bgr.shape[1] - side) // 2
    img = cv2.resize(bgr[y:y + side, x:x + side], (w, h), interpolation=cv2.INTER_AREA)
    if layout == "gray":
        img = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)[..., None].astype(np.int32) - 128
    elif not layout.startswith("bgr"):
        img = img[..., ::-1]
    img = img.astype(np.float32)
    if layout == "rgb01":
        img = img / 255
    elif layout == "rgb11":
        img = img / 127.5 - 1
    elif layout == "imagenet_nchw":
        img = (img / 255 - np.float32([.485, .456, .406])) / np.float32([.229, .224, .225])
    if nchw:
        img = img.transpose(2, 0, 1)
    return np.ascontiguousarray(img[None].astype(dtype))


class LiteRT:
    def __init__(self, path):
        self.run = [Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1), Interpreter(path, num_threads=1)]
        for r in self.run:
            r.allocate_tensors()
        d = self.run[0].get_input_details()[0]
        self.shape, self.dtype = [int(v) for v in d["shape"]], d["dtype"]
        self.layers = sum(op["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD") for op in self.run[0]._get_ops_details())
        self.step = self.steps(self.run[0])

    @staticmethod
    def steps(r):
        """Step of each output: its own, or of the nearest quantized tensor before it; 0: a float model."""
        made = {int(o): op for op in r._get_ops_details() for o in op["outputs"]}
        scale = {d["index"]: d["quantization"][0] for d in r.get_tensor_details() if d["dtype"] in (np.int8, np.uint8)}
        found = []
        for out in r.get_output_details():
            todo, seen, step = [int(out["index"])], set(), 0.
            while todo and not step:
                t = todo.pop(0)
                step = float(scale.get(t, 0))
                if t in made and t not in seen:
                    todo += [int(i) for i in made[t]["inputs"] if i >= 0]
                seen.add(t)
            found.append(1. if out["dtype"] in (np.int8, np.uint8) else step)
        return found

    def outputs(self, x):
        result = []
        for r in self.run:
            r.set_tensor(r.get_input_details()[0]["index"], x)
            r.invoke()
            result.append([r.get_tensor(d["index"]).copy() for d in r.get_output_details()])
        return result


class OnnxRuntime:
    def __init__(self, path):
        self.run = []
        for level in (ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
            o = ort.SessionOptions()
            o.graph_optimization_level, o.intra_op_num_threads, o.inter_op_num_threads = level, 1, 1
            self.run.append(ort.InferenceSession(path, o, providers=["CPUExecutionProvider"]))
        i = self.run[0].get_inputs()[0]
        self.name, self.shape = i.name, i.shape
        self.dtype = {"tensor(float)": np.float32, "tensor(int32)": np.int32}[i.type]
        import onnx
        self.layers = sum(n.op_type in ("Conv", "Gemm", "MatMul", "Add") for n in onnx.load(path).graph.node)
        self.step = [0.] * len(self.run[0].get_outputs())

    def outputs(self, x):
        return [r.run(None, {self.name: x}) for r in self.run]


def rewrite(path, to, side=None):
    """The file for LiteRT: biases get a valid quantized_dimension (old files repeat that of the weights, which LiteRT refuses),
    and with `side` the stored shapes are those of another square input."""
    from ai_edge_litert import schema_py_generated as schema
    import flatbuffers
    with open(path, "rb") as f:
        m = schema.ModelT.InitFromPackedBuf(f.read(), 0)
    g = m.subgraphs[0]
    for t in g.tensors:
        if t.quantization is not None and t.shape is not None and len(t.shape) == 1:
            t.quantization.quantizedDimension = 0
    if side:
        image = g.tensors[g.inputs[0]]
        old, done = int(image.shape[1]), set()
        image.shape = np.int32([1, side, side, 3])
        for op in g.operators:
            code = m.operatorCodes[op.opcodeIndex]
            kind = max(code.builtinCode, code.deprecatedBuiltinCode)
            if kind not in (schema.BuiltinOperator.RESHAPE, schema.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR):
                continue
            which = g.tensors[op.inputs[1]].buffer
            if which in done:
                continue
            done.add(which)
            b = m.buffers[which]
            v = np.frombuffer(bytes(bytearray(b.data)), np.int32).copy()
            if kind == schema.BuiltinOperator.RESHAPE:
                v[1] = -1
            else:
                v = -(-v * side // old)
            b.data = np.frombuffer(v.astype(np.int32).tobytes(), np.uint8)
    builder = flatbuffers.Builder(0)
    builder.Finish(m.Pack(builder), b"TFL3")
    with open(to, "wb") as f:
        f.write(builder.Output())


def ours(tool, model, x, isa, threads, outs, tmp, side=None):
    x.tofile(f"{tmp}/in")
    shape = ["--shape", f"{side},{side}"] if side else []
    p = subprocess.run([tool, "--isa", isa, "--threads", str(threads), *shape, model, f"{tmp}/out", f"{tmp}/in"], capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError(p.stderr.strip() or f"exit code {p.returncode}")
    return [np.fromfile(f"{tmp}/out.{k}", o.dtype).reshape(o.shape) for k, o in enumerate(outs)]


def differences(a, b):
    d = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return (float(d.max()), float(d.mean())) if d.size else (0., 0.)


def judge_joints(peer, k, ref, fast, got):
    """[..., (y, x, score)]"""
    ref_logit, fast_logit, got_logit = (np.log(p / (1 - p)) for p in (np.clip(v[..., 2], 1 / 256, 255 / 256) for v in (ref, fast, got)))
    keep = (ref[..., 2] > .3) & (fast[..., 2] > .3)
    ref, fast, got = ref[keep], fast[keep], got[keep]
    d = min(differences(ref[:, :2], got[:, :2])[0], differences(fast[:, :2], got[:, :2])[0])
    allowed = 2 * differences(ref[:, :2], fast[:, :2])[0] + 2 * peer.step[k]
    score = min(differences(ref_logit, got_logit)[1], differences(fast_logit, got_logit)[1])
    return len(ref) >= 5 and d <= allowed and score <= 1.5 * differences(ref_logit, fast_logit)[1] + .1 * LOGIT_STEP, d, allowed


def judge(peer, k, ref, fast, got):
    """(ok, largest difference, allowed) of output k."""
    yard_max, yard_mean = differences(ref, fast)
    if not peer.step[k]:
        d = differences(ref, got)[0]
        allowed = 4 * yard_max + EPS * peer.layers * (float(np.abs(ref).max()) if ref.size else 0.)
        return d <= allowed, d, allowed
    if ref.shape[-2:] == (17, 3):
        return judge_joints(peer, k, ref, fast, got)
    d, mean = min(differences(ref, got), differences(fast, got))
    allowed = 2 * yard_max + 2 * peer.step[k]
    return d <= allowed and mean <= 1.5 * yard_mean + .1 * peer.step[k], d, allowed


def side_of(name):
    """Of the same model for another input size; None: the file's own."""
    last = name.rsplit("_", 1)[-1]
    return int(last) if last.isdigit() else None


def check_model(tool, name, levels, photos, tmp, threads=(1, 2)):
    """Number of failures of one model."""
    file, layout = MODELS[name]
    side = side_of(name)
    path = f"{tmp}/{name}.onnx" if file is None else os.path.join(SHARED, "models", file)
    if file is None:
        import make_convnextpose
        import onnx
        onnx.save(make_convnextpose.build(name.rsplit("_", 1)[1]), path)
    elif not os.path.exists(path):
        skip(f"{path} is not there")
    theirs = path
    if path.endswith(".tflite"):
        theirs = f"{tmp}/peer.tflite"
        rewrite(path, theirs, side)
    peer = LiteRT(theirs) if path.endswith(".tflite") else OnnxRuntime(path)
    bad = 0
    for photo in photos:
        x = photo_input(photo, layout, peer.shape, peer.dtype)
        ref, fast = peer.outputs(x)
        for isa in levels if photo == photos[0] else levels[-1:]:
            got = {t: ours(tool, path, x, isa, t, ref, tmp, side) for t in threads}
            same = all(a.tobytes() == b.tobytes() for a, b in zip(got[threads[0]], got[threads[-1]]))
            results = [judge(peer, k, ref[k], fast[k], got[threads[0]][k]) for k in range(len(ref))]
            ok = same and all(r[0] for r in results)
            worst = max(results, key=lambda r: (not r[0], r[1] / r[2] if r[2] else r[1]))
            print(f"{name:18} {photo[:6]} {isa:12} {'ok  ' if ok else 'FAIL'} largest {worst[1]:.3g} of {worst[2]:.3g} allowed"
                  + ("" if same else ", 1 and 2 threads differ"), flush=True)
            bad += not ok
    return bad


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else None
    if only:
        args.remove(only)
    if not args:
        print(__doc__)
        return 2
    if not SHARED or not os.path.isdir(os.path.join(SHARED, "models")):
        skip(f"no models in NEXTPOSE_SHARED ({SHARED or 'not set'})")
    levels = subprocess.run([args[0], "--levels"], capture_output=True, text=True, check=True).stdout.split()
    quick = "--quick" in sys.argv
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        for name in MODELS:
            if (only and only != name) or (quick and side_of(name)):
                continue
            here = levels[:1] + levels[-1:] if name in ("movenet_int8", "pose_lite") else levels[-1:]
            try:
                bad += check_model(args[0], name, here, PHOTOS[:1], tmp, (2,)) if quick else check_model(args[0], name, levels, PHOTOS, tmp)
            except RuntimeError as e:
                print(f"{name:18} FAIL {e}")
                bad += 1
    print(f"{bad} failures")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
