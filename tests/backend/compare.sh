#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The same frames through every runtime give the joints of our own engine: the real wheels, real models, a real clip of 1088x1920; files that
# the runtime reads, and files that are converted for it. Bounds, over all joints of all people: 32-bit nets 0.5 px for 99 of 100; MoveNet in 8 bits 20 px for 9 of 10 (a
# pixel of its input is about 4 of the picture; XNNPACK rounds at other places, and its arg-max jumps). Then what is told when a provider is not there, and that --strict ends with 5.
#   compare.sh CASE        CASE: onnx, tflite, openvino, torch, convert, provider, auto
set -eu
[ -x "${NEXTPOSE_PYTHON:-}" ] || { echo "SKIP: no virtual environment with the peers (NEXTPOSE_PYTHON)"; exit 77; }
models=$NEXTPOSE_SHARED/models clip=$NEXTPOSE_SHARED/clips/p2s_multi_cam01.mp4
[ -f "$models/yolox_nano.onnx" ] && [ -f "$clip" ] || { echo "SKIP: no ../shared"; exit 77; }
command -v ffmpeg >/dev/null || { echo "SKIP: no ffmpeg to cut the clip"; exit 77; }
np=$NEXTPOSE_BUILD/tools/nextpose
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
VIRTUAL_ENV=$(dirname "$(dirname "$NEXTPOSE_PYTHON")")
NEXTPOSE_PLUGINS=$NEXTPOSE_BUILD/plugins NEXTPOSE_CACHE_DIR=$T/cache
export VIRTUAL_ENV NEXTPOSE_PLUGINS NEXTPOSE_CACHE_DIR
has() { "$np" doctor --no-measure 2>/dev/null | grep -qE "^runtime +$1 +(works|not tried)" || { echo "SKIP: $1 does not work here: $("$np" doctor --no-measure 2>/dev/null | grep -A2 "^runtime *$1 ")"; exit 77; }; }
fail() { echo "FAIL: $*"; exit 1; }
ffmpeg -v error -i "$clip" -frames:v 6 -c copy "$T/c.mp4"

# run OUT BACKEND DETECTOR MODEL
run() { "$np" run -i "$T/c.mp4" --detector "$3" --model "$4" --backend "$2" --strict --save-json "$T/$1.jsonl" --json-summary >"$T/$1.json" 2>"$T/$1.err" || fail "$2: $(cat "$T/$1.err")"; }
# same BACKEND DETECTOR MODEL BOUND [SHARE]
same() {
    run ours native "$2" "$3"
    run theirs "$1" "$2" "$3"
    grep -q "\"backend_used\":\"$1\",\"backend_reason\":\"asked for\"" "$T/theirs.json" || fail "$1: $(grep -o '"backend_[^,]*' "$T/theirs.json")"
    "$NEXTPOSE_PYTHON" - "$T/ours.jsonl" "$T/theirs.jsonl" "$4" "$1" "${5:-0.99}" <<'PY'
import json, sys
def read(p): return [json.loads(l) for l in open(p)]
a, b = read(sys.argv[1]), read(sys.argv[2])
bound, share, d = float(sys.argv[3]), float(sys.argv[5]), []
assert b[0]["backend_used"] == sys.argv[4], b[0]
assert len(a) == len(b) == 7
for x, y in zip(a[1:], b[1:]):
    assert len(x["persons"]) == len(y["persons"]) > 0, (x["frame"], len(x["persons"]), len(y["persons"]))
    for p, q in zip(x["persons"], y["persons"]):
        assert p["id"] == q["id"] and len(p["keypoints"]) == len(q["keypoints"])
        d += [max(abs(k[0] - l[0]), abs(k[1] - l[1])) for k, l in zip(p["keypoints"], q["keypoints"]) if k[2] > 0.2]
d.sort()
assert len(d) > 20 and d[int(len(d) * share)] <= bound, d[-10:]
print(f"{sys.argv[4]}: {len(d)} joints, median {d[len(d) // 2]:.2f} px, {share:.0%} within {d[int(len(d) * share)]:.2f} px (bound {bound}), worst {d[-1]:.2f} px")
PY
}
case $1 in
onnx | openvino)
    has "$1"
    same "$1" "$models/yolox_nano.onnx" "$models/movenet_lightning.onnx" 0.5 ;;
tflite)
    has tflite
    same tflite "$models/efficientdet_lite0_int8.tflite" "$models/pose_landmark_lite.tflite" 0.5
    same tflite "$models/efficientdet_lite0_int8.tflite" "$models/movenet_lightning_int8.tflite" 20 0.9 ;;
torch)
    has torch
    "$NEXTPOSE_PYTHON" "$NEXTPOSE_SOURCE/tests/ref/make_convnextpose.py" xs "$T/xs.onnx"
    "$NEXTPOSE_PYTHON" "$NEXTPOSE_SOURCE/tests/ref/make_torchscript.py" "$T/xs.onnx" "$T/xs.pt"
    printf 'the detector comes in no .pt: only the pose net runs on torch\n'
    same torch none "$T/xs.onnx" 0.5 ;;
convert) # the file that the runtime cannot read is converted, once, and kept
    has onnx
    has tflite
    same tflite "$models/yolox_nano.onnx" "$models/movenet_lightning.onnx" 0.5
    n=$(ls "$T"/cache/converted/*.tflite | wc -l)
    [ "$n" = 2 ] || fail "$n converted files, not 2"
    same onnx none "$models/pose_landmark_lite.tflite" 0.5 ;;
auto) # a model of the user's own is measured once; what was measured decides; a model that we know, or a level that was named, is ours without measuring
    has onnx
    sed 's/"id": "movenet_lightning"/"id": "mine"/; s/"sha256".*//' "$NEXTPOSE_SOURCE/cards/movenet_lightning.json" >"$T/mine.json"
    cp "$models/movenet_lightning.onnx" "$T/mine.onnx"
    auto() { "$np" run -i "$T/c.mp4" --detector none --model "$@" --log-level info --json-summary >"$T/s.json" 2>"$T/err" || fail "auto: $(cat "$T/err")"; }
    auto "$models/movenet_lightning.onnx"
    auto "$T/mine.onnx" --isa scalar
    [ ! -e "$T/cache/timings" ] || fail "measured where nobody else is in play"
    auto "$T/mine.onnx"
    kept=$(ls "$T/cache/timings")
    grep -q '^native [0-9]' "$T/cache/timings/$kept" && grep -q '^onnx [0-9]' "$T/cache/timings/$kept" || fail "not measured: $(cat "$T/cache/timings/$kept")"
    sed -i 's/^native .*/native 100.0/; s/^tflite .*//; s/^onnx .*/onnx 70.0/; s/^openvino .*/openvino 69.0/' "$T/cache/timings/$kept"
    auto "$T/mine.onnx" # 100 is more than 1.25 times 70; 70 is not of 69
    grep -q '"backend_used":"onnx","backend_reason":"auto: clearly faster here than native (70.0 against 100.0 ms a run, measured earlier)' "$T/s.json" || fail "$(cat "$T/s.json")"
    sed -i 's/^native .*/native 80.0/' "$T/cache/timings/$kept"
    auto "$T/mine.onnx"
    grep -q '"backend_used":"native","backend_reason":"auto: no other is clearly faster here than native (native 80.0 ms, onnx 70.0 ms' "$T/s.json" || fail "1.14 times is no reason to leave native: $(cat "$T/s.json")"
    echo "auto: measured once, kept, obeyed" ;;
provider)
    has onnx
    for device in cuda tensorrt coreml; do
        set +e
        "$np" run -i "$T/c.mp4" --detector none --model "$models/movenet_lightning.onnx" --backend ort --device $device --strict >/dev/null 2>"$T/err"
        rc=$?
        set -e
        [ $rc = 5 ] && grep -q "provider not available" "$T/err" || fail "--device $device --strict: exit $rc: $(cat "$T/err")"
        "$np" run -i "$T/c.mp4" --detector none --model "$models/movenet_lightning.onnx" --backend ort --device $device --json-summary >"$T/s.json" 2>"$T/err"
        grep -q '"backend_asked":"ort","backend_used":"native","backend_reason":"provider not available' "$T/s.json" || fail "--device $device: $(cat "$T/s.json")"
        [ "$(grep -c 'asked ort, used native' "$T/err")" = 1 ] || fail "--device $device: not told once: $(cat "$T/err")"
    done
    echo "provider: told, and 5 with --strict" ;;
esac
