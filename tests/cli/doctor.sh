#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# doctor: text and JSON, exit codes, a machine without models, damaged models.
. "$(dirname "$0")/lib.sh"
export HOME="$T" XDG_CACHE_HOME="$T/cache" XDG_DATA_HOME="$T/data"
"$NP" doctor --no-measure >"$T/out" 2>"$T/err" && fail "ready without models" || equal $? 3 "exit code without models"
grep -q "^advice .*models get" "$T/out" || fail "no advice to get the models"
grep -q "^verdict    not ready" "$T/out" || fail "the verdict is missing"
for key in processor "may use" isa precision memory gpu category runtime ffmpeg camera display rates; do grep -q "^$key " "$T/out" || fail "text lacks '$key'"; done
"$NP" doctor --no-measure --json >"$T/json" 2>/dev/null
python3 - "$T/json" <<'PY' || fail "JSON of doctor"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["ready"] is False and 1 <= len(d["advice"]) <= 3, d["advice"]
assert d["cpu"]["allowed"] >= 1 and "scalar" in d["cpu"]["isa"] and "fp32" in d["cpu"]["precision"] and d["memory"]["total_mb"] > 100
assert d["category"]["name"].split("_")[0] in ("cpu", "gpu")
assert any(r["name"] == "native" and r["works"] for r in d["runtimes"])
PY
mkdir "$T/m"
echo broken >"$T/m/efficientdet_lite0_int8.tflite"
"$NP" doctor --no-measure --models-dir "$T/m" >"$T/out" 2>&1 && fail "ready with a broken model"
grep -q "efficientdet_lite0_int8 *HASH WRONG" "$T/out" || fail "a broken model is not seen"
grep -q "damaged or another file" "$T/out" || fail "no advice for a broken model"
if [ -f "$MODELS/efficientdet_lite0_int8.tflite" ] && [ -f "$MODELS/pose_landmark_full.tflite" ]; then
    expect 0 "" "$NP" doctor --no-measure --models-dir "$MODELS"
    grep -q "^verdict    ready" "$T/stdout" || fail "not ready with all models"
    # One processor of many: said, and counted.
    if [ "$(nproc)" -gt 1 ] && command -v taskset >/dev/null 2>&1; then
        taskset -c 0 "$NP" doctor --no-measure --models-dir "$MODELS" >"$T/out" 2>&1 || fail "doctor under taskset"
        grep -q "^may use    1 of" "$T/out" || fail "the affinity mask is not respected: $(grep '^may use' "$T/out")"
        grep -q "start it without taskset" "$T/out" || fail "no advice about the affinity mask"
    fi
fi
expect 2 "unexpected argument" "$NP" doctor now
done_testing
