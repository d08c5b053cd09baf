#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Outputs that cannot be written: exit code 1, one line, and what was written before stays readable.
. "$(dirname "$0")/lib.sh"
need_models
need_ffmpeg
ffmpeg -v error -f lavfi -i testsrc=s=320x240:r=10 -t 3 -pix_fmt yuv420p "$T/c.mp4" || skip "this ffmpeg makes no clip"
Q="-q -i $T/c.mp4"
: >"$T/file"
expect 1 "cannot write" quick $Q --save-json "$T/file/x.jsonl"
expect 1 "cannot write" quick $Q --save-video "$T/none/x.mp4"
expect 1 "folder|in the way" quick $Q --format openpose --out "$T/file/x"
expect 1 "folder|in the way" quick $Q --save-images "$T/file"
expect 1 "No space left" quick $Q --save-json /dev/full
expect 1 "No space left" quick $Q --format csv --out /dev/full
expect 1 "No space left" quick $Q --save-video /dev/full
# A full disk in the middle: the small file ends, the other output goes on, all frames are handled.
mkdir "$T/small"
if mount -t tmpfs -o size=4k none "$T/small" 2>/dev/null; then
    cleanup() { umount "$T/small"; rm -rf "$T"; }
    expect 1 "No space left.*stays readable" quick -q -i "$T/c.mp4" --save-json "$T/small/o.jsonl" --format csv --out "$T/o.csv"
    equal "$(wc -l <"$T/o.csv")" 31 "the other output has all rows"
    python3 - "$T/small/o.jsonl" <<'P' || fail "the JSON lines before the full disk are not readable"
import json, sys
lines = open(sys.argv[1]).read().split("\n")
[json.loads(line) for line in lines[:-1]]
assert len(lines) > 3, len(lines)
P
    rm "$T/small/o.jsonl"
    mount -o remount,size=64k "$T/small"
    ffmpeg -v error -f lavfi -i "nullsrc=s=320x240:r=10,geq=random(1)*255:128:128" -t 6 -pix_fmt yuv420p -qscale 1 "$T/noise.avi"
    expect 1 "No space left.*stays readable" quick -q -i "$T/noise.avi" --save-video "$T/small/o.mp4"
    rm "$T/small/o.mp4"
else
    echo "note: no tmpfs here (needs root); /dev/full was used alone"
fi
# Nobody reads the pipe: an error line, no sudden death.
quick -q -i "$T/c.mp4" --save-json - 2>"$T/stderr" | head -n 1 >/dev/null
grep -q "Broken pipe" "$T/stderr" || fail "no line about the broken pipe"
done_testing
