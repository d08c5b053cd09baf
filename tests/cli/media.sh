#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every kind of input that we claim: codecs, containers, pixel formats, rotation, odd sizes, pictures, folders, globs, a pipe, damage.
. "$(dirname "$0")/lib.sh"
need_models
need_ffmpeg
make_clip() { ffmpeg -v error -y -f lavfi -i "testsrc=s=${SIZE:-96x64}:r=10" -t 0.5 "$@" || { echo "note: this ffmpeg cannot make $*"; return 1; }; }
# check FILE FRAMES WIDTH HEIGHT: as many lines, of that size
check() {
    expect 0 "" quick -q -i "$1" --save-json "$T/o.jsonl"
    equal "$(($(wc -l <"$T/o.jsonl") - 1)) $(sed -n 's/.*"width":\([0-9]*\),"height":\([0-9]*\).*/\1 \2/p;2q' "$T/o.jsonl")" "$2 $3 $4" "frames and size of $1"
}
make_clip -c:v libx264 -pix_fmt yuv420p "$T/h264.mp4" && check "$T/h264.mp4" 5 96 64
make_clip -c:v libx264 -pix_fmt yuv444p "$T/h264_444.mkv" && check "$T/h264_444.mkv" 5 96 64
make_clip -c:v libx264 -pix_fmt yuv422p10le "$T/h264_10.mkv" && check "$T/h264_10.mkv" 5 96 64
make_clip -c:v libx265 -x265-params log-level=error "$T/h265.mp4" && check "$T/h265.mp4" 5 96 64
make_clip -c:v mpeg4 "$T/mpeg4.avi" && check "$T/mpeg4.avi" 5 96 64
make_clip -c:v mjpeg -pix_fmt yuvj422p "$T/mjpeg.avi" && check "$T/mjpeg.avi" 5 96 64
make_clip -c:v ffv1 -pix_fmt gray "$T/gray.mkv" && check "$T/gray.mkv" 5 96 64
make_clip -c:v rawvideo -pix_fmt bgr24 "$T/bgr.avi" && check "$T/bgr.avi" 5 96 64
make_clip -c:v ffv1 -pix_fmt bgra "$T/bgra.mkv" && check "$T/bgra.mkv" 5 96 64
SIZE=97x63 make_clip -c:v ffv1 -pix_fmt yuv420p "$T/odd.mkv" && check "$T/odd.mkv" 5 97 63
# A colon and spaces in the name are no protocol.
cp "$T/h264.mp4" "$T/a: b.mp4"
check "$T/a: b.mp4" 5 96 64
# Rotation metadata: shown upright, the written video too.
if ffmpeg -v error -y -i "$T/h264.mp4" -c copy -metadata:s:v rotate=90 "$T/rot.mp4" && ffprobe -v error -show_streams "$T/rot.mp4" | grep -q rotation; then
    check "$T/rot.mp4" 5 64 96
    expect 0 "" quick -q -i "$T/rot.mp4" --save-video "$T/o.mp4"
    equal "$(ffprobe -v error -show_entries stream=width,height -of csv=p=0 "$T/o.mp4")" 64,96 "size of the upright video"
    grep -q . "$T/stderr" && fail "something on stderr: $(cat "$T/stderr")"
fi
# The written video: every frame, H.264, even sides, the source's times.
expect 0 "" quick -q -i "$T/odd.mkv" --save-video "$T/o.mp4"
equal "$(ffprobe -v error -count_frames -show_entries stream=codec_name,width,height,pix_fmt,avg_frame_rate,nb_read_frames -of csv=p=0 "$T/o.mp4")" "h264,98,64,yuv420p,10/1,5" "the video"
# Pictures of different sizes, one of them broken, in natural order; one pixel.
mkdir "$T/pics"
for k in 1 2 10; do ffmpeg -v error -y -f lavfi -i "testsrc=s=$((30 + k))x40" -frames:v 1 "$T/pics/img$k.jpg"; done
ffmpeg -v error -y -f lavfi -i testsrc=s=50x40 -frames:v 1 "$T/pics/img3.png"
ffmpeg -v error -y -f lavfi -i testsrc=s=51x40 -frames:v 1 "$T/pics/img4.bmp"
ffmpeg -v error -y -f lavfi -i testsrc=s=52x40 -frames:v 1 "$T/pics/img5.webp" 2>/dev/null || cp "$T/pics/img3.png" "$T/pics/img5.webp"
head -c 300 "$T/pics/img1.jpg" >"$T/pics/img6.jpg"
echo no picture >"$T/pics/img7.png"
echo notes >"$T/pics/notes.txt"
expect 0 "img7.png.*left out" quick -i "$T/pics" --save-json "$T/o.jsonl"
equal "$(sed -n 's/.*"name":"\(img[0-9]*\)\..*/\1/p' "$T/o.jsonl" | grep -v img6 | tr '\n' ' ')" "img1 img2 img3 img4 img5 img10 " "pictures in order"
expect 0 "" quick -q -i "$T/pics/img?.png" --log-level error --save-json "$T/o.jsonl"
equal "$(wc -l <"$T/o.jsonl")" 2 "lines of a glob"
expect 0 "" quick -i "$T/pics" --log-level error --save-video "$T/o.mp4" --save-images "$T/out" --json-summary
grep -q '"fps_displayed":[0-9.]*,"fps_drawn":[1-9]' "$T/stdout" || fail "displayed and drawn are not told apart: $(cat "$T/stdout")"
[ -s "$T/out/img10.jpg" ] || fail "no annotated picture"
equal "$(ffprobe -v error -show_entries stream=width,height -of csv=p=0 "$T/out/img10.jpg")" 40,40 "size of the annotated picture"
expect 4 "img7.png. is not a picture" quick -i "$T/pics/img7.png"
printf 'P6\n1 1\n255\nabc' >"$T/one.ppm"
check "$T/one.ppm" 1 1 1
ffmpeg -v error -y -i "$T/one.ppm" "$T/one.png"
check "$T/one.png" 1 1 1
# Damage: the frames before it, one warning, exit code 0.
ffmpeg -v error -y -f lavfi -i testsrc=s=320x240:r=10 -t 3 -pix_fmt yuv420p -movflags +faststart "$T/whole.mp4"
head -c $(($(wc -c <"$T/whole.mp4") * 2 / 3)) "$T/whole.mp4" >"$T/cut.mp4"
expect 0 "truncated|damaged" quick -i "$T/cut.mp4" --save-json "$T/o.jsonl"
equal "$(wc -l <"$T/stderr")" 1 "warnings about a truncated file"
n=$(wc -l <"$T/o.jsonl")
[ "$n" -gt 10 ] && [ "$n" -lt 31 ] || fail "$n lines from a file cut at two thirds"
head -c 100 "$T/whole.mp4" >"$T/stump.mp4"
expect 4 "stump.mp4" quick -i "$T/stump.mp4"
cp "$T/whole.mp4" "$T/bad.mp4"
for at in 9000 12000 15000; do head -c 600 /dev/urandom | dd of="$T/bad.mp4" bs=1 seek=$at conv=notrunc 2>/dev/null; done
expect 0 "" quick -i "$T/bad.mp4" --save-json "$T/o.jsonl"
[ "$(wc -l <"$T/o.jsonl")" -gt 5 ] || fail "few frames from a corrupt file"
# A file in live mode takes its own time and may skip frames: what was handled and what was skipped is all there was.
quick -i "$T/h264.mp4" --live --json-summary >"$T/s.json" || fail "live mode"
equal "$(python3 -c "import json, sys; s = json.load(open(sys.argv[1])); print(s['frames'] + s['skipped'], s['mode'], s['seconds'] > 0.3)" "$T/s.json")" \
    "5 live True" "live mode"
# Standard input.
quick -q -i - --save-json "$T/o.jsonl" <"$T/h264_444.mkv" || fail "reading a pipe"
equal "$(wc -l <"$T/o.jsonl")" 6 "lines from a pipe"
# A pipe that pauses: every result is out while it does.
mkfifo "$T/fifo"
(ffmpeg -v error -f lavfi -i testsrc=size=320x240:rate=10 -frames:v 12 -pix_fmt yuv420p -f yuv4mpegpipe -; while [ ! -e "$T/go on" ]; do sleep .1; done) >"$T/fifo" &
quick -q -i - --save-json "$T/paused.jsonl" <"$T/fifo" &
reader=$!
n=0
while [ "$n" -lt 600 ] && [ "$(wc -l 2>/dev/null <"$T/paused.jsonl" || echo 0)" != 13 ]; do n=$((n + 1)); sleep .1; done
equal "$(wc -l <"$T/paused.jsonl")" 13 "lines while the pipe pauses"
touch "$T/go on"
wait "$reader" || fail "a pipe that pauses"
done_testing
