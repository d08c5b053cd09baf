#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# --stats and --stats-json of a real run; the formats by other people's parsers.
. "$NEXTPOSE_SOURCE/tests/cli/lib.sh"
py=${NEXTPOSE_PYTHON:-python3}
"$py" -c 'import prometheus_client' 2>/dev/null || skip "no prometheus_client in $py"
"$py" "$NEXTPOSE_SOURCE/tests/views/check_stats.py" "$NEXTPOSE_BUILD/tests/views/stats_dump" || fail "the formats"
if [ -f "$MODELS/pose_landmark_lite.tflite" ] && [ -f "$CLIPS/tfjs_squats.mp4" ]; then
    # 65 frames at 5 a second, in live mode: 13 s; stopped after some
    "$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$CLIPS/tfjs_squats.mp4" --live --view none --stats --stats-json "$T/s.jsonl" \
        --save-json "$T/o.jsonl" >"$T/stdout" 2>"$T/stderr" & pid=$!
    n=0
    while [ $n -lt 300 ] && [ "$(cat "$T/s.jsonl" 2>/dev/null | wc -l)" -lt 3 ]; do sleep 0.1; n=$((n + 1)); done
    kill -INT $pid
    wait $pid
    equal $? 130 "exit code of the stopped run"
    python3 - "$T/s.jsonl" <<'P' || fail "--stats-json"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
assert len(lines) >= 4, len(lines)
assert lines[0]["source"]["input"].endswith("tfjs_squats.mp4") and lines[0]["preset"] == "balanced"
assert all(set(l) == set(lines[0]) for l in lines)
P
    [ "$(grep -c '^fps shown [0-9.]* processed' "$T/stderr")" -ge 3 ] || fail "--stats: $(cat "$T/stderr")"
    # A full disk is said once and does not end the run.
    if [ -w /dev/full ]; then
        "$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite -i "$CLIPS/photos/mmpose_000000000785.jpg" --stats-json /dev/full >"$T/stdout" 2>"$T/stderr"
        equal $? 1 "exit code with a full disk"
        equal "$(grep -c 'dev/full' "$T/stderr")" 1 "lines about the full disk"
    fi
fi
expect 2 "is named for two outputs" "$NP" run -i x --save-json a --stats-json a
expect 2 "is named for two outputs" "$NP" run -i x --save-json - --stats-json -
done_testing
