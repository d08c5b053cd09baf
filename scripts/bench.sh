#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make bench: us and the peers, interleaved, on this machine (bench/peers/bench.py). Uses ../shared where it is, else the installed default models.
set -eu
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build}")
venv=${NEXTPOSE_VENV:-$PWD/.venv-test}
if [ ! -x "$venv/bin/python" ] || ! cmp -s tests/requirements.txt "$venv/requirements.txt"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt "$venv/requirements.txt"
fi
shared=../shared
[ -d "$shared/models" ] || { echo "bench: needs ../shared (models, clips)" >&2; exit 77; }
exec "$venv/bin/python" bench/peers/bench.py "$build/tools/nextpose" "$shared/models" "$shared/clips/p2s_multi_cam01.mp4" "$shared/clips/photos/pifpaf_000000081988.jpg" \
    --json "$build/bench.json" ${BENCH_ARGS:-}
