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
# What a run has no use for is told, one line each; what a preset or the environment says, or what would change nothing, is not.
told() { expect 0 "" "$NP" run -q --log-level warn --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/one.ppm" --save-json "$T/o.jsonl" "$@"; sed 's/.*warning: //' "$T/stderr"; }
python3 -c "import sys; sys.stdout.buffer.write(b'P6 64 64 255 ' + bytes(64 * 64 * 3))" >"$T/one.ppm"
expect 0 'info: detector size 333: .*it runs at 320' "$NP" run -q --log-level info --models-dir "$MODELS" -i "$T/one.ppm" --model none --yolo-size 333 --save-json "$T/o.jsonl"
"$NP" run -q --log-level info --models-dir "$MODELS" -i "$T/one.ppm" --model none --yolo-size 320 --save-json "$T/o.jsonl" 2>&1 | grep "detector size" && fail "320 is 320"
equal "$(told --target-fps 20)" "--target-fps: only in live mode (--live)" "a rate for a file"
equal "$(told --max-delay 20)" "--max-delay: only in live mode (--live)" "a delay for a file"
equal "$(told --adapt)" "--adapt: only in live mode (--live)" "adaptation for a file"
equal "$(told --reconnect 3)" "--reconnect: only for cameras and streams, '$T/one.ppm' is none" "a file is not lost"
equal "$(told --no-adapt --target-fps 0 --max-delay 0 --reconnect no --preset quality)" "" "what changes nothing"
echo "max_delay = 30" >"$T/c.ini"
equal "$(told --config "$T/c.ini" | grep -v 'no config files')" "--max-delay: only in live mode (--live)" "of a config file"
equal "$(NEXTPOSE_TARGET_FPS=20 told)" "" "the environment is there for all runs"
if ! "$NP" run -i x --view web 2>&1 | grep -q "no web server"; then
    equal "$(told --web-port 0)" "--web-port: only with --view web" "a port of no page"
    equal "$(told --web-bind 127.0.0.1)" "--web-bind: only with --view web or --metrics-port" "an address of no page"
    equal "$(told --web-token 12345678)" "--web-token: only with --view web or --metrics-port" "a token of no page"
    equal "$(told --metrics-port 0 --web-token 12345678 | grep -c 'only with')" 0 "a token of /metrics"
    expect 2 "'no address' is no address" "$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/one.ppm" --view web --web-port 0 --web-bind "no address"
fi
done_testing
