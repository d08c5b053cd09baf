#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# --smooth zero-lag: the same frames and people as without, joints that tremble less and do not trail, in every output; Ctrl-C loses nothing; what cannot be is said.
. "$(dirname "$0")/lib.sh"
need_models
need_ffmpeg
[ -f "$CLIPS/p2s_multi_cam03.mp4" ] || skip "no shared clips"
ffmpeg -v error -i "$CLIPS/p2s_multi_cam03.mp4" -vf scale=270:-2 -frames:v 60 -an -c:v libx264 -preset ultrafast "$T/c.mkv" || skip "this ffmpeg has no libx264"
quick -q -i "$T/c.mkv" --smooth none --save-json "$T/raw.jsonl" || fail "without smoothing"
expect 0 "" quick -q -i "$T/c.mkv" --smooth zero-lag --save-json "$T/o.jsonl" --format csv --out "$T/o.csv" --save-video "$T/o.mp4" --save-images "$T/pics"
equal "$(frames_of "$T/o.mp4") $(ls "$T/pics" | wc -l)" "60 60" "frames of the video, pictures"
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -q -i - --smooth zero-lag --no-async --save-json "$T/pipe.jsonl" <"$T/c.mkv" 2>"$T/stderr" || fail "a recording through a pipe: $(cat "$T/stderr")"
python3 - "$T" <<'P' || fail "zero-lag smoothing"
import csv, json, sys
load = lambda n: [json.loads(l) for l in open(f"{sys.argv[1]}/{n}.jsonl")][1:]
raw, out, pipe = load("raw"), load("o"), load("pipe")
assert [[p["keypoints"] for p in f["persons"]] for f in pipe] == [[p["keypoints"] for p in f["persons"]] for f in out], "other joints from a pipe"
strip = lambda f: [f["frame"], f["time_s"], [[p["id"], p["score"], p["source"], p["age"], p["box"], len(p["keypoints"])] for p in f["persons"]]]
assert [strip(f) for f in raw] == [strip(f) for f in out], "other frames or people than without smoothing"
rows = list(csv.reader(open(sys.argv[1] + "/o.csv")))[1:]
assert len(rows) == sum(len(f["persons"]) for f in out) > 50
assert abs(float(rows[0][11]) - out[0]["persons"][0]["keypoints"][0][0]) < .011
joints = lambda fs: [[k[:2] for k in f["persons"][0]["keypoints"]] if f["persons"] and f["persons"][0]["keypoints"] else None for f in fs]
def jitter(j):
    s = [abs(a[k][c] - 2 * b[k][c] + d[k][c]) for a, b, d in zip(j, j[1:], j[2:]) if a and b and d for k in range(len(b)) for c in (0, 1)]
    return sum(s) / len(s)
r, o = joints(raw), joints(out)
assert [x is None for x in r] == [x is None for x in o]
print("jitter", jitter(r), jitter(o))
assert jitter(o) < .3 * jitter(r)
# The raw joints lie as near to the smoothed ones before as after: nothing trails. A lag of a frame would make the two differ.
def off(lag):
    s = [abs(o[i][k][c] - r[i + lag][k][c]) for i in range(5, 55) if o[i] and r[i + lag] for k in range(len(o[i])) for c in (0, 1)]
    return sum(s) / len(s)
print("distance to raw", [round(off(l), 3) for l in (-2, -1, 0, 1, 2)])
assert off(0) <= min(off(-1), off(1)) and abs(off(-1) - off(1)) < .25 * off(1)
P
[ "$failures" = 0 ] || cat "$T/stderr"
# What cannot look ahead.
expect 2 "zero-lag looks ahead" quick -q -i "$T/c.mkv" --live --smooth zero-lag
expect 2 "pictures have none" quick -q -i "$CLIPS/photos" --smooth zero-lag
expect 2 "smooth: 'zero-lag:x'" quick -q -i "$T/c.mkv" --smooth zero-lag:x
expect 2 "is below" quick -q -i "$T/c.mkv" --smooth zero-lag:0.01 --save-json "$T/no.jsonl"
expect 2 "higher cut-off" quick -q -i "$CLIPS/p2s_multi_cam03.mp4" --smooth zero-lag:0.1 --save-video "$T/no.mp4"
[ ! -e "$T/no.jsonl" ] && [ ! -e "$T/no.mp4" ] || fail "an output of a run that could not be"
# Ctrl-C: what was read so far is smoothed and written, everywhere the same frames.
ffmpeg -v error -f lavfi -i testsrc=s=320x240:r=30 -t 120 -pix_fmt yuv420p -g 30 "$T/long.mp4"
"$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$T/long.mp4" --smooth zero-lag --save-video "$T/o.mp4" --save-json "$T/int.jsonl" >"$T/stdout" 2>"$T/stderr" & pid=$!
n=0
while [ "$(cat "$T/int.jsonl" 2>/dev/null | wc -l)" -lt 12 ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done
kill -INT $pid
wait $pid
equal $? 130 "exit code after Ctrl-C"
handled=$(sed -n 's/^interrupted *\([0-9]*\) frames.*/\1/p' "$T/stdout")
equal "$(frames_of "$T/o.mp4") $(($(wc -l <"$T/int.jsonl") - 1))" "$handled $handled" "frames of video and JSON after Ctrl-C"
done_testing
