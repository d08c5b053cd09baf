#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make bench: us and the peers, interleaved, on this machine. Everything goes to results/ and is put together in docs/benchmarks.md.
#   engine     bench/peers/bench.py: each net against ONNX Runtime and LiteRT; start, memory, size
#   pipeline   bench/peers/live.py: 1, 4, 8 people against Python, live, MediaPipe
#   settings   nextpose bench pipeline: every preset and axis, for bench compare and bench trend
# BENCH_ONLY="engine pipeline settings": what to run. Uses ../shared.
set -eu
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build}")
venv=${NEXTPOSE_VENV:-$PWD/.venv-test}
only=${BENCH_ONLY:-engine pipeline settings}
if [ ! -x "$venv/bin/python" ] || ! cmp -s tests/requirements.txt "$venv/requirements.txt"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt "$venv/requirements.txt"
fi
shared=../shared
[ -d "$shared/models" ] || { echo "bench: needs ../shared (models, clips)" >&2; exit 77; }
np=$build/tools/nextpose
stamp=$(date -u +%Y-%m-%d)
mkdir -p results
case " $only " in *" engine "*)
    "$venv/bin/python" bench/peers/bench.py "$np" "$shared/models" "$shared/clips/p2s_multi_cam01.mp4" "$shared/clips/photos/pifpaf_000000081988.jpg" \
        --json "results/engine-$stamp.json" ${BENCH_ARGS:-} | tee results/engine.txt ;;
esac
case " $only " in *" pipeline "*)
    mp=${NEXTPOSE_MEDIAPIPE:-$PWD/.venv-mediapipe}
    if [ ! -x "$mp/bin/python" ]; then # MediaPipe wants an older NumPy than the other peers
        python3 -m venv "$mp" && "$mp/bin/pip" install --quiet --disable-pip-version-check mediapipe==0.10.21 || rm -rf "$mp"
    fi
    "$venv/bin/python" bench/peers/live.py "$np" "$shared/models" "$shared/clips" --json "results/live-$stamp.json" ${LIVE_ARGS:-} \
        $([ -x "$mp/bin/python" ] && echo "--mediapipe $mp/bin/python") | tee results/live.txt ;;
esac
case " $only " in *" settings "*)
    "$np" bench pipeline --models-dir "$shared/models" -i "$shared/clips/p2s_multi_cam01.mp4" --duration "${BENCH_SECONDS:-10}" --output "results/pipeline-$stamp.json" \
        --html results/pipeline.html --markdown results/pipeline.md ;;
esac
scripts/benchmarks.sh
