#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Instructions executed (callgrind), not seconds: the same on a loaded machine. Fails when a workload takes more than 3 % more
# than tests/perf/instructions.txt says. After a change that is meant to cost or save: instructions.sh --update, and say why in the commit.
#   net NAME    one inference of a model, level avx2, one thread, loading not counted
#   frame       one photo of 5 people from decoded pixels to joints, two 8-bit nets, counted inside np_process
# valgrind computes each float FMA in a helper, fifty times slower than the rest: one small float net is all that a test can afford.
# The counts hold for one compiler (first line of the file); with another one the test is skipped by name.
set -eu
table=$NEXTPOSE_SOURCE/tests/perf/instructions.txt
NP=$NEXTPOSE_BUILD/tools/nextpose
shared=${NEXTPOSE_SHARED:-/nowhere}
skip() { echo "skipped: $*"; exit 77; }
command -v valgrind >/dev/null 2>&1 || skip "valgrind is not installed"
[ -f "$shared/models/yolox_nano.onnx" ] || skip "no shared models"
grep -q ' avx2 ' /proc/cpuinfo || skip "this machine has no AVX2"
if nm -D "$NP" "$NEXTPOSE_BUILD/src/libnextpose.so" 2>/dev/null | grep -qE '__(asan|tsan)_init'; then skip "a sanitizer build"; fi
compiler=$(strings -a "$NEXTPOSE_BUILD/src/libnextpose.so" | grep -m1 -E '^GCC: \(|^(Debian )?clang version' || echo unknown)
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT

# count FUNCTION command…: millions of instructions inside FUNCTION and what it calls
count() {
    inside=$1
    shift
    valgrind --tool=callgrind --callgrind-out-file="$T/out" --toggle-collect="$inside" "$@" >"$T/log" 2>&1 || { cat "$T/log" >&2; exit 1; }
    awk '/^totals:|^summary:/ {printf "%.2f\n", $2 / 1e6; exit}' "$T/out"
}
measure() {
    for m in pose_landmark_lite.tflite efficientdet_lite0_int8.tflite movenet_lightning_int8.tflite; do
        echo "net $m $(count np_session_run "$NP" bench model "$shared/models/$m" --runs 1 --warmup 0 --isa avx2)"
    done
    echo "frame $(count np_process "$NP" run --quiet --models-dir "$shared/models" -i "$shared/clips/photos/pifpaf_000000081988.jpg" \
        --no-async --model movenet_lightning_int8 --preset balanced --threads 1 --isa avx2 --save-json "$T/joints.jsonl")"
    [ "$(grep -o '"id"' "$T/joints.jsonl" | wc -l)" -ge 4 ] || { echo "the frame has lost its people" >&2; exit 1; }
}
measure >"$T/now"
if [ "${1:-}" = --update ]; then
    { echo "# $compiler"; echo "# millions of instructions; tests/perf/instructions.sh --update"; cat "$T/now"; } >"$table"
    cat "$table"
    exit 0
fi
[ "$(sed -n '1s/^# //p' "$table")" = "$compiler" ] || skip "the counts are of '$(sed -n '1s/^# //p' "$table")', this is '$compiler'"
awk -v limit=1.03 'NR == FNR { if ($0 !~ /^#/) { v = $NF; $NF = ""; was[$0] = v }; next }
    { v = $NF; $NF = ""; r = ($0 in was) ? v / was[$0] : 99; much = r > limit; bad += much
      printf("%-44s %10.2f M, was %10.2f M: %.3fx%s\n", $0, v, was[$0], r, much ? "  TOO MANY" : r < .97 ? "  (fewer: --update)" : "") }
    END { exit (bad > 0) }' "$table" "$T/now"
