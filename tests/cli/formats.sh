#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each output format is what its readers expect, and they agree with each other; the same run gives the same bytes; the summaries.
. "$(dirname "$0")/lib.sh"
need_models
need_ffmpeg
[ -f "$CLIPS/tfjs_squats.mp4" ] || skip "no shared clips"
ffmpeg -v error -y -i "$CLIPS/tfjs_squats.mp4" -frames:v 6 -vf scale=240:-2 "$T/c.mp4" || skip "this ffmpeg makes no clip"
for f in jsonl csv coco alphapose motchallenge openpose; do expect 0 "" quick -q -i "$T/c.mp4" --format $f --out "$T/o.$f"; done
python3 - "$T" <<'P' || fail "a format is not as documented"
import csv, json, os, sys
t = sys.argv[1]
lines = [json.loads(l) for l in open(t + "/o.jsonl")]
head, frames = lines[0], lines[1:]
assert len(frames) == 6 and len(head["keypoint_names"]) == 33, len(frames)
p = frames[0]["persons"][0]
assert p["source"] == "inferred" and p["age"] == 0 and len(p["keypoints"]) == 33 and len(p["keypoints_3d"]) == 33
rows = list(csv.DictReader(open(t + "/o.csv")))
assert len(rows) == 6 and float(rows[0]["nose_x"]) == p["keypoints"][0][0] and int(rows[0]["id"]) == p["id"]
coco = json.load(open(t + "/o.coco"))
assert len(coco) == 6 and len(coco[0]["keypoints"]) == 51 and coco[0]["image_id"] == 0 and coco[0]["category_id"] == 1 and coco[0]["keypoints"][:2] == p["keypoints"][0][:2]
alpha = json.load(open(t + "/o.alphapose"))
assert alpha[3]["image_id"] == "3.jpg" and alpha[0]["idx"] == p["id"] and len(alpha[0]["box"]) == 4
mot = [l.split(",") for l in open(t + "/o.motchallenge")]
assert len(mot) == 6 and all(len(m) == 10 for m in mot) and mot[0][0] == "1"
names = sorted(os.listdir(t + "/o.openpose"))
assert names[0] == "c_000000000000_keypoints.json" and len(names) == 6, names
op = json.load(open(t + "/o.openpose/" + names[0]))
q = op["people"][0]
assert op["version"] == 1.3 and q["person_id"] == [p["id"]] and len(q["pose_keypoints_2d"]) == 75 and len(q["pose_keypoints_3d"]) == 100
i = head["keypoint_names"].index
l, r = p["keypoints"][i("left_shoulder")], p["keypoints"][i("right_shoulder")]
assert abs(q["pose_keypoints_2d"][3] - (l[0] + r[0]) / 2) < 0.02 and q["pose_keypoints_2d"][:2] == p["keypoints"][0][:2]
for key in ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d", "face_keypoints_3d"):
    assert q[key] == []
P
# The extension of --out tells the format; standard output; two runs give the same bytes.
quick -q -i "$T/c.mp4" --out "$T/again.csv" && cmp "$T/again.csv" "$T/o.csv" || fail "CSV again"
quick -q -i "$T/c.mp4" --save-json - --threads 1 --no-async >"$T/again.jsonl" && cmp "$T/again.jsonl" "$T/o.jsonl" || fail "JSON lines with one thread and in order"
# A locale with a decimal comma changes nothing.
LC_ALL=de_DE.UTF-8 quick -q -i "$T/c.mp4" --out "$T/de.csv" && cmp "$T/de.csv" "$T/o.csv" || fail "CSV in a German locale"
# Summaries: text on stdout; JSON; on stderr when stdout holds data.
quick -i "$T/c.mp4" --save-json "$T/o.jsonl" >"$T/stdout" 2>"$T/stderr" || fail "run"
for word in 'frames/s *processed [0-9.]*, inferred [0-9.]*, displayed [0-9.]*$' '1 at most' 'first pose *[0-9]* ms' 'isa ' "joints *$T/o.jsonl"; do grep -q "$word" "$T/stdout" || fail "summary lacks '$word'"; done
[ ! -s "$T/stderr" ] || fail "stderr is not empty when piped: $(cat "$T/stderr")"
quick -i "$T/c.mp4" --json-summary >"$T/s.json" && python3 -c "
import json, sys
s = json.load(open(sys.argv[1]))
assert s['frames'] == 6 and s['persons_max'] == 1 and s['fps_inferred'] == s['fps_processed'] > 0 and 0 < s['fps_displayed'] <= s['fps_processed'] and s['fps_drawn'] is None and s['first_pose_ms'] > 0" "$T/s.json" || fail "JSON summary"
quick -i "$T/c.mp4" --save-json - --json-summary >"$T/o" 2>"$T/s.json" && python3 -c "import json, sys; json.load(open(sys.argv[1]))" "$T/s.json" || fail "JSON summary beside JSON lines"
echo "no library" >"$T/nolib.so"
quick -i "$T/c.mp4" --backend tflite --litert-lib "$T/nolib.so" --json-summary >"$T/s.json" 2>"$T/stderr" &&
    grep -q '"backend_asked":"tflite","backend_used":"native","backend_reason":".*nolib.so: ' "$T/s.json" || fail "the fallback is not told in the summary"
[ "$(grep -c 'backend: asked tflite, used native: .*nolib.so' "$T/stderr")" = 1 ] || fail "the fallback is not told once"
done_testing
