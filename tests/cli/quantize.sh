#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nextpose quantize: what is missing or wrong is one line and the right exit code, and no output is left behind, whole or half.
. "$(dirname "$0")/lib.sh"
Q="$NP quantize"
echo "no model" >"$T/in.onnx"
mkdir "$T/empty" "$T/pics"
printf 'P6\n2 2\n255\n123456789012' >"$T/pics/a.ppm"
expect 2 "usage: nextpose quantize" $Q
expect 2 "no pictures to calibrate with" $Q "$T/in.onnx" "$T/out.onnx"
expect 2 "end its name in .onnx or .tflite" $Q "$T/in.onnx" "$T/out.bin" -c "$T/pics"
expect 2 "is the input" $Q "$T/in.onnx" "$T/in.onnx" -c "$T/pics"
expect 2 "go together" $Q "$T/in.onnx" "$T/out.onnx" -c "$T/pics" --labels "$T/l.json"
expect 2 "not one of auto" $Q "$T/in.onnx" "$T/out.onnx" -c "$T/pics" --ranges best
expect 3 "none.onnx" $Q "$T/none.onnx" "$T/out.onnx" -c "$T/pics"
expect 3 "in.onnx" $Q "$T/in.onnx" "$T/out.onnx" -c "$T/pics"
need_models
P="--models-dir $MODELS --detector none"
LITE=$MODELS/pose_landmark_lite.tflite
expect 4 "cannot open|No such" $Q "$LITE" "$T/out.onnx" -c "$T/none.mp4" $P
expect 4 "holds no pictures" $Q "$LITE" "$T/out.onnx" -c "$T/empty" $P
expect 4 "only 1 inputs for the net" $Q "$LITE" "$T/out.onnx" -c "$T/pics" $P
expect 3 "is quantized already" $Q "$MODELS/efficientdet_lite0_int8.tflite" "$T/out.onnx" -c "$CLIPS/photos" --models-dir "$MODELS"
cp "$T/pics/a.ppm" "$T/pics/b.ppm"
cp "$T/pics/a.ppm" "$T/pics/c.ppm"
expect 2 "no layer is called so" $Q "$LITE" "$T/out.onnx" -c "$T/pics" $P --ranges minmax --keep-float nothing
expect 2 "must be NAME=LO:HI" $Q "$LITE" "$T/out.onnx" -c "$T/pics" $P --ranges minmax --range x
expect 1 "cannot write|cannot create|No such file" $Q "$LITE" "$T/no/such/out.onnx" -c "$T/pics" $P --ranges minmax
[ -z "$(find "$T" -name "out.*" -o -name ".np-*")" ] || fail "something was left behind: $(ls -A "$T")"
"$NP" quantize "$LITE" "$T/out.onnx" -c "$T/pics" $P --ranges minmax --keep-max 0 --keep-float '*conv2d/Conv2D' -q 2>"$T/stderr" || fail "quantize failed"
[ -s "$T/out.onnx" ] || fail "no output"
[ -z "$(ls -A "$T" | grep '\.np-')" ] || fail "a candidate was left behind"
"$NP" run -i "$T/pics/a.ppm" --detector none --model "$T/out.onnx" --save-json - -q >"$T/j" || fail "the result does not run"

# the card lies beside the result and inside it; either is enough, and one that was there stays as it was
[ -s "$T/out.json" ] || fail "no card beside the output"
found() { # FILE: the net is run as the pose net that it is
    "$NP" run -i "$CLIPS/photos/pifpaf_000000081988.jpg" --detector none --model "$1" --save-json "$T/found" -q 2>"$T/stderr" || fail "$1 does not run: $(cat "$T/stderr")"
    grep -q '"keypoints"' "$T/found" || fail "$1 finds nobody"
}
mkdir "$T/few"
cp "$CLIPS"/photos/pifpaf_*.jpg "$T/few"
"$NP" convert -q --strategy int8 "$LITE" "$T/lite.tflite" -c "$T/few" $P >"$T/stdout" 2>"$T/stderr" || fail "convert to int8 failed: $(cat "$T/stderr")"
[ -s "$T/lite.json" ] || fail "convert wrote no card beside the output"
grep -q '"lite.tflite"' "$T/lite.json" || fail "the card does not name its file"
for m in out.onnx lite.tflite; do
    found "$T/$m"
    mv "$T/${m%.*}.json" "$T/aside.json"
    found "$T/$m"
done
echo mine >"$T/out.json"
"$NP" quantize "$LITE" "$T/out.onnx" -c "$T/pics" $P --ranges minmax --keep-max 0 >"$T/stdout" 2>"$T/stderr" || fail "quantize failed"
grep -q "was left alone" "$T/stdout" || fail "nothing is said of the card that was there"
equal "$(cat "$T/out.json")" mine "a card that was there"
done_testing
