#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: peers.sh RUN_MODEL [--small]: peers.py with the interpreter that has ONNX Runtime and LiteRT. Exit 77: there is none.
python=${NEXTPOSE_PYTHON:-}
[ -n "$python" ] || { echo "skipped: NEXTPOSE_PYTHON does not name an interpreter with the packages of tests/requirements.txt"; exit 77; }
[ -x "$(command -v "$python")" ] || { echo "skipped: NEXTPOSE_PYTHON ($python) cannot be run"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/pics"
"$python" -B "$(dirname "$0")/peers.py" "$NEXTPOSE_BUILD/tools/nextpose" "$1" "$tmp" ${2:-}
