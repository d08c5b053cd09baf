# SPDX-License-Identifier: Apache-2.0
"""The whole command on this machine: the default models on a clip, every frame and every person, against the same models in Python (tests/ref/pyref.py: OpenCV + LiteRT),
interleaved, two threads, decoding included, nothing drawn; then from exec to the first pose on a photo, peak memory, bytes.

usage: command.py NEXTPOSE MODELS_DIR CLIP PHOTO [--json OUT] [--rounds N]"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "ref"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ap = argparse.ArgumentParser()
ap.add_argument("nextpose")
ap.add_argument("models")
ap.add_argument("clip")
ap.add_argument("photo")
ap.add_argument("--json")
ap.add_argument("--rounds", type=int, default=3)
args = ap.parse_args()
results = {"pipeline": {}, "start": {}}


def pipeline():
    import cv2
    from pyref import Pipeline

    det, pose = os.path.join(args.models, "efficientdet_lite0_int8.tflite"), os.path.join(args.models, "pose_landmark_full.tflite")
    ref = Pipeline(det, pose, threads=2)
    mine, theirs = [], []
    for _ in range(args.rounds):
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


pipeline()
start()
if args.json:
    with open(args.json, "w") as f:
        json.dump(results, f, indent=1)
