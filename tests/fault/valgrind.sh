#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# memcheck on a short run of the whole command (level avx2, which valgrind knows): no invalid access, nothing uninitialised, nothing lost.
. "$NEXTPOSE_SOURCE/tests/cli/lib.sh"
need_models
need_ffmpeg
command -v valgrind >/dev/null 2>&1 || skip "valgrind is not installed"
grep -q ' avx2 ' /proc/cpuinfo || skip "this machine has no AVX2"
nm -D "$NP" "$NEXTPOSE_BUILD/src/libnextpose.so" 2>/dev/null | grep -qE '__(asan|tsan)_init' && skip "a sanitizer build"
[ -f "$CLIPS/p2s_multi_cam03.mp4" ] || skip "no shared clips"
ffmpeg -v error -i "$CLIPS/p2s_multi_cam03.mp4" -vf scale=270:-2 -frames:v 3 -an -c:v mpeg4 "$T/c.mp4"
valgrind --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect --num-callers=20 --log-file="$T/memcheck" \
    "$NP" run -q -i "$T/c.mp4" --models-dir "$MODELS" --detector efficientdet_lite0_int8 --model movenet_lightning_int8 --isa avx2 \
    --threads 2 --smooth zero-lag --save-json "$T/o.jsonl" --out "$T/o.csv" --save-images "$T/pics" >"$T/stdout" 2>"$T/stderr"
equal $? 0 "exit code under valgrind: $(tail -n 60 "$T/memcheck")"
equal "$(wc -l <"$T/o.jsonl")" 4 "lines"
done_testing
