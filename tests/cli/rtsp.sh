#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A network camera, played by rtsp_server.py on 127.0.0.1: frames with people, then every way in which such a stream ends.
. "$(dirname "$0")/lib.sh"
need_models
need_ffmpeg
command -v python3 >/dev/null 2>&1 || skip "no python3"
server=
cleanup() { [ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$T"; }
clip=$CLIPS/bench_p2s_4up_1280x720.mp4 # 100 frames, ten people
[ -f "$clip" ] || skip "no shared clips"
ffmpeg -v error -y -i "$clip" -vf scale=960:-2,fps=15 -an -c:v libx264 -preset veryfast -bf 0 -g 15 -f mpegts "$T/c.ts" ||
    skip "this ffmpeg has no libx264"
sent=$(frames_of "$T/c.ts" | head -n 1) # a program's streams are listed twice
# serve ENDING: starts the server, sets $url
serve() {
    : >"$T/server"
    "$(dirname "$0")/rtsp_server.py" "$T/c.ts" 1.7 "$1" >"$T/server" 2>&1 & server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -s "$T/server" ] && break; sleep 0.25; done
    port=$(head -n 1 "$T/server")
    url=rtsp://127.0.0.1:$port/x
}
served() {
    wait "$server" || fail "the server failed: $(cat "$T/server")"
    server=
}
watch() { "$NP" run --models-dir "$MODELS" --model blazepose_lite --every-frame -i "$url" --save-json "$T/o.jsonl" "$@"; }
# people WHAT: every line is whole JSON; as many frames as were sent, and people with joints in most. The last frame may
# be missing: in MPEG-TS only the start of the next one tells that a frame is whole.
people() {
    python3 - "$T/o.jsonl" "$sent" <<'EOF' || fail "the JSON of $1"
import json, sys
frames = [json.loads(line) for line in open(sys.argv[1])][1:]
sent = int(sys.argv[2])
n = [sum(1 for p in f["persons"] if len(p["keypoints"]) == 33) for f in frames]
assert sent - 1 <= len(frames) <= sent, (len(frames), sent)
assert sum(1 for k in n if k >= 2) > len(n) / 2, n
assert all(len(p["keypoints"]) in (0, 33) for f in frames for p in f["persons"]), "keypoints"
EOF
}
# The camera goes away: exit code 4 and one line, but all that came is in the outputs.
serve close
expect 4 "'$url' was lost after ($((sent - 1))|$sent) frames: the other side ended it" watch -q --save-video "$T/o.mp4"
served
people "a lost stream"
equal "$(frames_of "$T/o.mp4")" "$(($(wc -l <"$T/o.jsonl") - 1))" "frames of the video of a lost stream"
grep -q "^SETUP RTP/AVP/TCP" "$T/server" || fail "not asked for over TCP: $(cat "$T/server")"
# A recording that comes to its announced end.
serve bye
expect 0 "" watch -q
served
equal "$(cat "$T/stderr")" "" "stderr of a recording"
people "a recording"
# Silence: Ctrl-C does not have to wait for the time-out. First all that came is worked through, which keeps a slow machine busy for longer than the server sends;
# what is inside comes out after a Ctrl-C, and that is not what is timed here.
serve stall
"$NP" run --models-dir "$MODELS" --model blazepose_lite --every-frame -i "$url" >"$T/stdout" 2>"$T/stderr" & pid=$!
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat" 2>/dev/null || echo 0; }
n=0 idle=0
while kill -0 "$pid" 2>/dev/null && [ $n -lt 400 ] && [ $idle -lt 2 ]; do
    from=$(ticks)
    sleep 0.5
    idle=$((idle + 1)) n=$((n + 1))
    grep -q SENT "$T/server" && [ $(($(ticks) - from)) -le 2 ] || idle=0
done
[ $n -lt 400 ] || fail "still busy: $(cat "$T/stderr" "$T/server")"
kill -INT "$pid"
from=$(date +%s)
wait "$pid"
equal $? 130 "exit code of Ctrl-C in the silence"
[ $(($(date +%s) - from)) -lt 8 ] || fail "Ctrl-C took $(($(date +%s) - from)) s"
served
# A server that never answers; one that is not there any more.
rm -f "$T/o.jsonl"
serve mute
expect 4 "cannot open '$url': no answer in time" watch
served
expect 4 "cannot open '$url': Connection refused" watch
[ ! -e "$T/o.jsonl" ] || fail "an output was made although nothing could be opened"
done_testing
