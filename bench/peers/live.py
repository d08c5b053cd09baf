# SPDX-License-Identifier: Apache-2.0
"""The pipeline against others on real clips, interleaved: every frame with 1, 4 and 8 people against the same models in Python (OpenCV + LiteRT), the
balanced preset live, and one person against MediaPipe's own pose solution (in a virtual environment of its own: --mediapipe PYTHON).

usage: live.py NEXTPOSE MODELS_DIR CLIPS_DIR [--mediapipe PYTHON] [--rounds N] [--seconds S] [--json OUT]"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

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


def every_frame(a, det, pose, clip, people):
    import cv2
    from pyref import Pipeline

    ref = Pipeline(det, pose, threads=2, max_persons=people)
    mine, theirs, n, k = [], [], 0, 0
    for _ in range(a.rounds):
        r = last_json([a.nextpose, "run", "-i", clip, "--detector", det, "--model", pose, "--threads", "2", "--max-persons", str(people), "--smooth", "none",
                       "--save-json", os.devnull, "--json-summary"])
        mine.append(r["fps_processed"])
        cap, n, k, t = cv2.VideoCapture(clip), 0, 0, time.perf_counter()
        while True:
            ok, bgr = cap.read()
            if not ok:
                break
            k += len(ref.frame(bgr))
            n += 1
        theirs.append(n / (time.perf_counter() - t))
    row = {"people": people, "people_a_frame": k / n, "ours_fps": max(mine), "python_fps": max(theirs), "ratio": max(mine) / max(theirs),
           "median_ratio": statistics.median(mine) / statistics.median(theirs)}
    print(f"{people:>7}{k / n:>16.2f}{row['ours_fps']:>12.1f}{row['python_fps']:>12.1f}{row['ratio']:>9.2f}x{row['median_ratio']:>9.2f}x", flush=True)
    return row


def live(a, det, pose, clip):
    cmd = [a.nextpose, "run", "-i", "loop:" + clip, "--live", "--preset", "balanced", "--max-persons", "4", "--detector", det, "--model", pose, "--threads", "2",
           "--json-summary", "--save-json", os.devnull]
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, text=True)
    time.sleep(a.seconds)
    p.send_signal(2)
    r = json.loads(p.communicate()[0].strip().splitlines()[-1])
    print(f"\nbalanced, live, {os.path.basename(clip)} looped at its own rate, 4 people at most, {a.seconds:g} s:")
    print(f"  {r['fps_processed']:.1f} shown, {r['fps_inferred']:.1f} inferred a second (targets 30, 25); delay p50 {r.get('delay_p50_ms', float('nan')):.0f}, p99 "
          f"{r.get('delay_p99_ms', float('nan')):.0f} ms (target under 60); {r['skipped']} frames passed over")
    return r


def mediapipe(a, det, pose, clip):
    mine, theirs = [], []
    for _ in range(a.rounds):
        mine.append(last_json([a.nextpose, "run", "-i", clip, "--preset", "high_performance", "--max-persons", "1", "--detector", det, "--model", pose, "--threads", "2",
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
    print(f"every frame, every person up to N, {os.path.basename(crowd)}, 2 threads, no smoothing\n{'N':>7}{'people a frame':>16}{'ours /s':>12}{'Python /s':>12}{'ratio':>10}{'medians':>10}")
    out = {"every_frame": [every_frame(a, det, pose, crowd, n) for n in (1, 4, 8)], "live": live(a, det, pose, crowd)}
    if a.mediapipe:
        out["mediapipe"] = mediapipe(a, det, pose, one)
    if a.json:
        json.dump(out, open(a.json, "w"), indent=1)


main()
