#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ctrl-C in mid run: exit code 130, video, JSON lines and COCO array complete and readable. kill -9: the video keeps its fragments.
. "$(dirname "$0")/lib.sh"
need_models
need_ffmpeg
ffmpeg -v error -f lavfi -i testsrc=s=320x240:r=30 -t 120 -pix_fmt yuv420p -g 30 "$T/long.mp4" || skip "this ffmpeg makes no clip"
start() { "$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/long.mp4" --save-video "$T/o.mp4" --save-json "$T/o.jsonl" "$@" >"$T/stdout" 2>"$T/stderr" & pid=$!; }
wait_lines() { # until the run has written $1 lines, 60 s at most
    n=0
    while [ ! -f "$T/o.jsonl" ] || [ "$(wc -l <"$T/o.jsonl")" -lt "$1" ]; do
        [ $n -lt 600 ] || break
        sleep 0.1
        n=$((n + 1))
    done
}
for sig in INT TERM; do
    rm -f "$T/o.jsonl"
    start --format coco --out "$T/o.json"
    wait_lines 12
    kill -$sig $pid
    wait $pid
    equal $? 130 "exit code after SIG$sig"
    grep -q "^interrupted" "$T/stdout" || fail "no summary after SIG$sig"
    python3 - "$T" <<'P' || fail "outputs are not readable after SIG$sig"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1] + "/o.jsonl")]
coco = json.load(open(sys.argv[1] + "/o.json"))
assert len(lines) >= 12 and [l["frame"] for l in lines[1:]] == list(range(len(lines) - 1))
assert len(coco) == sum(len(l["persons"]) for l in lines[1:]) > 0
P
    equal "$(frames_of "$T/o.mp4")" "$(($(wc -l <"$T/o.jsonl") - 1))" "video frames after SIG$sig"
done
# Pulled plug: fragments of two seconds (60 frames) are on disk.
rm -f "$T/o.jsonl"
start
wait_lines 160
kill -9 $pid
wait $pid 2>/dev/null
n=$(frames_of "$T/o.mp4")
[ "${n:-0}" -ge 60 ] || fail "only '${n:-0}' frames readable after kill -9"
done_testing
