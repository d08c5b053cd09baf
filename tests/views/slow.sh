#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Outputs that nobody takes. Live mode: results are left out, counted and said, the run keeps its pace and ends. File mode: the run waits, nothing is lost.
. "$NEXTPOSE_SOURCE/tests/cli/lib.sh"
need_models
need_ffmpeg
[ -f "$CLIPS/tfjs_squats.mp4" ] || skip "no shared clips"
frames=60
ffmpeg -v error -y -i "$CLIPS/tfjs_squats.mp4" -vf "scale=180:-2,setpts=PTS/20,fps=100" -frames:v $frames -an -c:v libx264 -preset ultrafast "$T/c.mp4" || skip "this ffmpeg has no libx264"
ffmpeg -v error -y -stream_loop 4 -i "$T/c.mp4" -c copy "$T/long.mp4"
frames=$(frames_of "$T/c.mp4")
mkfifo "$T/nobody" "$T/slow" "$T/v.mp4"

# A named pipe that nobody opens, in live mode: the run goes on, however slow its inference, until there are more bytes than a pipe (64 kB) and the queue before it
# (16 results) hold. The same results go into a file, which tells how many there are.
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "loop:$T/long.mp4" --live --view none --save-json "$T/nobody" --format jsonl --out "$T/o.jsonl" --stats-json "$T/s.jsonl" >"$T/stdout" 2>"$T/stderr" & pid=$!
bytes() { if [ -s "$T/o.jsonl" ]; then wc -c <"$T/o.jsonl"; else echo 0; fi; }
a_result() { tail -n 1 "$T/o.jsonl" | wc -c; }
n=0 # s/5
while kill -0 $pid 2>/dev/null && [ $n -lt 900 ] && { [ "$(bytes)" = 0 ] || [ "$(bytes)" -lt $((65536 + 20 * $(a_result))) ]; }; do sleep 0.2; n=$((n + 1)); done
[ $n -lt 900 ] || fail "a pipe that nobody reads holds up a live run: $(bytes) bytes of the other output after three minutes"
sleep 2 # a line of statistics
kill -INT $pid
n=0
while kill -0 $pid 2>/dev/null && [ $n -lt 300 ]; do sleep 0.2; n=$((n + 1)); done
if [ $n = 300 ]; then
    kill -9 $pid
    fail "a pipe that nobody reads holds up the end of a live run"
fi
wait $pid
equal $? 130 "exit code of a live run that was stopped"
handled=$(sed -n 's/^interrupted *\([0-9]*\) frames.*/\1/p' "$T/stdout")
equal "$(grep -c '"frame"' "$T/o.jsonl")" "$handled" "results in the other output"
equal "$(grep -c "nobody' is too slow: results are left out" "$T/stderr")" 1 "a slow output is said once"
grep -q "results or pictures were left out" "$T/stderr" || fail "left-out results are not summed up"
grep -q "^failed *1 output" "$T/stdout" || fail "an output that was given up is not summed up: $(cat "$T/stdout")"
tail -n 1 "$T/s.jsonl" | grep -q '"outputs":{"dropped":[1-9]' || fail "left-out results are not counted: $(tail -n 1 "$T/s.jsonl")"

# The same with a clip that ends: an output that failed is exit code 1.
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/long.mp4" --live --view none --save-json "$T/nobody" >"$T/stdout" 2>"$T/stderr"
rc=$?
handled=$(sed -n 's/^done *\([0-9]*\) frames.*/\1/p' "$T/stdout")
full=0 # a slow machine may handle too few frames of it
[ $((${handled:-0} * $(a_result))) -lt $((65536 + 20 * $(a_result))) ] || full=1
[ $rc = 1 ] || [ $full.$rc = 0.0 ] || fail "exit code $rc after results were given up, $handled frames"

# Ctrl-C in a live run whose reader has stopped reading, with a video and statistics that nobody reads.
sleep 60 <"$T/slow" & reader=$!
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/long.mp4" --live --view none --save-json "$T/slow" --save-video "$T/v.mp4" --stats-json "$T/nobody" \
    >"$T/stdout" 2>"$T/stderr" & pid=$!
wait_for() { n=0; while kill -0 $pid 2>/dev/null && [ $n -lt 600 ] && ! "$@"; do sleep 0.2; n=$((n + 1)); done; }
started() { [ "$(ls "/proc/$pid/task" 2>/dev/null | wc -l)" -gt 4 ]; } # reader, lane, writers
wait_for started
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
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/c.mp4" -q --save-json "$T/slow" --stats-json "$T/s2.jsonl" >"$T/stdout" 2>"$T/stderr" & pid=$!
(
    exec 3<"$T/slow"
    n=0
    while [ ! -e "$T/read" ] && [ $n -lt 1000 ]; do sleep 0.2; n=$((n + 1)); done
    cat <&3 >"$T/got.jsonl"
) & reader=$!
a_dozen() { [ "$(tail -n 1 "$T/s2.jsonl" 2>/dev/null | sed -n 's/.*"frames":{[^}]*"processed":\([0-9]*\).*/\1/p' | grep -c '^[0-9][0-9]')" = 1 ]; } # ten and more frames are through
wait_for a_dozen
sleep 1
kill -INT $pid
sleep 1
: >"$T/read"
wait $pid
equal $? 130 "exit code of Ctrl-C with a slow reader"
wait $reader
python3 - "$T/got.jsonl" <<'EOF2' || fail "Ctrl-C lost what was finished: $(cat "$T/stderr")"
import json, sys
frames = [json.loads(l)["frame"] for l in list(open(sys.argv[1]))[1:]]
assert len(frames) >= 10 and frames == list(range(len(frames))), frames
EOF2
done_testing
