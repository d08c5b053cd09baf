# SPDX-License-Identifier: Apache-2.0
"""What the pipeline does when a runtime goes wrong: the fault plug-in (fault_plugin.c) on a real clip with a real pose net, through the command.

It computes with our own engine, so every frame must have the joints that native gives, whatever happens to the runtime on the way: nothing lost,
nothing invented. Each case looks at: exit code, number of frames, joints, who is said to have been used and why, and that a switch is told once.

usage: faults.py NEXTPOSE PLUGIN-FOLDER:PLUGIN-FOLDER [CASE…]"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

nextpose, plugins, only = sys.argv[1], sys.argv[2], sys.argv[3:]
shared = os.environ.get("NEXTPOSE_SHARED", "")
clip, model = shared + "/clips/tfjs_squats.mp4", shared + "/models/pose_landmark_lite.tflite"
if not (os.path.exists(clip) and os.path.exists(model) and shutil.which("ffmpeg")):
    print("SKIP: needs ../shared (clips, models) and ffmpeg")
    sys.exit(77)
tmp = tempfile.mkdtemp()
failures = []


def cut(name, source, frames):
    path = f"{tmp}/{name}.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", source, "-frames:v", str(frames), "-c", "copy", path], check=True)
    return path


def run(case, faults, *flags, source=None, backend="fault"):
    """Runs the clip; faults: {key: value} of fault_plugin.c, written beside the model."""
    folder = f"{tmp}/{case}"
    os.makedirs(folder)
    path = f"{folder}/pose_landmark_lite.tflite"
    os.symlink(os.path.realpath(model), path)
    with open(path + ".fault", "w") as f:
        f.writelines(f"{k}={v}\n" for k, v in faults.items())
    out = f"{folder}/out.jsonl"
    argv = [nextpose, "run", "-i", source or short, "--detector", "none", "--model", path, "--backend", backend, "--plugins", plugins, "--save-json", out,
            "--cache-dir", f"{tmp}/cache", "--threads", "1", "--smooth", "none", "--json-summary", *flags]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    frames = []
    if os.path.exists(out):
        with open(out) as f:
            frames = [json.loads(line) for line in f][1:]
    summary = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            summary = json.loads(line)
    return {"rc": done.returncode, "err": done.stderr, "frames": frames, "summary": summary, "case": case}


def joints(frame):
    return [[x for k in p["keypoints"] for x in (k[:2] if isinstance(k, list) else [k])] for p in frame["persons"]]


def check(r, ok, what):
    if not ok:
        failures.append(r["case"])
        print(f"FAIL  {r['case']}: {what}\n      exit {r['rc']}, {len(r['frames'])} frames, summary {r['summary']}\n      " + r["err"].replace("\n", "\n      "))


def same_joints(r, reference):
    """Every frame is there and has native's joints: none lost, none invented."""
    check(r, len(r["frames"]) == len(reference["frames"]), f"{len(reference['frames'])} frames were expected")
    worst = 0.0
    for a, b in zip(r["frames"], reference["frames"]):
        x, y = joints(a), joints(b)
        if [len(p) for p in x] != [len(p) for p in y]:
            check(r, False, f"frame {a['frame']}: other people than native's")
            return
        worst = max([worst] + [abs(u - v) for p, q in zip(x, y) for u, v in zip(p, q)])
    check(r, worst <= 0.01, f"joints differ from native's by {worst} px")


def switched(r, reference, used, reason):
    """It went on with `used`, said so once with the reason, and lost nothing."""
    check(r, r["rc"] == 0, "exit 0 was expected")
    s = r["summary"]
    check(r, s.get("backend_asked") == "fault" and s.get("backend_used") == used, f"used {used} was expected")
    check(r, re.search(reason, s.get("backend_reason", "")), f"the reason was expected to match '{reason}'")
    said = [line for line in r["err"].splitlines() if "asked fault" in line]
    check(r, len(said) <= 1, f"told {len(said)} times")
    same_joints(r, reference)


short, longer = cut("short", clip, 16), cut("longer", shared + "/clips/intel_one-by-one.mp4", 300)
reference = run("reference", {}, backend="native")
check(reference, reference["rc"] == 0 and len(reference["frames"]) == 16 and all(joints(f) and joints(f)[0] for f in reference["frames"]), "native has joints on each frame")
cases = {}


def case(f):
    cases[f.__name__] = f


@case
def no_fault():
    r = run("no_fault", {})
    switched(r, reference, "fault", "asked for")
    r = run("no_fault_isolated", {}, "--isolate")
    switched(r, reference, "fault", "asked for")
    check(r, "own process" in r["summary"].get("backend_device", "own process"), "the device says that it is a process of its own")


@case
def at_start():
    switched(run("refuse_score", {"open": "refuse"}), reference, "native", "told to refuse")
    switched(run("wrong_numbers", {"wrong": 1.5}), reference, "native", "self-test.*differs from our own")
    switched(run("nan_at_start", {"nan_at": 1}), reference, "native", "self-test.*NaN")
    switched(run("crash_at_open", {"open": "crash"}, "--isolate"), reference, "native", "signal 11")
    switched(run("crash_in_self_test", {"crash_at": 2}, "--isolate"), reference, "native", "signal 11")


@case
def in_mid_run():
    switched(run("error", {"error_at": 8}), reference, "native", "fault failed: .*told to fail")
    switched(run("nan", {"nan_at": 8}), reference, "native", "NaN")
    switched(run("hang", {"hang_at": 8, "hang_ms": 60000}, "--backend-timeout", "2000"), reference, "native", "did not end within 2000 ms")
    switched(run("hang_for_good", {"hang_at": 8, "hang_ms": 5000, "cancel": "no"}, "--backend-timeout", "2000"), reference, "native", "did not end within 2000 ms")


@case
def in_its_own_process():
    switched(run("crash", {"crash_at": 8}, "--isolate"), reference, "native", "fault failed: its process died of signal 11")
    switched(run("abort", {"abort_at": 8}, "--isolate"), reference, "native", "std::bad_idea")
    switched(run("exit", {"exit_at": 8}, "--isolate"), reference, "native", "ended with code 7")
    switched(run("iso_error", {"error_at": 8}, "--isolate"), reference, "native", "told to fail")
    switched(run("iso_nan", {"nan_at": 8}, "--isolate"), reference, "native", "NaN")
    switched(run("iso_hang", {"hang_at": 8, "hang_ms": 60000, "cancel": "no"}, "--isolate", "--backend-timeout", "2000"), reference, "native", "did not end within 2")
    if "sanitize" not in os.environ.get("NEXTPOSE_TEST_KIND", ""):
        switched(run("leak", {"leak_mb": 64}, "--isolate", "--isolate-memory", "512"), reference, "native", "no more memory")


@case
def strict():
    r = run("strict_start", {"open": "refuse"}, "--strict")
    check(r, r["rc"] == 5 and "told to refuse" in r["err"] and not r["frames"], "exit 5 at start")
    r = run("strict_run", {"error_at": 8}, "--strict")
    check(r, r["rc"] == 5 and "told to fail" in r["err"], "exit 5 in mid run")
    check(r, 0 < len(r["frames"]) < 16 and all(joints(f) in ([[]], joints(g)) for f, g in zip(r["frames"], reference["frames"])),
          "what was written before stays, and nothing is invented")
    r = run("strict_crash", {"crash_at": 8}, "--strict", "--isolate")
    check(r, r["rc"] == 5 and "signal 11" in r["err"], "exit 5 when its process dies")


@case
def no_worker():
    r = run("no_worker", {}, "--isolate", "--worker", "/no/such/worker")
    switched(r, reference, "native", "/no/such/worker")


@case
def comes_back():
    # Long enough that the second of back-off is over before the clip is (300 runs of more than 10 ms).
    whole = run("longer_reference", {}, backend="native", source=longer)
    r = run("back", {"error_at": 8}, "--log-level", "info", source=longer)
    check(r, r["rc"] == 0, "exit 0 was expected")
    same_joints(r, whole)
    check(r, r["summary"].get("backend_used") == "fault" and "works again" in r["summary"].get("backend_reason", ""), "it is tried again and comes back")
    check(r, r["summary"].get("backend_switches") == 2, "two switches, there and back")
    # What never works again is tried with growing pauses and never gets a frame.
    r = run("never_back", {"crash_at": 8, "open": ""}, "--isolate", "--log-level", "info", source=longer)
    check(r, r["rc"] == 0, "exit 0 was expected")
    same_joints(r, whole)


for name, f in cases.items():
    if not only or name in only:
        f()
        print(("ok    " if not failures else "...   ") + name)
if not failures:
    shutil.rmtree(tmp)
print(f"faults: {len(failures)} checks failed" + (f", files in {tmp}" if failures else ""))
sys.exit(bool(failures))
