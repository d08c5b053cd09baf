#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nextpose convert and inspect: strategies, the configuration file, cards, bad input, and that a half-written output never remains.
. "$NEXTPOSE_SOURCE/tests/cli/lib.sh"
need_models
M=$MODELS/pose_landmark_lite.tflite
cp "$M" "$T/pose.tflite"

# both ways, by name or by --format
expect 0 "" "$NP" convert "$T/pose.tflite" "$T/a.onnx"
grep -q "fp16: the weights are 16-bit numbers already" "$T/stdout" || fail "auto does not say what it chose and why"
grep -q "outputs differ by 0.0e+00" "$T/stdout" || fail "the result was not run beside the original"
expect 0 "" "$NP" convert "$T/a.onnx" "$T/b" --format tflite --strategy fp32
expect 0 "" "$NP" inspect "$T/b"
expect 0 "" "$NP" convert -q --io-layout keep "$T/pose.tflite" "$T/keep.onnx"
"$NP" inspect "$T/keep.onnx" | grep -q "input .*\[1,256,256,3\]" || fail "--io-layout keep turned the input"
"$NP" inspect "$T/a.onnx" | grep -q "input .*\[1,3,256,256\]" || fail "the input of an ONNX file is not channels first"
expect 0 "" "$NP" convert -q --io-layout keep --shape 1,128,128,3 --strategy fp32 "$MODELS/pose_detection.tflite" "$T/small.tflite"
equal "$("$NP" inspect "$T/small.tflite" | grep -c "input .*\[1,128,128,3\]")" 1 "--shape"

# the card goes along: beside the output, inside it, and it loads
equal "$("$NP" models card "$T/a.onnx" | grep -c '"decoder"')" 1 "the card inside"
[ -f "$T/a.json" ] || fail "no card beside the output"
rm "$T/a.json"
"$NP" models card "$T/a.onnx" >"$T/card" 2>"$T/stderr" || fail "models card"
[ -s "$T/stderr" ] && fail "the card in the file was not found"
mv "$T/card" "$T/a.json"
expect 0 "" "$NP" run --detector none -m "$T/a.onnx" -i "$CLIPS/photos/pifpaf_000000081988.jpg" -q --save-json "$T/out.jsonl"
grep -q '"keypoints"' "$T/out.jsonl" || fail "the converted model finds nobody"
mkdir "$T/none"

# sizes follow the strategy
for s in fp32 fp16 dynamic; do
    expect 0 "" "$NP" convert -q --strategy $s "$T/pose.tflite" "$T/$s.tflite"
    [ -s "$T/$s.tflite" ] || fail "no $s"
done
size() { wc -c <"$T/$1.tflite"; }
[ "$(size fp16)" -lt $(($(size fp32) * 6 / 10)) ] || fail "fp16 is not half of fp32"
[ "$(size dynamic)" -lt $(($(size fp32) * 4 / 10)) ] || fail "dynamic is not near a quarter of fp32"

# configuration: every key does what it says
layer=$("$NP" inspect "$T/pose.tflite" --layers | awk '$2 == "Conv2D" && $6 > 10000 { print $7; exit }' | cut -c1-40)
[ -n "$layer" ] || fail "inspect --layers names no layer"
layers_of() { "$NP" convert --config "$T/c.ini" "$T/pose.tflite" "$T/c.tflite" | sed -n 's/^layers *//p'; }
printf '[convert]\nstrategy = dynamic\n' >"$T/c.ini"
all=$(layers_of)
printf '[convert]\nstrategy = dynamic\n[layer %s*]\nprecision = float\n' "$layer" >"$T/c.ini"
[ "$(layers_of)" != "$all" ] || fail "precision = float changes nothing"
printf '[convert]\nstrategy = dynamic\n[layer %s*]\nprecision = fp16\n' "$layer" >"$T/c.ini"
layers_of | grep -q "[1-9][0-9]* fp16" || fail "precision = fp16 changes nothing"
printf '[convert]\nstrategy = fp32\n[layer *]\nprecision = int8\n' >"$T/c.ini"
layers_of | grep -q "[1-9][0-9]* int8" || fail "precision = int8 changes nothing"
printf '[convert]\nstrategy = dynamic\n[layer *]\nper-channel = no\n' >"$T/c.ini"
expect 0 "" "$NP" convert -q --config "$T/c.ini" "$T/pose.tflite" "$T/c.tflite"
[ "$(size c)" -lt "$(size dynamic)" ] || fail "per-channel = no leaves as many scales"
printf '[convert]\nformat = onnx\nio-layout = keep\nstrategy = fp32\n' >"$T/c.ini"
expect 0 "" "$NP" convert -q --config "$T/c.ini" "$T/pose.tflite" "$T/c.model"
"$NP" inspect "$T/c.model" | grep -q "ONNX" || fail "format = onnx"
"$NP" inspect "$T/c.model" | grep -q "input .*\[1,256,256,3\]" || fail "io-layout = keep"
expect 0 "" "$NP" convert -q --config "$T/c.ini" --format tflite "$T/pose.tflite" "$T/c.model"
"$NP" inspect "$T/c.model" | grep -q "TFLite" || fail "a flag does not beat the file"
for bad in '[convert]\nstrategy = fast' '[convert]\ncolour = red' '[layer *]\nprecision = half' '[layer *]\nrange = 3' '[else]\na = b' '[layer nothing-like-it]\nprecision = float' 'garbage'; do
    printf "$bad\n" >"$T/c.ini"
    expect 2 "" "$NP" convert --config "$T/c.ini" "$T/pose.tflite" "$T/no.tflite"
done
printf '[layer *]\nrange = -1:6\n' >"$T/c.ini"
expect 2 "ranges belong to int8" "$NP" convert --config "$T/c.ini" --strategy fp32 "$T/pose.tflite" "$T/no.tflite"
[ ! -e "$T/no.tflite" ] || fail "a refused conversion left a file"

# int8 by pictures; auto measures and says why not
if [ -d "$CLIPS/photos" ]; then
    mkdir "$T/photos" && cp "$CLIPS"/photos/pifpaf_000000081988.jpg "$CLIPS"/photos/mmpose_000000000785.jpg "$T/photos"
    cal="--calibrate $T/photos --detector none --models-dir $MODELS"
    expect 0 "" "$NP" convert $cal --strategy int8 "$T/pose.tflite" "$T/q8.tflite"
    grep -qE "^layers   [1-9][0-9]* of [0-9]* convolutions in int8" "$T/stdout" || fail "int8 made no layer int8"
    [ "$(size q8)" -lt $(($(size fp32) * 4 / 10)) ] || fail "int8 is not near a quarter of fp32"
    expect 0 "" "$NP" convert $cal --max-error 0 "$T/pose.tflite" "$T/auto8.tflite"
    grep -q "^int8     no: int8 would move" "$T/stdout" || fail "auto does not say why it is not int8"
    expect 2 "belongs to the strategies" "$NP" convert $cal --strategy fp16 "$T/pose.tflite" "$T/no.tflite"
    printf '[layer *]\nper-channel = no\n' >"$T/c.ini"
    expect 2 "always has a scale a channel" "$NP" convert $cal --strategy int8 --config "$T/c.ini" "$T/pose.tflite" "$T/no.tflite"
fi

# bad input, one line each, nothing left behind
expect 3 "calibrate" "$NP" convert --strategy int8 "$T/pose.tflite" "$T/no.tflite"
expect 2 "no format" "$NP" convert "$T/pose.tflite" "$T/no.model"
expect 2 "is the input" "$NP" convert "$T/pose.tflite" "$T/pose.tflite"
expect 2 "usage" "$NP" convert "$T/pose.tflite"
expect 3 "missing.onnx" "$NP" convert "$T/missing.onnx" "$T/no.tflite"
head -c 100000 "$T/pose.tflite" >"$T/cut.tflite"
expect 3 "cut.tflite" "$NP" convert "$T/cut.tflite" "$T/no.onnx"
expect 1 "cannot be written" "$NP" convert "$T/pose.tflite" "$T/no-folder/a.onnx"
expect 1 "is a folder" "$NP" convert --format onnx "$T/pose.tflite" "$T/none"
[ ! -e /dev/full ] || expect 1 "No space left" "$NP" convert --format onnx "$T/pose.tflite" /dev/full
# a full disk: the file may not grow beyond 1 MB; what was there before stays
echo old >"$T/full.onnx"
(ulimit -f 2000; trap '' XFSZ; "$NP" convert -q "$T/pose.tflite" "$T/full.onnx" >"$T/stdout" 2>"$T/stderr")
equal $? 1 "exit code with a full disk"
equal "$(cat "$T/full.onnx")" old "what was there before a full disk"
equal "$(ls -a "$T" | grep -c '^\.nextpose')" 0 "temporary files"
# Ctrl-C, at any moment: all or nothing
for wait in 0.01 0.05 0.1 0.2; do
    rm -f "$T/int.onnx"
    "$NP" convert -q --strategy fp32 "$T/pose.tflite" "$T/int.onnx" >/dev/null 2>&1 &
    pid=$!
    sleep $wait
    kill -INT $pid 2>/dev/null
    wait $pid
    code=$?
    [ ! -e "$T/int.onnx" ] || "$NP" inspect "$T/int.onnx" >/dev/null || fail "interrupted after $wait s: half a file"
    [ $code = 130 ] || [ $code = 0 ] || fail "interrupted after $wait s: exit code $code"
done
equal "$(ls -a "$T" | grep -c '^\.nextpose')" 0 "temporary files after interrupts"

# inspect asks the plug-ins: whoever is here, ONNX Runtime never takes a TFLite file, and is told why
NEXTPOSE_PLUGINS=$T/none "$NP" inspect "$M" >"$T/stdout"
grep -q '^runs on  native' "$T/stdout" || fail "inspect does not name native"
grep -q '^onnx  *no: ' "$T/stdout" || fail "inspect does not say why not onnx"
# inspect: everything, as text, JSON and pictures
expect 0 "" "$NP" inspect "$M" --svg "$T/m.svg" --dot "$T/m.dot"
for what in "^input" "^output" "^ops " "^weights .*f16" "^work" "^memory" "^runs on  native" "^head .*blazepose"; do
    grep -qE "$what" "$T/stdout" || fail "inspect does not tell: $what"
done
grep -q "</svg>" "$T/m.svg" || fail "the picture has no end"
grep -q "n0 -> n1" "$T/m.dot" || fail "no edges"
[ ! -e /dev/full ] || expect 1 "cannot be written" "$NP" inspect "$M" --svg "$T/no-folder/x.svg"
if [ -n "${NEXTPOSE_PYTHON:-}" ]; then
    "$NP" inspect "$M" --json | "$NEXTPOSE_PYTHON" -c 'import json, sys; d = json.load(sys.stdin); assert d["macs"] == sum(l["macs"] for l in d["layers"]) and sum(d["ops"].values()) == d["nodes"], d' || fail "JSON"
fi
expect 3 "neither ONNX nor TFLite" "$NP" inspect "$T/c.ini"
done_testing
