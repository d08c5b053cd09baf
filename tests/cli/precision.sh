#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# --precision: what runs is said, what cannot be had is said in one line, bf16 computes what it should (emulated, so on any processor).
. "$(dirname "$0")/lib.sh"
expect 2 "precision" "$NP" run -i x.mp4 --precision half
# The scalar level has no bf16 hardware on any machine.
"$NP" run --print-config --isa scalar >"$T/out" 2>&1 || fail "print-config"
grep -q "^; precision, on this machine: float nets in fp32; no bf16 hardware; quantized nets in int8" "$T/out" || fail "print-config does not say what there is: $(grep precision "$T/out")"
[ -f "$MODELS/pose_landmark_lite.tflite" ] && [ -f "$MODELS/movenet_lightning_int8.tflite" ] || { echo "no models here: the rest was not tested"; done_testing; }
F=$MODELS/pose_landmark_lite.tflite
model() { "$NP" bench model "$F" --isa scalar -r 1 --warmup 0 --json "$@" >"$T/out" 2>"$T/err" || fail "bench model $*: $(cat "$T/err")"; }
says() { grep -q "\"precision\":\"$1\"" "$T/out" || fail "ran in another precision than '$1': $(cat "$T/out")"; }
warns() { [ "$(grep -c "^nextpose: warning: .*$1" "$T/err")" = 1 ] || fail "not one line with '$1': $(cat "$T/err")"; }
model --precision fp32; says fp32; [ ! -s "$T/err" ] || fail "fp32 warns: $(cat "$T/err")"
model --precision bf16; says fp32; warns "bf16: this processor has neither AMX nor AVX-512 BF16"
model --precision fp32-fast; says fp32; warns "fp32-fast: this processor has no AMX"
model --precision int8; says fp32; warns "int8: this net is not quantized: computes in fp32"
"$NP" bench model "$F" -r 1 --warmup 0 --json --precision bf16-emulated,fp32-fast-emulated,fp32-emulated >"$T/out" 2>"$T/err" || fail "emulated: $(cat "$T/err")"
for p in ".*bf16, emulated.*" ".*fp32-fast (bf16 x3), emulated.*" ".*fp32 (bf16 x6), emulated.*"; do says "$p"; done
expect 2 "precision: 'half' is none of" "$NP" bench model "$F" --precision half
F=$MODELS/movenet_lightning_int8.tflite
model --precision bf16; says "int8.*"; warns "this net is quantized: computes in int8"
# A picture: joints in the parts' precision lie where those of fp32 lie; auto follows the cards.
P=$CLIPS/photos
[ -d "$P" ] && [ -f "$MODELS/pose_landmark_full.tflite" ] && command -v python3 >/dev/null 2>&1 || { echo "no photos here: the rest was not tested"; done_testing; }
for p in fp32 fp32-fast-emulated fp32-emulated bf16-emulated auto-emulated; do
    "$NP" run -i "$P" --models-dir "$MODELS" --precision $p --save-json "$T/$p.json" --json-summary >"$T/$p.sum" 2>"$T/err" || fail "run --precision $p: $(cat "$T/err")"
done
grep -q '"precision":"detector int8, model bf16' "$T/auto-emulated.sum" || fail "auto does not follow the card: $(grep -o '"precision":"[^"]*"' "$T/auto-emulated.sum")"
cmp -s "$T/auto-emulated.json" "$T/bf16-emulated.json" || fail "auto is not bf16 where the card says so"
python3 - "$T" <<'PY' || fail "joints"
import json, sys
def joints(p):
    return [[k[:2] for k in q["keypoints"]] for l in open(f"{sys.argv[1]}/{p}.json") if '"persons"' in l for q in json.loads(l)["persons"] if q["keypoints"]]
want = joints("fp32")
assert len(want) > 5
for p, most in ("fp32-fast-emulated", .1), ("fp32-emulated", .02), ("bf16-emulated", 15):
    got = joints(p)
    assert [len(a) for a in got] == [len(a) for a in want], p
    d = max(abs(a - b) for x, y in zip(got, want) for i, j in zip(x, y) for a, b in zip(i, j))
    assert d <= most, (p, d)
    assert p != "bf16-emulated" or d > .05, "bf16 changes nothing"
PY
done_testing
