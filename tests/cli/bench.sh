#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bench compare and bench trend on result files made here: verdicts, exit codes, notes, plots, damaged files.
. "$(dirname "$0")/lib.sh"
# result FILE DATE VERSION CPU FPS…: one run with two metrics
result() {
    f=$1 date=$2 version=$3 cpu=$4
    shift 4
    values=$(echo "$*" | sed 's/ /, /g')
    cat >"$f" <<JSON
{"schema": "nextpose-bench-1", "subject": "nextpose", "version": "$version", "date": "$date",
 "machine": {"cpu": "$cpu", "cores": 2, "isa": "avx2", "category": "cpu_low_end", "os": "Linux"}, "input": {"name": "clip.mp4"},
 "runs": [{"name": "preset balanced", "settings": {}, "metrics": {
   "fps": {"unit": "frames/s", "better": "higher", "values": [$values]},
   "persons": {"unit": "", "better": "neither", "values": [3, 3, 3, 3]}}}]}
JSON
}
result "$T/a.json" 2026-01-01T00:00:00Z 1.0 X 50 51 50.5 50.2 49.9
result "$T/b.json" 2026-01-02T00:00:00Z 1.1 X 40 41 40.5 40.2 39.9
result "$T/c.json" 2026-01-02T00:00:00Z 1.1 Y 50.1 50.9 50.4 50.3 49.8
result "$T/d.json" 2026-01-02T00:00:00Z 1.2 X 40
"$NP" bench compare "$T/a.json" "$T/b.json" >"$T/out" && fail "a loss of 20 % passed" || equal $? 1 "exit code of a regression"
grep -q "WORSE" "$T/out" || fail "the regression is not marked"
grep -q "0 better, 1 worse" "$T/out" || fail "the sum is wrong: $(tail -n 1 "$T/out")"
expect 0 "" "$NP" bench compare "$T/b.json" "$T/a.json"
grep -q "1 better, 0 worse" "$T/stdout" || fail "a gain is not seen"
expect 0 "" "$NP" bench compare "$T/a.json" "$T/c.json"
grep -q "machines differ" "$T/stdout" || fail "another machine is not mentioned"
expect 0 "" "$NP" bench compare "$T/a.json" "$T/d.json"
grep -q "1 with too few" "$T/stdout" || fail "a single value was judged"
"$NP" bench compare --format json "$T/a.json" "$T/b.json" 2>/dev/null | python3 -c 'import json,sys; r=[json.loads(l) for l in sys.stdin]; assert r[0]["verdict"]=="worse" and abs(r[0]["ratio"]-.8)<.01, r' ||
    fail "JSON of compare"
expect 4 "cannot" "$NP" bench compare "$T/a.json" "$T/none.json"
echo '{"schema": "other"}' >"$T/e.json"
expect 4 "is no result of 'nextpose bench'" "$NP" bench compare "$T/e.json" "$T/a.json"
expect 2 "usage" "$NP" bench compare "$T/a.json"
expect 2 "did you mean 'compare'" "$NP" bench compar

mkdir "$T/history"
i=10
for v in 50 51 50.5 50.2 49.9 50.3 60 61 60.5 60.2 59.9 60.4; do
    result "$T/history/$i.json" "2026-01-${i}T00:00:00Z" "1.$i" X "$v"
    i=$((i + 1))
done
echo junk >"$T/history/junk.json"
"$NP" bench trend "$T/history" --html "$T/trend.html" >"$T/out" 2>"$T/err" || fail "trend: exit code $?"
grep -q "changed at version 1.16 (2026-01-16.*better" "$T/out" || fail "the change at 1.16 is not named: $(cat "$T/out")"
grep -q "passed over" "$T/err" || fail "a file that is no result was not mentioned"
python3 - "$T/trend.html" <<'PY' || fail "the plot is not well-formed"
import re, sys, xml.dom.minidom
svg = re.findall(r"<svg.*?</svg>", open(sys.argv[1]).read(), re.S)
assert len(svg) == 1
d = xml.dom.minidom.parseString(svg[0])
assert len(d.getElementsByTagName("circle")) == 12
PY
expect 4 "no .json file" "$NP" bench trend "$T/nowhere"

# What the machine can do: every figure is there or skipped by name, and skipped ones have no value.
expect 0 "" "$NP" bench peak --json --duration .01 --threads 1,2
python3 - "$T/stdout" "$("$NP" doctor | sed -n 's/.*isa *//p' | head -n 1)" <<'PY' || fail "bench peak --json is not as documented"
import json, sys
rows = [json.loads(l) for l in open(sys.argv[1])]
maths, memory = [r for r in rows if r["what"] == "arithmetic"], [r for r in rows if r["what"] == "memory"]
assert [r["level"] for r in memory] == ["L1", "L2", "L3", "DRAM"], memory
assert maths[0]["isa"] == "scalar" and maths[0]["precision"] == "fp32" and "skipped" not in maths[0]
for r in rows:
    assert r["unit"] in ("GFLOP/s", "GOP/s", "GB/s") and r["cpu"] and (r["how"] or "skipped" in r), r
    assert r["threads"] == {} if "skipped" in r else set(r["threads"]) == {"1", "2"} and min(r["threads"].values()) > 0, r
have = {i.strip() for i in sys.argv[2].split(",")}
for r in maths: assert (r["isa"] in have) == ("skipped" not in r) or r["isa"] == "amx", (r, have)
assert "skipped" not in memory[3]
PY
expect 0 "" "$NP" bench peak --duration .01 --threads 1
grep -qE "^fp32 +scalar +C +[0-9.]+  GFLOP/s$" "$T/stdout" || fail "the table of bench peak has no scalar row: $(cat "$T/stdout")"
expect 2 "not a list of counts" "$NP" bench peak --threads 1,x
expect 2 "not a list of counts" "$NP" bench peak --threads 0
expect 2 "usage" "$NP" bench peak model.onnx

# The real thing, briefly: one small net on a real clip.
HOME="$T" XDG_CACHE_HOME= expect 4 "no clip: name one with --input" "$NP" bench quick
if [ -f "$MODELS/pose_landmark_lite.tflite" ] && [ -f "$CLIPS/tfjs_squats.mp4" ]; then
    small="--models-dir $MODELS --detector none --model blazepose_lite -i $CLIPS/tfjs_squats.mp4"
    "$NP" bench quick $small --target-fps 1 --duration 4 --output "$T/quick.json" >"$T/out" 2>"$T/err" || { fail "bench quick: exit code $?"; cat "$T/err"; }
    grep -qE "^(not )?reached: 1.0 frames/s wanted" "$T/out" || fail "bench quick gives no verdict: $(cat "$T/out")"
    grep -qE "delay +p50 [0-9.]+, p95" "$T/out" || fail "bench quick tells no delay"
    expect 0 "" "$NP" bench compare "$T/quick.json" "$T/quick.json"
    "$NP" bench pipeline $small --axes skip,threads --rounds 2 --duration 1 --output "$T/p.json" --html "$T/p.html" --svg "$T/plots" --csv "$T/p.csv" --markdown "$T/p.md" >"$T/out" 2>"$T/err" ||
        { fail "bench pipeline: exit code $?"; cat "$T/err"; }
    python3 - "$T" <<'PY' || fail "the files of bench pipeline are not as documented"
import csv, json, re, sys, xml.dom.minidom
t = sys.argv[1]
r = json.load(open(t + "/p.json"))
assert r["schema"] == "nextpose-bench-1" and r["machine"]["cores"] >= 1 and r["input"]["frames"] == 65, r["input"]
runs = {x["name"]: x["metrics"] for x in r["runs"]}
assert {"every frame", "--frame-skip 2", "--frame-skip 5", "--threads 1"} <= set(runs), runs.keys()
assert all(len(m["processed_fps"]["values"]) == 2 and min(m["processed_fps"]["values"]) > 0 for m in runs.values())
assert "joint_error_median" in runs["--frame-skip 3"] and "joint_error_median" not in runs["every frame"]
assert runs["--threads 1"]["joint_error_median"]["values"][0] == 0, "threads do not change joints"
rows = list(csv.DictReader(open(t + "/p.csv")))
assert sum(x["run"] == "--threads 1" and x["metric"] == "processed_fps" for x in rows) == 2
html = open(t + "/p.html").read()
assert "http" not in html.replace("http://www.w3.org/2000/svg", ""), "the report must be self-contained"
for svg in re.findall(r"<svg.*?</svg>", html, re.S): xml.dom.minidom.parseString(svg)
assert len(re.findall("<svg", html)) >= 2
import os
files = sorted(os.listdir(t + "/plots"))
assert files == ["front.svg", "stages.svg", "threads.svg"], files # no preset ran live, no number of people was varied
assert [open(f"{t}/plots/{f}").read() for f in ("front.svg", "stages.svg", "threads.svg")] == re.findall(r"<svg.*?</svg>\n", html, re.S), "the report has other plots"
assert open(t + "/p.md").read().count("\n|") >= len(runs)
PY
    mkdir "$T/cache"
    "$NP" recommend $small --target-fps 1 --budget 4 --cache-dir "$T/cache" --output "$T/rec.conf" --json "$T/rec.json" >"$T/out" 2>"$T/err" || { fail "recommend: exit code $?"; cat "$T/err"; }
    grep -q "^recommended: --frame-skip" "$T/out" || fail "recommend recommends nothing: $(cat "$T/out")"
    grep -q "promised; checked:" "$T/out" || fail "recommend does not check what it promises"
    "$NP" run --config "$T/rec.conf" -i x --print-config | grep -E "^frame-skip.*rec.conf" >/dev/null || fail "run does not take the config of recommend"
    # The promise is held against a measurement; how fast this machine is just now is no matter of the test.
    "$NP" recommend --verify "$T/rec.conf" --models-dir "$MODELS" --budget 4 >"$T/out" 2>"$T/err"
    rc=$?
    grep -qE "^  as fast as it goes +[0-9.]+ +[0-9.]+ frames/s" "$T/out" || fail "recommend --verify: $(cat "$T/out" "$T/err")"
    if [ $rc = 0 ]; then grep -q "^kept" "$T/out" || fail "no verdict"; else grep -q "^not kept" "$T/out" || fail "no verdict: exit code $rc"; fi
    sed 's/^# promise capacity.*/# promise capacity 99999/' "$T/rec.conf" >"$T/bold.conf"
    "$NP" recommend --verify "$T/bold.conf" --models-dir "$MODELS" --budget 4 >"$T/out" 2>&1 && fail "99999 frames/s were kept"
    grep -q "^not kept" "$T/out" || fail "no word about a promise that is not kept"
    sed 's/^# promise [cd].*/# promise capacity .01/' "$T/rec.conf" >"$T/shy.conf"
    expect 4 "promises nothing" "$NP" recommend --verify "$T/shy.conf"
    n=$(ls "$T/cache/recommend" | wc -l)
    equal "$n" 1 "files that recommend keeps"
    t0=$(stat -c %s "$T/cache/recommend/"*)
    "$NP" recommend $small --target-fps 1 --budget 4 --cache-dir "$T/cache" --output - >"$T/conf" 2>"$T/err" || fail "recommend, second time: exit code $?"
    grep -q "^frame_skip = " "$T/conf" || fail "recommend --output - prints no config"
    equal "$(stat -c %s "$T/cache/recommend/"*)" "$t0" "what was measured is used again"
    expect 2 "unexpected argument" "$NP" recommend clip.mp4
    expect 2 "none of 'nonsense' is an axis" "$NP" bench pipeline $small --axes nonsense
    expect 1 "cannot write '$T/nowhere/p.json" "$NP" bench quick $small --target-fps 1 --duration 1 --output "$T/nowhere/p.json" 
fi
done_testing
