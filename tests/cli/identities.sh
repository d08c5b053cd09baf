#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole pipeline (decoder, detector, poses, tracker) gives each person one id: as many in the JSON as were counted by hand
# (tests/track/identities.txt says who they are; its tests run the tracker alone, on boxes of the detector).
. "$(dirname "$0")/lib.sh"
need_models
command -v python3 >/dev/null || skip "no python3"
# people CLIP COUNT [options]
people() {
    clip=$CLIPS/$1.mp4 count=$2
    shift 2
    [ -f "$clip" ] || skip "no clip $clip"
    expect 0 "" "$NP" run -q --models-dir "$MODELS" -i "$clip" --threads 2 --save-json "$T/o.jsonl" "$@"
    python3 - "$T/o.jsonl" "$count" <<'X' || fail "ids of $clip"
import collections, json, sys
frames = collections.Counter(p["id"] for line in open(sys.argv[1]) for p in json.loads(line).get("persons", []))
print(sys.argv[1], dict(frames))
assert len(frames) == int(sys.argv[2]), f"{len(frames)} ids, {sys.argv[2]} people"
assert min(frames.values()) >= 50, "an id lives for a moment only"
X
}
people p2s_multi_cam01 3
people p2s_multi_cam03 2
people intel_one-by-one 6 --detection-freq 3 # 57 s of film; the detector on each third frame, poses on every one
done_testing
