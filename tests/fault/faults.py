#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The n-th call of a class fails (wrap.c), n = 1, 2, 3 … and then in growing steps, in the whole command on a short real clip with two small nets, JSON, CSV and video out.

Whatever fails: no crash, no leak (under ASan), an exit code that fits, exactly one message when the run failed and at least one when something is missing, and everything that
was finished is in files that can be read: JSON lines are a prefix of the undisturbed run's, up to joints that a failed inference could not give.
usage: faults.py FAULTY-COMMAND CLASS SANITIZERS      NEXTPOSE_FAULT_ALL=1: every n"""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile

faulty, kind, sanitizers = sys.argv[1:4]
shared = os.environ.get("NEXTPOSE_SHARED", "")
source = shared + "/clips/p2s_multi_cam03.mp4"
if not (os.path.exists(source) and shutil.which("ffmpeg")):
    print("SKIP: needs ../shared and ffmpeg")
    sys.exit(77)
tmp = tempfile.mkdtemp()
subprocess.run(["ffmpeg", "-v", "error", "-i", source, "-vf", "scale=270:-2", "-frames:v", "4", "-an", "-c:v", "mpeg4", "-q:v", "3", tmp + "/c.mp4"], check=True)
clean = {k: v for k, v in os.environ.items() if not k.startswith("NEXTPOSE_")}
clean["ASAN_OPTIONS"] = "exitcode=99:detect_leaks=1"
clean["LSAN_OPTIONS"] = "exitcode=98"
failures = []


def run(n):
    for name in ("o.jsonl", "o.csv", "o.mp4", "count"):
        if os.path.exists(f"{tmp}/{name}"):
            os.remove(f"{tmp}/{name}")
    argv = [faulty, "run", "-i", tmp + "/c.mp4", "--models-dir", shared + "/models", "--detector", "efficientdet_lite0_int8", "--model", "blazepose_lite", "--threads", "2",
            "--detection-freq", "1", "--smooth", "zero-lag", "--save-json", tmp + "/o.jsonl", "--out", tmp + "/o.csv", "--save-video", tmp + "/o.mp4", "--cache-dir", tmp + "/cache"]
    env = dict(clean, NEXTPOSE_FAULT=f"{kind}:{n}", NEXTPOSE_FAULT_COUNT=tmp + "/count")
    p = subprocess.run(argv, env=env, capture_output=True, text=True, errors="replace", timeout=200)
    lines = [l for l in p.stderr.splitlines() if l.startswith("nextpose: ")]
    return p.returncode, lines, p.stdout, p.stderr


def read_json():
    try:
        with open(tmp + "/o.jsonl") as f:
            text = f.read()
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1].splitlines()  # what was being written when the disk was full is no line
    return [json.loads(l) for l in whole][1:]


def people(frame):
    return [(p["id"], p["source"]) for p in frame["persons"]]


def check(n, rc, lines, out, err):
    def bad(what):
        failures.append(n)
        print(f"FAIL {kind} {n}: {what}: exit code {rc}\n    " + "\n    ".join(err.splitlines()[-25:]))

    if rc not in (0, 1, 3, 4) or "Sanitizer" in err:
        return bad("a crash or a leak" if rc < 0 or rc > 90 else "an exit code that does not fit")
    if rc and len(lines) != 1:
        bad(f"{len(lines)} messages of a run that failed")
    frames = read_json()
    if [f["frame"] for f in frames] != list(range(len(frames))):
        bad("holes in the JSON")
    same = frames == reference
    if rc == 0 and not same and not lines:
        bad("something is missing and nothing was said")
    if kind not in ("infer", "decode", "memory", "write") and [people(f) for f in frames] != [people(f) for f in reference[: len(frames)]]:
        bad("other people than without the fault")
    if os.path.exists(tmp + "/o.csv"):
        with open(tmp + "/o.csv") as f:
            list(csv.reader(f))
    told = [l for l in out.splitlines() if l.startswith("done ")]
    json_failed = any("o.jsonl" in l for l in lines)
    if told and not json_failed and len(frames) != int(told[0].split()[1]):
        bad(f"{len(frames)} frames in the JSON and '{told[0]}'")
    if told and not any("o.mp4" in l for l in lines) and "memory" not in " ".join(lines):
        q = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", tmp + "/o.mp4"],
                           capture_output=True, text=True)
        if q.stdout.strip().strip(",") != told[0].split()[1]:
            bad(f"the video has '{q.stdout.strip()}' frames: {q.stderr}")


rc, lines, out, err = run(0)
reference = read_json()
with open(tmp + "/count") as f:
    total = int(f.read())
if rc or len(reference) != 4 or not any(f["persons"] for f in reference) or total < 1:
    print(f"FAIL: the undisturbed run: {rc}, {len(reference)} frames, {total} calls\n{err}")
    sys.exit(1)
few = 8 if sanitizers == "none" else 4
todo, n = [], 1
while n <= total:
    todo.append(n)
    n += 1 if n < few or os.environ.get("NEXTPOSE_FAULT_ALL") else max(1, n // (3 if sanitizers == "none" else 1))
todo = sorted(set(todo + [k for k in range(total - few, total + 1) if k > 0]))  # the end of the run too
codes = {}
for n in todo:
    result = run(n)
    check(n, *result)
    codes[result[0]] = codes.get(result[0], 0) + 1
print(f"fault-{kind}: {len(todo)} of {total} calls failed in turn, exit codes {dict(sorted(codes.items()))}, {len(failures)} wrong")
shutil.rmtree(tmp)
sys.exit(1 if failures else 0)
