#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""As faults.py, in live mode with what it does not go through: pictures, statistics, the web server with somebody who watches. Eight places of each class (24 of memory), spread over the run.

Which frames are handled depends on the machine, so results are not compared with those of an undisturbed run: what is there must be whole and in order, what is missing must be said.
usage: faults_live.py FAULTY-COMMAND CLASS SANITIZERS"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request

faulty, kind, sanitizers = sys.argv[1:4]
shared = os.environ.get("NEXTPOSE_SHARED", "")
source = shared + "/clips/p2s_multi_cam03.mp4"
if not (os.path.exists(source) and shutil.which("ffmpeg")):
    print("SKIP: needs ../shared and ffmpeg")
    sys.exit(77)
tmp = tempfile.mkdtemp()
subprocess.run(["ffmpeg", "-v", "error", "-i", source, "-vf", "scale=270:-2,setpts=N/20/TB", "-r", "20", "-frames:v", "8", "-an", "-c:v", "mpeg4", "-q:v", "3", tmp + "/c.mp4"], check=True)
clean = {k: v for k, v in os.environ.items() if not k.startswith("NEXTPOSE_")}
clean["ASAN_OPTIONS"] = "exitcode=99:detect_leaks=1"
clean["LSAN_OPTIONS"] = "exitcode=98"
ordinary = re.compile(r"watch at |are left out|were left out")
failures = []


def watch(url):
    """Takes the page and the stream for as long as they last; what is refused or cut off is what the fault is for."""
    for path in ("", "stream"):
        try:
            with urllib.request.urlopen(url.rstrip("/") + "/" + path, timeout=60) as r:
                while r.read(65536):
                    pass
        except OSError:
            pass
        except Exception as e:  # http.client's own: cut off in the middle
            if not type(e).__module__.startswith("http"):
                raise


def run(n):
    for name in ("o.jsonl", "s.jsonl", "count"):
        if os.path.exists(f"{tmp}/{name}"):
            os.remove(f"{tmp}/{name}")
    shutil.rmtree(tmp + "/img", ignore_errors=True)
    argv = [faulty, "run", "-i", tmp + "/c.mp4", "--live", "--models-dir", shared + "/models", "--detector", "efficientdet_lite0_int8", "--model", "blazepose_lite", "--threads", "2",
            "--max-delay", "0", "--save-json", tmp + "/o.jsonl", "--save-images", tmp + "/img", "--stats-json", tmp + "/s.jsonl", "--view", "web", "--web-port", "0", "--cache-dir", tmp + "/cache"]
    env = dict(clean, NEXTPOSE_FAULT=f"{kind}:{n}", NEXTPOSE_FAULT_COUNT=tmp + "/count")
    viewer, err = None, []
    with open(tmp + "/stdout", "w") as out:
        p = subprocess.Popen(argv, env=env, stdout=out, stderr=subprocess.PIPE, text=True, errors="replace")
        late = threading.Timer(100, p.kill)
        late.start()
        for line in p.stderr:
            err.append(line.rstrip())
            if "watch at " in line:
                viewer = threading.Thread(target=watch, args=(line.split("watch at ")[1].strip(),))
                viewer.start()
        rc = p.wait()
        late.cancel()
    if viewer:
        viewer.join()
    with open(tmp + "/stdout") as f:
        return rc, f.read(), err


def whole_lines(name):
    try:
        with open(f"{tmp}/{name}") as f:
            text = f.read()
    except FileNotFoundError:
        return []
    return [json.loads(l) for l in text[: text.rfind("\n") + 1].splitlines()]


def check(n, rc, out, err):
    def bad(what):
        failures.append(n)
        print(f"FAIL live {kind} {n}: {what}: exit code {rc}\n    " + "\n    ".join(err[-25:]))

    said = [l for l in err if l.startswith("nextpose: ") and not ordinary.search(l)]
    if rc not in (0, 1, 3, 4) or "Sanitizer" in "".join(err):
        return bad("a crash, a leak or no end" if rc < 0 or rc > 90 else "an exit code that does not fit")
    if rc and len(said) != 1:
        bad(f"{len(said)} messages of a run that failed")
    frames = [l["frame"] for l in whole_lines("o.jsonl")[1:]]
    if frames != sorted(set(frames)):
        bad(f"frames in the JSON: {frames}")
    stats = whole_lines("s.jsonl")
    pictures = glob.glob(tmp + "/img/*.jpg")
    for path in pictures:
        with open(path, "rb") as f:
            if f.read()[-2:] != b"\xff\xd9" and path not in "".join(said):
                bad(f"{path} is no whole picture")
    told = re.search(r"^done +(\d+) frames", out, re.M)
    if rc == 0 and not said and not (told and frames and stats and pictures):
        bad(f"'{told and told[0]}', {len(frames)} frames, {len(stats)} lines of statistics, {len(pictures)} pictures, and nothing was said")
    left_out = any("were left out" in l for l in err)
    if told and not left_out and "o.jsonl" not in "".join(said) and len(frames) != int(told[1]):
        bad(f"{len(frames)} frames in the JSON and '{told[0]}'")
    if told and kind in ("draw", "view", "encode") and len(frames) == 0:
        bad("results are lost with pictures or views")
    if kind == "draw" and hit(n) and not said:
        bad("a picture is missing and nothing was said")


def hit(n):
    """Whether the run had an n-th call; a run that crashed tells nothing."""
    if not n or not os.path.exists(tmp + "/count"):
        return False
    with open(tmp + "/count") as f:
        return int(f.read() or 0) >= n


rc, out, err = run(0)
check(0, rc, out, err)
with open(tmp + "/count") as f:
    total = int(f.read())
if rc or failures or total < 1:
    print(f"FAIL: the undisturbed run: {rc}, {total} calls\n" + "\n".join(err))
    sys.exit(1)
places = (24 if kind == "memory" else 8) if sanitizers == "none" else 5
todo = sorted({1 + round((total - 1) * (k / (places - 1))) for k in range(places)})
codes, n_met = {}, 0
for n in todo:
    result = run(n)
    check(n, *result)
    n_met += hit(n)
    codes[result[0]] = codes.get(result[0], 0) + 1
if n_met < min(2, len(todo)):
    print(f"FAIL: only {n_met} of {len(todo)} places were reached")
    failures.append(-1)
print(f"fault-live-{kind}: {n_met} of {total} calls failed in turn, exit codes {dict(sorted(codes.items()))}, {len(failures)} wrong")
shutil.rmtree(tmp)
sys.exit(1 if failures else 0)
