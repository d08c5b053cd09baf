#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Outputs that nobody takes. Live mode: results are left out, counted and said, the run keeps its pace and ends. File mode: the run waits, nothing is lost.
. "$NEXTPOSE_SOURCE/tests/cli/lib.sh"
need_models
need_ffmpeg
[ -f "$CLIPS/tfjs_squats.mp4" ] || skip "no shared clips"
# 60 and 300 frames at 100 a second: more results than a pipe and the queue before it hold
ffmpeg -v error -y -i "$CLIPS/tfjs_squats.mp4" -vf "scale=180:-2,setpts=PTS/20,fps=100" -frames:v 60 -an -c:v libx264 -preset ultrafast "$T/c.mp4" || skip "this ffmpeg has no libx264"
ffmpeg -v error -y -stream_loop 4 -i "$T/c.mp4" -c copy "$T/long.mp4"
frames=$(frames_of "$T/c.mp4")
mkfifo "$T/nobody" "$T/slow" "$T/v.mp4"

# A named pipe that nobody opens, in live mode.
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/long.mp4" --live --view none --save-json "$T/nobody" --format csv --out "$T/o.csv" --stats-json "$T/s.jsonl" >"$T/stdout" 2>"$T/stderr" & pid=$!
n=0 # s/10
while kill -0 $pid 2>/dev/null && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done
if [ $n = 600 ]; then
    kill -9 $pid
    fail "a pipe that nobody reads holds up a live run"
fi
wait $pid
rc=$?
handled=$(sed -n 's/^done *\([0-9]*\) frames.*/\1/p' "$T/stdout")
[ "${handled:-0}" -gt 3 ] || fail "only '${handled:-}' frames handled beside a pipe that nobody reads: $(cat "$T/stdout" "$T/stderr")"
rows=$(tail -n +2 "$T/o.csv" | cut -d, -f1 | sort -u | wc -l)
[ "$rows" = "$handled" ] || fail "the other output suffered: $rows of $handled frames in the CSV"
if [ "$handled" -gt 40 ]; then # a slow machine may handle too few frames to fill the pipe
    equal $rc 1 "exit code after results were given up"
    equal "$(grep -c "nobody' is too slow: results are left out" "$T/stderr")" 1 "a slow output is said once"
    grep -q "results or pictures were left out" "$T/stderr" || fail "left-out results are not summed up"
    tail -n 1 "$T/s.jsonl" | grep -q '"outputs":{"dropped":[1-9]' || fail "left-out results are not counted: $(tail -n 1 "$T/s.jsonl")"
fi

# Ctrl-C in a live run whose reader has stopped reading, with a video and statistics that nobody reads.
sleep 60 <"$T/slow" & reader=$!
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/long.mp4" --live --view none --save-json "$T/slow" --save-video "$T/v.mp4" --stats-json "$T/nobody" \
    >"$T/stdout" 2>"$T/stderr" & pid=$!
sleep 3
kill -INT $pid
from=$(date +%s)
wait $pid
rc=$?
[ $rc = 130 ] || [ $rc = 1 ] || fail "exit code $rc of Ctrl-C with a reader that hangs"
[ $(($(date +%s) - from)) -lt 15 ] || fail "Ctrl-C took $(($(date +%s) - from)) s"
kill $reader
wait $reader 2>/dev/null

# A video through a named pipe is whole.
(cat "$T/v.mp4" >"$T/got.mp4") & reader=$!
quick -i "$T/c.mp4" -q --save-video "$T/v.mp4" >"$T/stdout" 2>"$T/stderr"
equal $? 0 "exit code of a video into a pipe"
wait $reader
equal "$(frames_of "$T/got.mp4")" "$(frames_of "$T/c.mp4")" "frames of a video through a pipe"

# File mode: a reader that starts late and reads slowly gets every line, although a Ctrl-C comes while it sleeps.
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/c.mp4" -q --save-json "$T/slow" >"$T/stdout" 2>"$T/stderr" & pid=$!
(
    exec 3<"$T/slow"
    sleep 2
    cat <&3 >"$T/got.jsonl"
) & reader=$!
wait $pid
equal $? 0 "exit code with a slow reader"
wait $reader
equal "$(grep -c '"frame"' "$T/got.jsonl")" "$frames" "lines that a slow reader got"
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/c.mp4" -q --save-json "$T/slow" >"$T/stdout" 2>"$T/stderr" & pid=$!
(
    exec 3<"$T/slow"
    sleep 3
    cat <&3 >"$T/got.jsonl"
) & reader=$!
sleep 2
kill -INT $pid
wait $pid
equal $? 130 "exit code of Ctrl-C with a slow reader"
wait $reader
python3 - "$T/got.jsonl" <<'EOF2' || fail "Ctrl-C lost what was finished: $(cat "$T/stderr")"
import json, sys
frames = [json.loads(l)["frame"] for l in list(open(sys.argv[1]))[1:]]
assert len(frames) >= 10 and frames == list(range(len(frames))), frames
EOF2
done_testing
