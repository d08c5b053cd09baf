#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Twenty seconds of scripts/soak.sh: threads and open files stay the same while viewers come and go, memory does not run away. The real one takes 30 minutes.
. "$NEXTPOSE_SOURCE/tests/cli/lib.sh"
need_models
[ -f "$CLIPS/p2s_multi_cam03.mp4" ] || skip "no shared clips"
command -v curl >/dev/null 2>&1 || skip "no curl"
"$NP" run --help | grep -q -- --view || skip "no web view"
# Somebody is in view from the first frame, nothing adapts: what the run needs is there at once. Sanitizers keep what was freed.
nm -D "$NP" "$NEXTPOSE_BUILD/src/libnextpose.so" 2>/dev/null | grep -qE '__(asan|tsan)_init' && export SOAK_MEMORY=no
SOAK_OUT=$T/soak "$NEXTPOSE_SOURCE/scripts/soak.sh" 0.35 "$CLIPS/p2s_multi_cam03.mp4" --no-adapt --model blazepose_lite --log-level error >"$T/log" 2>&1 || fail "the short soak: $(cat "$T/log" "$T/soak/stderr" | tail -n 30)"
grep "memory_kb\|threads \|open_files" "$T/log"
done_testing
