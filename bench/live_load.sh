#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The controller on a real clip under real load: live mode for 45 s, from 15 to 30 s something else wants a processor (stress-ng, or a shell's busy loop).
#   bench/live_load.sh CLIP [PRESET] [PROCESSOR...]      NEXTPOSE=build/tools/nextpose; CLIP is looped; more arguments: processors to load, 0 if none is given
# Prints two-second rows (rates, delay, knobs) and every decision with its reason. What comes out depends on the machine (what does not: tests/cli/load.sh). docs/presets.md has a reading.
set -eu
clip=${1:?usage: bench/live_load.sh CLIP [PRESET] [PROCESSOR...]}
preset=${2:-balanced}
[ $# -lt 2 ] || shift
shift
[ $# -gt 0 ] || set -- 0
np=${NEXTPOSE:-$(dirname "$0")/../build/tools/nextpose}
dir=$(mktemp -d)
loads=
trap 'for p in $loads; do kill "$p" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
burn() { # SECONDS PROCESSOR
    if command -v stress-ng >/dev/null; then exec taskset -c "$2" stress-ng --cpu 1 --timeout "$1" --quiet; fi
    exec taskset -c "$2" timeout "$1" sh -c 'while :; do :; done'
}
timeout -s INT 45 "$np" run -i "loop:$clip" --live --preset "$preset" --log-level info --stats-json "$dir/stats" --save-json /dev/null ${NEXTPOSE_ARGS:-} >"$dir/out" 2>"$dir/log" &
run=$!
sleep 15
for cpu in "$@"; do
    burn 15 "$cpu" &
    loads="$loads $!"
done
wait "$run" || [ $? = 124 ] || [ $? = 130 ] || { cat "$dir/log" >&2; exit 1; }
echo "$(uname -m), $(nproc) processors, $clip, preset $preset; load on processor $* from 15 to 30 s"
grep -h 'controller: ' "$dir/log" | sed 's/.*controller: /  /' || true
awk '
function num(key,   s) { return match($0, "\"" key "\": *[-0-9.]+") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0 : 0 }
{
    t = int(num("uptime_s") + .5)
    if (t % 2) next
    moved = match($0, "\"last_move\": *\"[^\"]*\"") ? substr($0, RSTART + 13, RLENGTH - 13) : ""
    printf "%3d s  processed %5.1f  inferred %5.1f  of %4.1f   people %4.1f   delay %5.1f p99 %5.1f   skip %d  detection %d  detector %d  budget %d  people %d  net %d\n", t, num("processed"), num("inferred"),
           num("source"), num("persons_per_frame"), num("p50"), num("p99"), num("frame_skip"), num("detection_freq"), num("detector_size"), num("pose_budget"), num("max_persons"), num("variant")
}' "$dir/stats"
