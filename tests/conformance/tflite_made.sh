#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: tflite_made.sh TFLITE_OPS: tflite_made.py with the interpreter that has LiteRT. Exit 77: there is none.
python=${NEXTPOSE_PYTHON:-}
[ -n "$python" ] || { echo "skipped: NEXTPOSE_PYTHON does not name an interpreter with the packages of tests/requirements.txt"; exit 77; }
[ -x "$(command -v "$python")" ] || { echo "skipped: NEXTPOSE_PYTHON ($python) cannot be run"; exit 77; }
exec "$python" "$(dirname "$0")/tflite_made.py" "$@"
