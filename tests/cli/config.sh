#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Where a setting comes from: flag over environment over config file over default.
. "$(dirname "$0")/lib.sh"
cat >"$T/c.ini" <<'X'
; a comment
max_persons = 3
bbox-thr = 0.4
[run]
kpt_thr = 0.6
yolo_size = 320
[bench]
runs = 5
X
origin() { sed -n "s/^$1 *= *\([^ ]*\) *; *\(.*\)/\1 \2/p" "$T/stdout"; }
NEXTPOSE_BBOX_THR=0.5 NEXTPOSE_KPT_THR=0.55 expect 0 "" "$NP" run --config "$T/c.ini" --kpt_thr 0.7 --print-config
if "$NP" run --config "$T/c.ini" --print-config 2>&1 | grep -q "no config files"; then skip "built without inih"; fi
equal "$(origin kpt-thr)" "0.7 command line (--kpt-thr)" "a flag wins"
equal "$(origin bbox-thr)" "0.5 environment (NEXTPOSE_BBOX_THR)" "the environment beats the file"
equal "$(origin max-persons)" "3 config file ('max_persons' in $T/c.ini)" "the file beats the default"
equal "$(origin preset)" "balanced default" "a default"
origin nms-thr | grep -q "^0\.[0-9]* card of efficientdet_lite0_int8$" || fail "a threshold of the card: $(origin nms-thr)"
equal "$(origin detector)" "efficientdet_lite0_int8 default" "the net that is used"
equal "$(origin model)" "blazepose_full default" "likewise"
equal "$(origin device)" "cpu default" "the device"
origin isa | grep -q "^[a-z0-9_]* the best of this machine$" || fail "isa: $(origin isa)"
equal "$(cut -d= -f1 "$T/stdout" | tr -d ' ' | grep -v '^;' | tr _ - | sort | uniq -d)" "" "settings that are told twice"
for k in detector model bbox-thr nms-thr kpt-thr device isa cache-dir reconnect detection-timeout pose-timeout max-delay target-fps threads smooth \
    backend-timeout isolate-memory worker models-dir plugins ort-lib; do
    origin $k | grep -qE "^[^( ]+ +[a-zA-Z]" || fail "$k is not resolved: $(origin $k)"
done
expect 0 "" "$NP" run --print-config --detector yolox_nano --yolo-size 333 --model none
equal "$(origin yolo-size)" "320 command line (--yolo-size; 333 was asked for; sides of nets are multiples of 32)" "the size that it runs at"
equal "$(origin kpt-thr)" "none no net finds joints" "a detector without joints"
expect 0 "" "$NP" run --print-config --detector yolox_nano --backend-timeout 700
equal "$(origin yolo-size)" "416 card of yolox_nano" "a detector that was named keeps its size"
equal "$(origin backend-timeout)" "700 command line (--backend-timeout)" "as asked"
NEXTPOSE_THREADS=99 expect 2 "NEXTPOSE_THREADS: 99 is outside" "$NP" run -i x
NEXTPOSE_CONFIG="$T/c.ini" expect 0 "" "$NP" run --print-config
equal "$(origin yolo-size)" "320 config file ('yolo_size' in $T/c.ini)" "the file named by the environment"
expect 0 "" "$NP" run --print-config --threads 1 # what a preset decides, by file and live, and who decided
equal "$(origin max-persons)" "8 preset balanced" "from the preset"
equal "$(origin frame.skip)" "1 preset balanced" "a file is not thinned out"
equal "$(origin adapt)" "off files are never thinned out" "nor adapted"
equal "$(origin threads)" "1 command line (--threads)" "a flag beats the preset"
printf 'base = quality\ntarget_fps = 7\n[live]\nmax_persons = 3 in 2..5\n' >"$T/my.preset"
expect 0 "" "$NP" run --print-config --live --preset "$T/my.preset"
equal "$(origin target.fps)" "7 preset $T/my.preset" "an own preset"
equal "$(origin max-persons)" "3 preset $T/my.preset; may move in 2..5" "with bounds"
equal "$(origin max.delay)" "300 preset quality, the base of $T/my.preset" "on its base"
NEXTPOSE_PRESET="$T/my.preset" expect 0 "" "$NP" run --print-config -i 0
equal "$(origin target.fps)" "7 preset $T/my.preset" "named by the environment, for a camera"
echo "frame_skip = 9" >>"$T/my.preset"
expect 2 "my.preset: line 5: frame_skip = 9: outside of 1 to 5" "$NP" run -i x --preset "$T/my.preset"
expect 2 "cannot open '$T/none.preset'" "$NP" run -i x --preset "$T/none.preset"
expect 2 "cannot open '$T/none.ini'" "$NP" run -i x --config "$T/none.ini"
echo "max_person = 3" >"$T/bad.ini"
expect 2 "did you mean 'max-persons'" "$NP" run -i x --config "$T/bad.ini"
echo "max_persons = many" >"$T/bad.ini"
expect 2 "'max_persons' in .*'many' is not a whole number" "$NP" run -i x --config "$T/bad.ini"
printf 'kpt_thr = 0.3\nnonsense\n' >"$T/bad.ini"
expect 2 "line 2" "$NP" run -i x --config "$T/bad.ini"
head -c 3000 /dev/urandom >"$T/bad.ini"
expect 2 "not a text file" "$NP" run -i x --config "$T/bad.ini"
echo "config = other" >"$T/bad.ini"
expect 2 "cannot name another" "$NP" run -i x --config "$T/bad.ini"
done_testing
