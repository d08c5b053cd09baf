#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Flags of speed and smoothing: what skipping does to the output and to the summary, environment twins, aliases, refusals.
set -u
. "$NEXTPOSE_SOURCE/tests/cli/lib.sh"
need_models
clip="$CLIPS/tfjs_squats.mp4" # 5 frames a second
fast="$CLIPS/p2s_multi_cam01.mp4" # 60
[ -f "$clip" ] || skip "no shared clips"

sources() { tail -n +2 "$1" | grep -o '"source":"[a-z]*"' | sort | uniq -c | tr -s ' \n' ' '; }
key() { grep -o "\"$2\":[^,}]*" "$1" | head -n 1 | cut -d: -f2; }

# At 60 frames a second two frames are 33 ms: every second pose is propagated and says how old it is.
expect 0 '' quick -i "$fast" --frame-skip 2 --save-json "$T/skip.jsonl" --json-summary
cp "$T/stdout" "$T/summary"
equal "$(sources "$T/skip.jsonl")" ' 50 "source":"inferred" 50 "source":"propagated" ' "sources with --frame-skip 2"
grep -q '"source":"propagated","age":1,"age_ms":16.7' "$T/skip.jsonl" || fail "no age beside a propagated pose"
equal "$(key "$T/summary" frames)" 100 "frames"
equal "$(key "$T/summary" frames_propagated)" 50 "frames_propagated"
equal "$(key "$T/summary" pose_hits)" 50 "pose_hits"
equal "$(key "$T/summary" frame_skip)" 2 "frame_skip"
expect 0 '' env NEXTPOSE_FRAME_SKIP=2 "$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$fast" --no-async --batch-size 8 --save-json "$T/twin.jsonl" -q
cmp -s "$T/skip.jsonl" "$T/twin.jsonl" || fail "--no-async and a batch change the joints"

# At 5 frames a second a pose of the frame before is 200 ms old: too old for 0.1 s, so it is inferred.
expect 0 '' quick -i "$clip" --frame-skip 3 --pose-timeout 0.1 --save-json "$T/old.jsonl" -q
equal "$(sources "$T/old.jsonl")" ' 65 "source":"inferred" ' "sources with a time-out shorter than a frame"

# Smoothing over whole tracks: the same people, other joints.
expect 0 '' quick -i "$clip" --smooth none --save-json "$T/raw.jsonl" -q
expect 0 '' quick -i "$clip" --smooth zero-lag:1 --save-json "$T/lag.jsonl" -q
equal "$(wc -l <"$T/lag.jsonl")" "$(wc -l <"$T/raw.jsonl")" "lines with zero-lag"
cmp -s "$T/raw.jsonl" "$T/lag.jsonl" && fail "zero-lag changes nothing"
expect 2 'zero-lag looks ahead' quick -i "$clip" --smooth zero-lag --live
expect 2 "none of none, one-euro" quick -i "$clip" --smooth box

# Names, ranges
expect 0 '' "$NP" run --det-interval 3 --thread-pool-size 2 --frame-skip auto --print-config
grep -qE '^detection-freq += 3 ' "$T/stdout" || fail "--det-interval is not --detection-freq"
grep -qE '^threads += 2 ' "$T/stdout" || fail "--thread-pool-size is not --threads"
expect 2 'frame-skip: 6 is outside of 1 to 5' "$NP" run -i x --frame-skip 6
expect 2 'neither a whole number nor auto' "$NP" run -i x --detection-freq often
expect 2 'pose-timeout: 1 is outside' "$NP" run -i x --pose-timeout 1
done_testing
