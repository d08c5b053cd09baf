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
os.mkdir(f"{tmp}/named")
for name in ("onnx", "tflite"):  # the fault plug-in under names that auto looks for
    os.symlink(f"{os.path.realpath(plugins)}/named_fault_{name}.so", f"{tmp}/named/np_backend_{name}.so")
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
    check(r, r["rc"] == 5 and r["err"].count("told to fail") == 1 and r["err"].count("\n") == 1, "exit 5 in mid run, and one line that says why")
    check(r, 0 < len(r["frames"]) < 16 and all(joints(f) in ([[]], joints(g)) for f, g in zip(r["frames"], reference["frames"])),
          "what was written before stays, and nothing is invented")
    r = run("strict_crash", {"crash_at": 8}, "--strict", "--isolate")
    check(r, r["rc"] == 5 and r["err"].count("signal 11") == 1, "exit 5 when its process dies, told once")


@case
def auto_and_speed():
    """auto measures once and does not take what is slower; the plug-in "onnx" or "tflite" is ours with a nap, ten times as long as a run and more."""
    folder = f"{tmp}/speed"
    os.makedirs(folder)
    with open(os.path.realpath(model), "rb") as f:
        net = f.read()
    count = [0]

    def auto(path, naps, cache, **more):
        """naps: ms for each plug-in, None: that one refuses. A card of its own: a model that is known is not measured."""
        for name, nap in naps.items():
            with open(f"{path}.{name}-fault", "w") as f:
                f.write("open=refuse\n" if nap is None else f"slow_ms={nap}\n")
                f.writelines(f"{k}={v}\n" for k, v in more.items())
        count[0] += 1
        env = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH")}
        # No frame is needed for the choice; one is run to see that what was chosen works.
        argv = [nextpose, "run", "-i", one, "--detector", "none", "--model", f"{folder}/mine.json", "--plugins", f"{tmp}/named", "--cache-dir", f"{folder}/{cache}",
                "--threads", "1", "--json-summary", "--log-level", "info"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, env={**env, "HOME": folder})
        summary = next((json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")), {})
        kept = {}
        for name in os.listdir(f"{folder}/{cache}/timings") if os.path.isdir(f"{folder}/{cache}/timings") else []:
            with open(f"{folder}/{cache}/timings/{name}") as f:
                kept[name] = f.read()
        return {"rc": done.returncode, "err": done.stderr, "frames": [], "summary": summary, "case": f"speed{count[0]}", "kept": kept,
                "used": summary.get("backend_used"), "why": summary.get("backend_reason", "")}

    one = cut("one", clip, 1)
    with open(os.environ["NEXTPOSE_SOURCE"] + "/cards/blazepose_lite.json") as f:
        card = json.load(f)
    card["id"] = "mine"
    card["files"] = ["mine.tflite"]
    card.pop("sha256", None)
    with open(f"{folder}/mine.json", "w") as f:
        json.dump(card, f)
    path = f"{folder}/mine.tflite"

    # Native runs it: a slow one is not taken, and it is said that it was measured.
    with open(path, "wb") as f:
        f.write(net)
    r = auto(path, {"onnx": 0, "tflite": 400}, "a")
    check(r, r["rc"] == 0 and r["used"] == "native", "the slow one is not taken")
    check(r, re.search(r"native \d.*tflite \d+\.\d ms.*just measured", r["why"]), "the reason has both times")
    check(r, len(r["kept"]) == 1 and re.search(r"^tflite ([4-9]\d\d|\d{4,})\.", "".join(r["kept"].values()), re.M), f"the times are kept: {r['kept']}")
    again = auto(path, {"onnx": 0, "tflite": 0}, "a")  # were it measured again, other numbers would come out
    check(again, again["kept"] == r["kept"] and "measured earlier" in again["why"], "a second start does not measure again")

    # Native cannot run it: the slow one comes first in the order, the other one is taken.
    with open(path, "wb") as f:
        f.write(b"no net at all" + net[-64:])
    r = auto(path, {"onnx": 0, "tflite": 400}, "b", model=os.path.realpath(model))
    check(r, r["rc"] == 0 and r["used"] == "onnx", "the faster one of the two is taken")
    check(r, re.search(r"tflite \d{3,}\.\d ms.*onnx \d.*just measured.*native cannot run it", r["why"]), "the reason has both times")
    again = auto(path, {"onnx": 0, "tflite": 0}, "b", model=os.path.realpath(model))
    check(again, again["used"] == "onnx" and again["kept"] == r["kept"] and "measured earlier" in again["why"], "a second start does not measure again")
    r = auto(path, {"onnx": 400, "tflite": 400}, "c", model=os.path.realpath(model))
    check(r, r["used"] == "tflite", "of two that are equally fast the first in the order is taken")
    with open(path, "ab") as f:
        f.write(b"another model")
    r = auto(path, {"onnx": 0, "tflite": 400}, "c", model=os.path.realpath(model))
    check(r, r["used"] == "onnx" and len(r["kept"]) == 2, "another model is measured anew")
    r = auto(path, {"onnx": None, "tflite": 400}, "d", model=os.path.realpath(model))
    check(r, r["rc"] == 0 and r["used"] == "tflite", "a slow one is better than none")


@case
def others_isolate():
    """doctor outlives a runtime that crashes, by default; bench model times a runtime in a process of its own."""
    folder = f"{tmp}/doctor"
    os.makedirs(folder)
    with open(f"{folder}/(tiny model).fault", "w") as f:  # the tiny model of doctor is no file; the worker starts in this folder
        f.write("open=crash\n")

    def nextpose_in(*argv):
        done = subprocess.run([os.path.realpath(nextpose), *argv, "--plugins", os.path.realpath(plugins)], capture_output=True, text=True, timeout=300, cwd=folder)
        return {"rc": done.returncode, "err": done.stderr, "out": done.stdout, "frames": [], "summary": {}, "case": " ".join(argv[:2])}

    r = nextpose_in("doctor", "--no-measure", "--json")
    check(r, r["rc"] in (0, 3), "doctor goes on")
    fault = next((x for x in json.loads(r["out"])["runtimes"] if x["name"] == "fault"), {})
    check(r, fault.get("works") is False and "signal 11" in fault.get("problem", ""), f"it says why: {fault}")
    r = nextpose_in("doctor", "--no-measure", "--no-isolate")
    check(r, r["rc"] < 0, "in its own process it dies of the crash (the test has a crash to survive)")
    r = nextpose_in("bench", "model", model, "--backend", "native,fault", "--isolate", "--runs", "2", "--json")
    lines = [json.loads(x) for x in r["out"].splitlines()]
    check(r, r["rc"] == 0 and len(lines) == 2 and lines[1]["min_ms"] > 0 and "own process" in lines[1]["device"], "bench times it in a process of its own")


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
