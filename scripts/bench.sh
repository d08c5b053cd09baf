#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make bench: us and the peers, interleaved, on this machine. Everything goes to results/ and is put together in docs/benchmarks.md.
#   engine     bench/peers/bench.py: each net against ONNX Runtime, OpenVINO, LiteRT and ncnn (BENCH_ARGS=--quick: a minute and a half), with a picture
#   command    bench/peers/command.py: a clip against the same models in Python; start, memory, size
#   pipeline   bench/peers/live.py: 1, 4, 8 people against Python, live, MediaPipe
#   settings   nextpose bench pipeline: every preset and axis, for bench compare and bench trend
# BENCH_ONLY="engine command pipeline settings": what to run. Uses ../shared. The peers' virtual environments (.venv-peers, .venv-mediapipe) are made here.
set -eu
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build}")
venv=${NEXTPOSE_VENV:-$PWD/.venv-test}
only=${BENCH_ONLY:-engine command pipeline settings}
case " $only " in *" command "* | *" pipeline "*) need=1 ;; *) need= ;; esac
if [ -n "$need" ] && { [ ! -x "$venv/bin/python" ] || { [ -z "${NEXTPOSE_VENV:-}" ] && ! cmp -s tests/requirements.txt "$venv/requirements.txt"; }; }; then
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
    peers=${NEXTPOSE_PEERS:-$PWD/.venv-peers}
    if [ ! -x "$peers/bin/python" ] || { [ -z "${NEXTPOSE_PEERS:-}" ] && ! cmp -s bench/peers/requirements.txt "$peers/requirements.txt"; }; then
        echo "bench: making $peers (ONNX Runtime, OpenVINO, LiteRT, ncnn)"
        python3 -m venv "$peers"
        # ncnn and pnnx name PyTorch and others for what is not used here; everything that is used is in the list.
        "$peers/bin/pip" install --quiet --disable-pip-version-check --no-deps ncnn==$(sed -n 's/^ncnn==//p' bench/peers/requirements.txt) \
            pnnx==$(sed -n 's/^pnnx==//p' bench/peers/requirements.txt) || echo "bench: no ncnn here; its rows will say so" >&2
        grep -v -E '^(ncnn|pnnx)==' bench/peers/requirements.txt >"$peers/others.txt"
        "$peers/bin/pip" install --quiet --disable-pip-version-check -r "$peers/others.txt"
        cp bench/peers/requirements.txt "$peers/requirements.txt"
    fi
    # A pipe to tee would hide the exit code.
    "$peers/bin/python" bench/peers/bench.py "$np" "$shared" --json "results/engine-$stamp" --svg docs/peers.svg ${BENCH_ARGS:-} >results/engine.txt.new && rc=0 || rc=$?
    cat results/engine.txt.new
    [ "$rc" = 0 ] || { echo "bench: a net of ours does not run or disagrees with the reference" >&2; exit "$rc"; }
    mv results/engine.txt.new results/engine.txt ;;
esac
case " $only " in *" command "*)
    "$venv/bin/python" bench/peers/command.py "$np" "$shared/models" "$shared/clips/p2s_multi_cam01.mp4" "$shared/clips/photos/pifpaf_000000081988.jpg" \
        --json "results/command-$stamp.json" | tee results/command.txt ;;
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
