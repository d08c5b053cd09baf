#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: tflite_ops.sh PROGRAM LISTS: unpacks the TFLite conformance cases and runs them all. Exit 77: no data here.
data=$NEXTPOSE_SHARED/conformance
for f in tflite-ops tflite-int16x8; do
    [ -r "$data/$f.tar.xz" ] || { echo "skipped: $data/$f.tar.xz is not there"; exit 77; }
done
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
for f in tflite-ops tflite-int16x8; do
    tar -C "$dir" -xJf "$data/$f.tar.xz" || { echo "skipped: $f.tar.xz cannot be unpacked (tar and xz are needed)"; exit 77; }
done
"$1" --lists "$2" "$dir"
