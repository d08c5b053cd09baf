#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# evaluate_all.sh NEXTPOSE WORK TEACHERS [POSE-NET...]: every table of docs/training.md, by the project's own tool. Ten to twenty minutes.
#   WORK       lspet/ (pictures 8501-9000 and labels.json of scripts/lsp_to_coco.py), views/ (of views.py), clips/*.mp4 for the trembling
#   TEACHERS   folder of the other nets: pose_landmark_{lite,full,heavy}.tflite, movenet_{lightning,thunder}.onnx, efficientdet_lite0_int8.tflite, yolox_nano.onnx
#   POSE-NET   our own, by name or file (default: np-xs np-s)
set -eu
[ $# -ge 3 ] || { sed -n '3,6s/^# //p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
program=$1 work=$2 models=$3
shift 3
[ $# -gt 0 ] || set -- np-xs np-s
python=${NEXTPOSE_PYTHON:-python3}
for f in "$work/lspet/labels.json" "$work/views/labels.json" "$work/views/truth.npz" "$models/pose_landmark_heavy.tflite"; do
    [ -e "$f" ] || { echo "evaluate_all: $f is missing" >&2; exit 2; }
done
for m in lite full heavy; do set -- "$@" "$models/pose_landmark_$m.tflite"; done
for m in lightning thunder; do set -- "$@" "$models/movenet_$m.onnx"; done
clips=
for c in "$work"/clips/*.mp4; do [ -e "$c" ] && clips="$clips --clip $c"; done
printf 'Athletes, given boxes\n\n'
sh "$here/evaluate.sh" "$program" "$work/lspet/images" "$work/lspet/labels.json" "$@"
printf '\nEveryday people, given boxes\n\n'
sh "$here/evaluate.sh" "$program" "$work/views/images" "$work/views/labels.json" "$@"
printf '\nVideo and space\n\n'
# shellcheck disable=SC2086
"$python" "$here/evaluate_video.py" "$program" --views "$work/views" $clips --models-dir "$models" "$@"
printf '\nDetectors, athletes\n\n'
detectors="np-det $models/efficientdet_lite0_int8.tflite $models/yolox_nano.onnx"
# shellcheck disable=SC2086
"$python" "$here/evaluate_det.py" "$program" "$work/lspet/images" "$work/lspet/labels.json" $detectors
printf '\nDetectors, everyday people\n\n'
# shellcheck disable=SC2086
"$python" "$here/evaluate_det.py" "$program" "$work/views/images" "$work/views/labels.json" --heights 400,600 --everybody $detectors
