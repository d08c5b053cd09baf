#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a plan leaves as steps of their own: no activation, no Add of floats and nearly no Concat. Counted by op, so that a pass that stops matching is noticed.
. "$(dirname "$0")/lib.sh"
steps() { # "Conv2D 83" and so on, one op a line
    "$NP" bench model "$1" -r 1 --warmup 0 --precision fp32 --profile >"$T/profile" 2>"$T/err" || fail "bench model $1: $(cat "$T/err")"
    awk '/^ +[0-9.]+ us /{ for (i = 3; i <= NF; i++) if ($i ~ /^[A-Z][A-Za-z0-9]+$/) { n[$i]++; break } } END { for (o in n) print o, n[o] }' "$T/profile" | sort
}
holds() { # FILE "OPS": exactly these
    steps "$1" >"$T/got"
    printf '%s\n' $2 | tr ':' ' ' | sort >"$T/want"
    cmp -s "$T/got" "$T/want" || fail "steps of ${1##*/} by op, expected and got: $(diff "$T/want" "$T/got" | tr '\n' ' ')"
}
[ -f "$MODELS/yolox_nano.onnx" ] && [ -f "$MODELS/pose_landmark_full.tflite" ] || skip "no shared models (NEXTPOSE_SHARED=${NEXTPOSE_SHARED:-})"
# 104 SiLU (a Sigmoid and a Mul each) and 17 Concat of maps in the file.
holds "$MODELS/yolox_nano.onnx" "Conv2D:83 DepthwiseConv2D:30 MaxPool2D:3 Resize:2 Transpose:1"
# 28 Add and 5 Pad in the file.
holds "$MODELS/pose_landmark_full.tflite" "Conv2D:58 DepthwiseConv2D:38 MaxPool2D:2 Resize:5"
done_testing
