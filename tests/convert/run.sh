#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: run.sh SCRIPT.py NEXTPOSE …: the script with the interpreter that has the peers. Exit 77: there is none.
python=${NEXTPOSE_PYTHON:-}
[ -n "$python" ] || { echo "skipped: NEXTPOSE_PYTHON does not name an interpreter with the packages of tests/requirements.txt"; exit 77; }
[ -x "$(command -v "$python")" ] || { echo "skipped: NEXTPOSE_PYTHON ($python) cannot be run"; exit 77; }
script=$1
shift
exec "$python" "$(dirname "$0")/$script" "$@"
