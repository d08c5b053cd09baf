#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nextpose eval: what is wrong with labels, pictures and results is one line and the right exit code; figures on a real photo.
. "$(dirname "$0")/lib.sh"
E="$NP eval"
expect 2 "no labels" $E
expect 2 "no pictures" $E --labels "$T/l.json"
expect 4 "none.json" $E --labels "$T/none.json" --images "$T"
printf '{"images":[' >"$T/cut.json"
expect 4 "cut.json: not JSON" $E --labels "$T/cut.json" --images "$T"
# the surfers: one rough label is enough to see that the way from picture to figure is whole
joints='380,230,0,380,230,0,380,230,0,380,230,0,380,230,0,380,230,2,380,230,2,380,230,2,380,230,2,380,230,2,380,230,2,380,230,2,380,250,2,380,230,2,380,230,2,380,230,2,380,230,2'
labels() { # FILE WIDTH
    printf '{"images":[{"id":1,"file_name":"%s"%s}],"categories":[{"id":1,"name":"person"}],"annotations":[{"id":9,"image_id":1,"category_id":1,"bbox":[%s],"area":40000,"iscrowd":0,"keypoints":[%s]}]}' \
        "$1" "$2" "$3" "$joints"
}
labels none.jpg "" "100,100,200,200" >"$T/l.json"
expect 4 "1 of the labels' 1 pictures are not in .*none.jpg" $E --labels "$T/l.json" --images "$T"
expect 2 "does not go with it" $E --labels "$T/l.json" --predictions "$T/r.json" --images "$T"
expect 4 "r.json" $E --labels "$T/l.json" --predictions "$T/r.json"
printf '[{"image_id":4,"category_id":1,"bbox":[1,2,3,4],"score":1}]' >"$T/r.json"
expect 4 "not among the labels' images" $E --labels "$T/l.json" --predictions "$T/r.json"
expect 2 "leaves the detector out" $E --labels "$T/l.json" --images "$T" --boxes given --detector x
echo "no picture" >"$T/none.jpg"
[ -f "$MODELS/pose_landmark_lite.tflite" ] && expect 4 "none.jpg" $E --labels "$T/l.json" --images "$T" --boxes given --models-dir "$MODELS" --model blazepose_lite
need_models
photo=pifpaf_000000081988.jpg
[ -f "$CLIPS/photos/$photo" ] || skip "no shared photos"
labels "$photo" ',"width":3,"height":5' "100,100,200,200" >"$T/l.json"
expect 4 "the labels say 3x5" $E --labels "$T/l.json" --images "$CLIPS/photos" --boxes given --models-dir "$MODELS" --model blazepose_lite
# labels made from the net's own joints: everything is found exactly, whichever way the boxes come
box=$("$NP" run -i "$CLIPS/photos/$photo" --models-dir "$MODELS" --model none --max-persons 1 --format csv --out - -q | sed -n '2p' | cut -d, -f8-11)
labels "$photo" "" "$box" >"$T/l.json"
$E --labels "$T/l.json" --images "$CLIPS/photos" --boxes given --models-dir "$MODELS" --model blazepose_lite --results "$T/r.json" -q >"$T/out1" || fail "given boxes"
own=$(sed -n 's/.*"keypoints":\[\([^]]*\)\].*/\1/p' "$T/r.json")
joints=$own
labels "$photo" "" "$box" >"$T/own.json"
$E --labels "$T/own.json" --images "$CLIPS/photos" --boxes given --models-dir "$MODELS" --model blazepose_lite --json -q >"$T/own.out" || fail "own labels"
grep -q '"oks": 1.000000, "pck": 1.000000' "$T/own.out" || { fail "a net against its own joints is not perfect"; cat "$T/own.out"; }
$E --labels "$T/own.json" --predictions "$T/r.json" --json -q >"$T/again.out" || fail "results read again"
grep -q '"oks": 1.000000, "pck": 1.000000' "$T/again.out" || fail "written results give other figures"
$E --labels "$T/own.json" --images "$CLIPS/photos" --models-dir "$MODELS" --model blazepose_lite --json -q >"$T/det.out" || fail "detector"
grep -q '"boxes": {"AP": 1.000000' "$T/det.out" || { fail "the detector does not find its own box"; cat "$T/det.out"; }
expect 1 "cannot write" $E --labels "$T/own.json" --images "$CLIPS/photos" --boxes given --models-dir "$MODELS" --model blazepose_lite --results "$T/no/such/r.json"
$E --labels "$T/own.json" --images "$CLIPS/photos" --models-dir "$MODELS" --model none | grep -q '^boxes' || fail "boxes only"
done_testing
