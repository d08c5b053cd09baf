# SPDX-License-Identifier: Apache-2.0
"""Times us and the peers on this machine, interleaved, and prints ratios (peer / ours: above 1 we are faster).

usage: bench.py NEXTPOSE MODELS_DIR CLIP PHOTO [--json OUT] [--rounds N] [--quick]

Engine: each net, one and two threads; a round is ours, then each peer, R runs each; the minimum over all rounds counts, since it is what the
machine does when nobody disturbs it. Pipeline: the default models on the clip, every frame and every person, against the same
models in Python (tests/ref/pyref.py: OpenCV + LiteRT), two threads, decoding included, nothing drawn. Start and size: exec to the first pose on a photo, peak
memory, bytes. Weights are trained or have lively statistics, inputs are pictures or dense random numbers: zeros would flatter."""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "ref"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ap = argparse.ArgumentParser()
ap.add_argument("nextpose")
ap.add_argument("models")
ap.add_argument("clip")
ap.add_argument("photo")
ap.add_argument("--json")
ap.add_argument("--rounds", type=int, default=4)
ap.add_argument("--runs", type=int, default=15)
ap.add_argument("--quick", action="store_true", help="one thread, two rounds")
args = ap.parse_args()
if args.quick:
    args.rounds = 2
results = {"machine": None, "engine": [], "pipeline": {}, "start": {}}


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def ours(model, threads, isa=None):
    cmd = [args.nextpose, "bench", "model", model, "--threads", str(threads), "--runs", str(args.runs), "--json"]
    if isa:
        cmd += ["--isa", isa]
    row = json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1])
    return row["min_ms"]


def timed(fn):
    best = 1e9
    for _ in range(args.runs):
        t = time.perf_counter()
        fn()
        best = min(best, (time.perf_counter() - t) * 1e3)
    return best


def ort_runner(model, threads):
    import onnxruntime as ort

    so = ort.SessionOptions()
    so.intra_op_num_threads = threads
    so.log_severity_level = 3
    s = ort.InferenceSession(model, so, providers=["CPUExecutionProvider"])
    feed = {}
    for i in s.get_inputs():
        shape = [d if isinstance(d, int) else 1 for d in i.shape]
        x = np.random.default_rng(0).random(shape, dtype=np.float32)
        feed[i.name] = x if i.type == "tensor(float)" else (x * 255).astype({"tensor(int32)": np.int32, "tensor(uint8)": np.uint8}[i.type])
    s.run(None, feed)
    return lambda: s.run(None, feed)


def litert_runner(model, threads):
    from ai_edge_litert.interpreter import Interpreter

    s = Interpreter(model, num_threads=threads)
    s.allocate_tensors()
    d = s.get_input_details()[0]
    x = np.random.default_rng(0).random(d["shape"], dtype=np.float32)
    s.set_tensor(d["index"], x if d["dtype"] == np.float32 else (x * 255).astype(d["dtype"]))
    s.invoke()
    return s.invoke


def engine(models):
    print(f"{'net':<28}{'threads':>8}{'ours ms':>10}{'avx2 ms':>10}{'peer ms':>10}  {'peer':<14}{'peer/ours':>10}{'avx2/ours':>10}")
    for name, path in models:
        peer = "ONNX Runtime" if path.endswith(".onnx") else "LiteRT"
        for threads in (1,) if args.quick else (1, 2):
            run = (ort_runner if path.endswith(".onnx") else litert_runner)(path, threads)
            a, b, c = [], [], []
            for _ in range(args.rounds):
                time.sleep(0.3)  # the peers' threads spin for a while after their last run, on the core that ours would use
                a.append(ours(path, threads))
                c.append(timed(run))
                b.append(ours(path, threads, "avx2"))
            del run
            row = {"net": name, "threads": threads, "ours_ms": min(a), "ours_avx2_ms": min(b), "peer": peer, "peer_ms": min(c), "ratio": min(c) / min(a), "rounds": args.rounds}
            results["engine"].append(row)
            print(f"{name:<28}{threads:>8}{min(a):>10.2f}{min(b):>10.2f}{min(c):>10.2f}  {peer:<14}{min(c) / min(a):>9.2f}x{min(b) / min(a):>9.2f}x", flush=True)


def pipeline():
    import cv2
    from pyref import Pipeline

    det, pose = os.path.join(args.models, "efficientdet_lite0_int8.tflite"), os.path.join(args.models, "pose_landmark_full.tflite")
    ref = Pipeline(det, pose, threads=2)
    mine, theirs = [], []
    for _ in range(max(2, args.rounds - 1)):
        cmd = [args.nextpose, "run", "-i", args.clip, "--detector", det, "--model", pose, "--threads", "2", "--save-json", os.devnull, "--json-summary"]
        out = json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1])
        mine.append(out["fps_processed"])
        cap, n, k, t = cv2.VideoCapture(args.clip), 0, 0, time.perf_counter()
        while True:
            ok, bgr = cap.read()
            if not ok:
                break
            k += len(ref.frame(bgr))
            n += 1
        theirs.append(n / (time.perf_counter() - t))
    r = {"ours_fps": max(mine), "python_fps": max(theirs), "ratio": max(mine) / max(theirs), "median_ratio": statistics.median(mine) / statistics.median(theirs), "frames": n,
         "persons_a_frame_python": k / n, "skipped_frames": 0}
    results["pipeline"] = r
    print(f"\npipeline, {os.path.basename(args.clip)}: every frame, every person ({k / n:.2f} a frame), 2 threads, {n} frames, none skipped")
    print(f"  ours {r['ours_fps']:.1f} frames/s, Python (OpenCV + LiteRT, same models) {r['python_fps']:.1f}: {r['ratio']:.2f}x (medians {r['median_ratio']:.2f}x)")


def start():
    det, pose = os.path.join(args.models, "efficientdet_lite0_int8.tflite"), os.path.join(args.models, "pose_landmark_full.tflite")
    base = [args.nextpose, "run", "--detector", det, "--model", pose, "--quiet"]
    walls, firsts = [], []
    for _ in range(10):
        t = time.perf_counter()
        subprocess.run(base + ["-i", args.photo, "--save-json", os.devnull], check=True)
        walls.append((time.perf_counter() - t) * 1e3)
        cmd = [args.nextpose, "run", "--detector", det, "--model", pose, "--json-summary", "-i", args.photo, "--save-json", os.devnull]
        firsts.append(json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1])["first_pose_ms"])
    with tempfile.TemporaryDirectory() as tmp:
        def peak(extra):  # its own high-water mark: the kernel's figure for a child begins with the memory of this process
            cmd = [args.nextpose, "run", "--detector", det, "--model", pose, "--json-summary"] + extra
            out = subprocess.run(cmd, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
            return json.loads(out)["peak_memory_kb"] / 1024
        json_only = peak(["-i", args.clip, "--save-json", os.devnull])
        video = peak(["-i", args.clip, "--save-json", os.devnull, "--save-video", os.path.join(tmp, "o.mp4")])
        size = 0
        for f in (args.nextpose, os.path.realpath(os.path.join(os.path.dirname(args.nextpose), "..", "src", "libnextpose.so"))):
            to = os.path.join(tmp, os.path.basename(f))
            shutil.copy(f, to)
            subprocess.run(["strip", to], check=True)
            size += os.path.getsize(to)
    results["start"] = {"first_pose_ms_min": min(firsts), "first_pose_ms_median": statistics.median(firsts), "photo_wall_ms_min": min(walls), "photo_wall_ms_median": statistics.median(walls), "peak_mb": json_only, "peak_mb_with_video": video, "bytes": size}
    print(f"\nphoto with 5 people: exec to first pose {min(firsts):.0f} ms at best, median {statistics.median(firsts):.0f} (target under 150); exec to exit {min(walls):.0f}, median {statistics.median(walls):.0f}")
    print(f"peak memory on the clip: {json_only:.0f} MB, with annotated video {video:.0f} MB (target under 150); command + library stripped {size / 1e6:.2f} MB (target under 3)")


results["machine"] = f"{cpu_name()}, {len(os.sched_getaffinity(0))} processors"
print(f"machine: {results['machine']}; isa {subprocess.run([args.nextpose, 'doctor'], capture_output=True, text=True).stdout.split('isa', 1)[1].splitlines()[0].strip()}")
with tempfile.TemporaryDirectory() as tmp:
    import make_convnextpose
    import onnx

    models = []
    for v in ("s", "xs"):
        p = os.path.join(tmp, f"convnextpose_{v}.onnx")
        onnx.save(make_convnextpose.build(v), p)
        models.append((f"ConvNeXtPose-{v.upper()} fp32 b1", p))
    for name, f in (("BlazePose full", "pose_landmark_full.tflite"), ("EfficientDet-Lite0 int8", "efficientdet_lite0_int8.tflite"), ("YOLOX-nano 416", "yolox_nano.onnx"),
                    ("MoveNet Lightning fp32", "movenet_lightning.onnx"), ("MoveNet Lightning int8", "movenet_lightning_int8.tflite")):
        p = os.path.join(args.models, f)
        if os.path.exists(p):
            models.append((name, p))
    engine(models)
pipeline()
start()
if args.json:
    with open(args.json, "w") as f:
        json.dump(results, f, indent=1)
