#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: run.sh SCRIPT.py [ARGUMENT ...]: the script with an interpreter that has PyTorch, in a folder of its own. Exit 77: there is none.
here=$(cd "$(dirname "$0")" && pwd)
python=${NEXTPOSE_PYTHON:-}
[ -n "$python" ] || { echo "skipped: NEXTPOSE_PYTHON does not name an interpreter with the packages of tests/requirements*.txt"; exit 77; }
[ -x "$(command -v "$python")" ] || { echo "skipped: NEXTPOSE_PYTHON ($python) cannot be run"; exit 77; }
"$python" -c "import cv2, importlib.util as u, sys; sys.exit(not u.find_spec('torch'))" || { echo "skipped: no PyTorch in $python"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$python" -B "$here/../../train/cpu_torch.py" "$tmp/gpu" >/dev/null || { echo "skipped: no compiler for PyTorch's missing GPU libraries"; exit 77; }
export LD_LIBRARY_PATH="$tmp/gpu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" PYTHONPATH="$here/../../train" OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
"$python" -c "import torch" 2>"$tmp/why" || { echo "skipped: PyTorch cannot be imported: $(tail -n 1 "$tmp/why")"; exit 77; }
script=$1
shift
mkdir "$tmp/work"
"$python" "$here/$script" "$tmp/work" "$@"
