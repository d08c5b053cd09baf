# SPDX-License-Identifier: Apache-2.0
"""The pipeline against others on real clips, interleaved: every frame with 1, 4 and 8 people against the same models in Python (OpenCV with ONNX Runtime, and
with LiteRT), the balanced preset live, and one person against MediaPipe's own pose solution (in a virtual environment of its own: --mediapipe PYTHON).

Ours is measured twice: with the detector on every frame, as the Python programs do (equal work), and with the detector on every fourth, the tracker and the
last poses carrying the boxes in between. In both the pose net runs for every person on every frame.

usage: live.py NEXTPOSE MODELS_DIR CLIPS_DIR [--mediapipe PYTHON] [--rounds N] [--seconds S] [--json OUT]"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "ref"))

MEDIAPIPE = r"""
import json, resource, sys, time
import cv2, mediapipe as mp
pose = mp.solutions.pose.Pose(model_complexity=1)
cap, n, found, t = cv2.VideoCapture(sys.argv[1]), 0, 0, None
while True:
    ok, bgr = cap.read()
    if not ok: break
    r = pose.process(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    found += r.pose_landmarks is not None
    n += 1
    if t is None: t = time.perf_counter()   # the first frame loads the graph
print(json.dumps({"fps": (n - 1) / (time.perf_counter() - t), "found": found, "frames": n, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def last_json(cmd):
    p = subprocess.run(cmd, capture_output=True, text=True)
    if p.returncode:
        sys.exit(f"{' '.join(cmd)}: exit {p.returncode}\n{p.stderr}")
    return json.loads(p.stdout.strip().splitlines()[-1])


class OrtNet:
    """A net that `nextpose convert` made from the .tflite, in ONNX Runtime, behind the few calls of the LiteRT interpreter that pyref.Pipeline makes. The ONNX
    files are channels first; turning pictures and maps around is part of what such a program pays."""

    def __init__(self, path, threads):
        import onnxruntime as ort

        so = ort.SessionOptions()
        so.intra_op_num_threads, so.log_severity_level = threads, 3
        # Two sessions whose idle threads spin take the cores from each other: 9 frames/s instead of 22 on two cores. The peer gets the setting that serves it best.
        so.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = ort.InferenceSession(path, so, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0]
        self.shapes = [[int(d) for d in o.shape] for o in self.session.get_outputs()]

    def get_input_details(self):
        n, c, h, w = self.input.shape
        return [{"index": 0, "shape": [n, h, w, c]}]

    def get_output_details(self):
        return [{"index": i, "shape": [s[0], s[2], s[3], s[1]] if len(s) == 4 else s} for i, s in enumerate(self.shapes)]

    def set_tensor(self, _, x):
        self.feed = np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    def invoke(self):
        self.outs = self.session.run(None, {self.input.name: self.feed})

    def get_tensor(self, i):
        return self.outs[i].transpose(0, 2, 3, 1) if self.outs[i].ndim == 4 else self.outs[i]


def python_fps(ref, clip):
    import cv2

    cap, n, k, t = cv2.VideoCapture(clip), 0, 0, time.perf_counter()
    while True:
        ok, bgr = cap.read()
        if not ok:
            return n / (time.perf_counter() - t), k / n
        k += len(ref.frame(bgr))
        n += 1


def every_frame(a, det, pose, clip, people, onnx):
    from pyref import Pipeline

    class OrtPipeline(Pipeline):
        net = OrtNet

    peers = {"onnxruntime": OrtPipeline(onnx[0], onnx[1], threads=2, max_persons=people), "litert": Pipeline(det, pose, threads=2, max_persons=people)}
    fps, found = {"ours": [], "ours_detect4": [], **{k: [] for k in peers}}, {}
    for _ in range(a.rounds):
        for name, freq in (("ours", "1"), ("ours_detect4", "4")):
            r = last_json([a.nextpose, "run", "-i", clip, "--detector", det, "--model", pose, "--threads", "2", "--max-persons", str(people), "--smooth", "none",
                           "--detection-freq", freq, "--save-json", os.devnull, "--json-summary"])
            fps[name].append(r["fps_processed"])
            found[name] = r["persons_mean"]
        for name, ref in peers.items():
            f, found[name] = python_fps(ref, clip)
            fps[name].append(f)
    best, mid = {k: max(v) for k, v in fps.items()}, {k: statistics.median(v) for k, v in fps.items()}
    row = {"people": people, "people_a_frame": found, "fps": best, "median_fps": mid,
           "ratio": {f"{o}/{p}": best[o] / best[p] for o in ("ours", "ours_detect4") for p in peers},
           "median_ratio": {f"{o}/{p}": mid[o] / mid[p] for o in ("ours", "ours_detect4") for p in peers}}
    cells = "".join(f"{row['ratio'][f'{o}/{p}']:>8.2f}x" for o in ("ours", "ours_detect4") for p in peers)
    print(f"{people:>2}{found['ours']:>7.2f}{found['ours_detect4']:>7.2f}{found['litert']:>7.2f}{best['ours']:>8.1f}{best['ours_detect4']:>8.1f}{best['onnxruntime']:>8.1f}"
          f"{best['litert']:>8.1f}{cells}", flush=True)
    return row


def live(a, clip):
    # The default models by themselves: a detector that is named keeps its own size, whatever the preset says.
    cmd = [a.nextpose, "run", "-i", "loop:" + clip, "--live", "--preset", "balanced", "--max-persons", "4", "--models-dir", a.models, "--threads", "2",
           "--json-summary", "--save-json", os.devnull]
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, text=True)
    time.sleep(a.seconds)
    p.send_signal(2)
    r = json.loads(p.communicate()[0].strip().splitlines()[-1])
    print(f"\nbalanced, live, {os.path.basename(clip)} looped at its own rate, 4 people at most, {a.seconds:g} s:")
    print(f"  {r['fps_processed']:.1f} shown, {r['fps_inferred']:.1f} inferred a second (targets 30, 25); delay p50 {r.get('delay_p50_ms', float('nan')):.0f}, p99 "
          f"{r.get('delay_p99_ms', float('nan')):.0f} ms (target under 60); {r['skipped']} frames passed over")
    return r


def mediapipe(a, clip):
    mine, theirs = [], []
    for _ in range(a.rounds):
        mine.append(last_json([a.nextpose, "run", "-i", clip, "--preset", "high_performance", "--max-persons", "1", "--models-dir", a.models, "--threads", "2",
                               "--save-json", os.devnull, "--json-summary"]))
        theirs.append(last_json([a.mediapipe, "-c", MEDIAPIPE, clip]))
    m, t = max(mine, key=lambda r: r["fps_processed"]), max(theirs, key=lambda r: r["fps"])
    row = {"ours_fps": m["fps_processed"], "mediapipe_fps": t["fps"], "ratio": m["fps_processed"] / t["fps"], "ours_mb": m["peak_memory_kb"] / 1024, "mediapipe_mb": t["peak_mb"]}
    print(f"\none person, {os.path.basename(clip)}, every frame: ours (high_performance) {row['ours_fps']:.1f} frames/s in {row['ours_mb']:.0f} MB, MediaPipe pose (full) "
          f"{row['mediapipe_fps']:.1f} in {row['mediapipe_mb']:.0f} MB: {row['ratio']:.2f}x the rate, {row['ours_mb'] / row['mediapipe_mb']:.2f}x the memory; MediaPipe found "
          f"{t['found']} of {t['frames']}")
    return row


def main():
    p = argparse.ArgumentParser()
    p.add_argument("nextpose")
    p.add_argument("models")
    p.add_argument("clips")
    p.add_argument("--mediapipe")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--json")
    a = p.parse_args()
    det, pose = os.path.join(a.models, "efficientdet_lite0_int8.tflite"), os.path.join(a.models, "pose_landmark_full.tflite")
    crowd, one = os.path.join(a.clips, "bench_p2s_3up_1280x720.mp4"), os.path.join(a.clips, "tfjs_squats.mp4")
    print(f"every frame, every person up to N, {os.path.basename(crowd)}, 2 threads, no smoothing; frames a second, best of {a.rounds}. ours/1: detector on every frame, "
          f"as the peers; ours/4: on every fourth.\n      people a frame            frames a second              ours/1 against   ours/4 against\n"
          f"{'N':>2}{'ours/1':>7}{'ours/4':>7}{'Python':>7}{'ours/1':>8}{'ours/4':>8}{'ORT':>8}{'LiteRT':>8}{'ORT':>9}{'LiteRT':>9}{'ORT':>9}{'LiteRT':>9}")
    with tempfile.TemporaryDirectory() as tmp:
        onnx = []
        for m in (det, pose):
            onnx.append(os.path.join(tmp, os.path.basename(m).replace(".tflite", ".onnx")))
            subprocess.run([a.nextpose, "convert", m, onnx[-1]], check=True, capture_output=True)
        out = {"every_frame": [every_frame(a, det, pose, crowd, n, onnx) for n in (1, 4, 8)]}
    out["live"] = live(a, crowd)
    if a.mediapipe:
        out["mediapipe"] = mediapipe(a, one)
    if a.json:
        json.dump(out, open(a.json, "w"), indent=1)


main()
