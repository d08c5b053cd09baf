#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# --reconnect: a network camera that restarts, one that stays away, one that is not there to begin with; Ctrl-C while it is waited for.
. "$NEXTPOSE_SOURCE/tests/cli/lib.sh"
need_models
need_ffmpeg
command -v python3 >/dev/null 2>&1 || skip "no python3"
[ -f "$CLIPS/tfjs_squats.mp4" ] || skip "no shared clips"
server=
cleanup() { [ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$T"; }
ffmpeg -v error -y -i "$CLIPS/tfjs_squats.mp4" -t 4 -vf scale=360:-2,fps=10 -an -c:v libx264 -preset veryfast -bf 0 -g 10 -f mpegts "$T/c.ts" || skip "this ffmpeg has no libx264"
# serve [PORT]: a camera for 2 s; sets $url, $port
serve() {
    : >"$T/server"
    "$NEXTPOSE_SOURCE/tests/cli/rtsp_server.py" "$T/c.ts" 2 close "$@" >"$T/server" 2>&1 & server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -s "$T/server" ] && break; sleep 0.25; done
    port=$(head -n 1 "$T/server")
    url=rtsp://127.0.0.1:$port/x
}
# until PATTERN FILE: 40 s at most
until_there() {
    n=0
    while ! grep -q "$1" "$2" 2>/dev/null; do
        [ $n -lt 400 ] || { fail "no '$1' in $2 after 40 s: $(cat "$T/stderr")"; return; }
        sleep 0.1
        n=$((n + 1))
    done
}
# start FLAGS…: sets $pid, of the program itself, so that signals reach it. What the run before it said is emptied here: until_there may look
# before the new process has opened its files, and a SIGINT sent then is lost.
start() { : >"$T/stderr" >"$T/s.jsonl"; "$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite --view none -i "$url" --save-json "$T/o.jsonl" --stats-json "$T/s.jsonl" "$@" >"$T/stdout" 2>"$T/stderr" & pid=$!; }
watch() { start "$@"; wait $pid; }

# It restarts.
serve
start --reconnect yes --out "$T/o.csv" --save-images "$T/img"
wait "$server"
until_there "trying again" "$T/stderr"
until_there '"state":"lost"' "$T/s.jsonl"
serve "$port"
until_there '"gap"' "$T/o.jsonl"
sleep 1
kill -INT $pid
wait $pid
equal $? 130 "exit code after a return"
wait "$server" 2>/dev/null
server=
equal "$(grep -c 'was lost after' "$T/stderr")" "$(grep -c 'trying again' "$T/stderr")" "a loss is said once"
equal "$(grep -c 'is there again after' "$T/stderr")" 1 "the return is said once"
python3 - "$T/o.jsonl" "$T/s.jsonl" <<'EOF2' || fail "the gap in the JSON lines"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])][1:]
at = [i for i, l in enumerate(lines) if "gap" in l]
assert len(at) == 1, at
gap, before, after = lines[at[0]]["gap"], lines[at[0] - 1], lines[at[0] + 1]
assert before["frame"] < gap["before_frame"] <= after["frame"], (before["frame"], gap, after["frame"])
assert gap["seconds"] > 0.4 and "was lost" in gap["reason"], gap
assert after["time_s"] - before["time_s"] >= gap["seconds"] * 0.9, "the clock stood still meanwhile"
frames = [l for l in lines if "frame" in l]
assert all(a["frame"] < b["frame"] and a["time_s"] < b["time_s"] for a, b in zip(frames, frames[1:])), "numbers or times go back"
assert frames[-1]["persons"], "nobody after the return"
stats = [json.loads(l) for l in open(sys.argv[2])]
assert stats[-1]["source"]["reconnects"] == 1, stats[-1]["source"]
EOF2
python3 - "$T" <<'EOF2' || fail "the gap in CSV and pictures"
import csv, glob, json, os, subprocess, sys
T = sys.argv[1]
lines = [json.loads(l) for l in open(T + "/o.jsonl")][1:]
gap = [l["gap"] for l in lines if "gap" in l][0]
rows = list(csv.DictReader(open(T + "/o.csv")))
marked = [r for r in rows if r["gap_s"]]
assert list(rows[0])[-1] == "gap_s" and all(None not in r and None not in r.values() for r in rows)
assert len(marked) == 1 and abs(float(marked[0]["gap_s"]) - gap["seconds"]) < 0.002, (marked, gap)
after = [r for r in rows if int(r["frame"]) >= gap["before_frame"]]
assert marked[0] is after[0], "not on the first row after it"
time = {l["frame"]: l["time_s"] for l in lines if "frame" in l}
seen = set()
for path in sorted(glob.glob(T + "/img/*.jpg")):
    t = time[int(os.path.basename(path)[:-4].split("_")[-1])]
    if gap["time_s"] + 0.9 < t < gap["time_s"] + 1.1: continue
    # Signs of white dots on a dark ground at the top left, "gap N.N s": seven dots high.
    px = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-vf", "crop=54:9:2:2,format=gray", "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    text = sum(p > 190 for p in px) > 40 and sum(p < 110 for p in px) > 150
    within = gap["time_s"] <= t < gap["time_s"] + 1
    assert text == within, (path, t, gap, sum(p > 190 for p in px), sum(p < 110 for p in px))
    seen.add(within)
assert False in seen, "no pictures before the gap"
if True not in seen: print("the mark in pictures: not looked at, this machine was too slow to draw one within the second")
EOF2

# It stays away: exit code 4, what came before is there.
serve
watch --reconnect 2
equal $? 4 "exit code of a stream that stays away"
wait "$server"
server=
grep -q "was lost after .*; not back after 2 tries" "$T/stderr" || fail "not said: $(cat "$T/stderr")"
[ "$(grep -c '"frame"' "$T/o.jsonl")" -gt 3 ] || fail "the frames before the loss are missing"

# Ctrl-C while it is away.
serve
start --reconnect yes
until_there "trying again" "$T/stderr"
kill -INT $pid
from=$(date +%s)
wait $pid
equal $? 130 "exit code of Ctrl-C while the stream is away"
[ $(($(date +%s) - from)) -lt 8 ] || fail "Ctrl-C took $(($(date +%s) - from)) s"
wait "$server" 2>/dev/null
server=

# Not there to begin with: waited for only when asked; a file never.
url=97
watch
equal $? 4 "exit code of a missing camera"
grep -q "camera /dev/video97 not found" "$T/stderr" || fail "a missing camera: $(cat "$T/stderr")"
watch --reconnect 1
equal $? 4 "exit code of a camera that does not come"
grep -q "camera /dev/video97 not found.*trying again" "$T/stderr" && grep -q "not back after 1 try" "$T/stderr" || fail "a camera that does not come: $(cat "$T/stderr")"
expect 4 "cannot open '$T/none.mp4'" "$NP" run -i "$T/none.mp4" --reconnect yes
expect 2 "neither a number of tries" "$NP" run -i x --reconnect soon
done_testing
