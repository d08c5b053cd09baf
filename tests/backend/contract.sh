#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each plug-in held against the interface and against our own engine, with the library of the wheel in the peers' virtual environment:
#   contract.sh CONTRACT PLUGIN-FOLDER NAME PATTERN FORMAT BOUND      PATTERN: of the library in site-packages
set -eu
contract=$1 plugins=$2 name=$3 pattern=$4 format=$5 bound=$6
[ -x "${NEXTPOSE_PYTHON:-}" ] || { echo "SKIP: no virtual environment with the peers (NEXTPOSE_PYTHON)"; exit 77; }
site=$("$NEXTPOSE_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
library=$(ls "$site"/$pattern 2>/dev/null | sort -V | tail -n 1)
[ -n "$library" ] || { echo "SKIP: $name: no $pattern in $site"; exit 77; }
module=$plugins/np_backend_$name.so
[ -e "$module" ] || { echo "SKIP: $name: the plug-in is not in this build"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
here=$(dirname "$0")
reference= shape=
case $format in
onnx) model=$tmp/xs.onnx; "$NEXTPOSE_PYTHON" "$here/../ref/make_convnextpose.py" xs "$model" ;;
tflite)
    model=${NEXTPOSE_SHARED:-/nonexistent}/models/pose_landmark_lite.tflite
    [ -f "$model" ] || { echo "SKIP: $name: no ../shared/models for a .tflite"; exit 77; } ;;
torch)
    reference=$tmp/xs.onnx model=$tmp/xs.pt shape=--shape=1,3,256,256
    "$NEXTPOSE_PYTHON" "$here/../ref/make_convnextpose.py" xs "$reference"
    "$NEXTPOSE_PYTHON" "$here/../ref/make_torchscript.py" "$reference" "$model" ;;
esac
"$contract" $shape "$module" "$library" "$model" "$format" "$bound" $reference
"$contract" --one-processor $shape "$module" "$library" "$model" "$format" "$bound" $reference
