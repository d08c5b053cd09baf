#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage errors: exit code 2 and one line that helps. Aliases, spellings, --help, --version.
. "$(dirname "$0")/lib.sh"
expect 2 "no input" "$NP" run
expect 2 "unknown option '--save-vidoe'.*did you mean 'save-video'" "$NP" run -i x --save-vidoe y
expect 2 "unknown option '--zzzzzzzz'.*--help" "$NP" run --zzzzzzzz
expect 2 "unknown option '-Z'" "$NP" run -Z
expect 2 "needs a value" "$NP" run -i
expect 2 "outside of 1 to 64" "$NP" run -i x --max-persons 65
expect 2 "outside of 256 to 640" "$NP" run -i x --yolo-size 100
expect 2 "not a whole number" "$NP" run -i x --threads 1.5
expect 2 "not a number" "$NP" run -i x --kpt-thr 0,5
expect 2 "not one of" "$NP" run -i x --preset fastest
expect 2 "not one of" "$NP" run -i x --format xml
expect 2 "not one of" "$NP" run -i x --backend cuda
expect 2 "neither yes nor no" "$NP" run -i x --strict=maybe
expect 2 "takes no value" "$NP" run -i x --no-async=1
expect 2 "unexpected argument 'clip.mp4': the input is given with -i" "$NP" run clip.mp4
expect 2 "not one of" "$NP" run -i x --view telly
expect 2 "outside of 0 to 65535" "$NP" run -i x --view web --web-port 70000
if ! "$NP" run -i x --view web 2>&1 | grep -q "no web server"; then
    expect 2 "--web-token: the token must be 8 to 128" "$NP" run -i x --view web --web-token short
    expect 2 "--web-token: the token must be 8 to 128" "$NP" run -i x --web-token short
fi
expect 2 "exclude each other" "$NP" run -i x --live --every-frame
expect 2 "say where with --out" "$NP" run -i x --format openpose
expect 2 "must be a folder" "$NP" run -i x --format openpose --out -
expect 2 "would mix" "$NP" run -i x --save-json - --format csv
expect 2 "two outputs" "$NP" run -i x --save-json a --out a
expect 2 "unknown command 'rnu'.*did you mean 'run'" "$NP" rnu
expect 4 "cannot open 'nothere.mp4'" "$NP" quick_performance_test --backend native --target_fps 15 --duration 10 --input nothere.mp4
expect 4 "cannot open 'nothere.mp4'" "$NP" benchmark_performance --duration 20 --output "$T/r.json" --input nothere.mp4 --models-dir "$T" 
expect 2 "usage" "$NP" inspect
expect 2 "usage" "$NP" bench model
expect 2 "usage" "$NP" models nonsense
echo data >"$T/self.mp4"
expect 2 "is the input" "$NP" run -i "$T/self.mp4" --save-video "$T/self.mp4"
equal "$(cat "$T/self.mp4")" data "the input is untouched"
# Underscores, the predecessor's call without a command: they get as far as the input.
expect 4 "cannot open 'nothere.mp4'" "$NP" --preset balanced --input nothere.mp4 --backend tflite --save_video "$T/o.mp4"
expect 4 "cannot open 'nothere.mp4'" "$NP" run --INPUT=nothere.mp4 --max_persons 3 --preset ultra-fast -t2
[ ! -e "$T/o.mp4" ] || fail "an output was made although the input cannot be opened"
expect 0 "" "$NP" --version
grep -qE '^nextpose [0-9]+\.[0-9]+\.[0-9]+ ' "$T/stdout" || fail "--version prints no version"
for c in run models inspect eval quantize bench doctor; do
    expect 0 "" "$NP" $c --help
    grep -q "^usage: nextpose $c" "$T/stdout" || fail "$c --help has no usage line"
done
# The manual page knows every option of every command, in its section where it has one.
tr -d '\\' <"$NEXTPOSE_SOURCE/tools/nextpose.1" >"$T/page"
for c in run convert inspect eval quantize "bench model" "bench peak" "bench quick" "bench pipeline" "bench compare" "bench trend" recommend doctor; do
    head=$(echo "OPTIONS OF $c" | tr a-z A-Z)
    awk -v head=".SH $head" '$0 == head {on = 1; next} /^\.SH/ {on = 0} on' "$T/page" >"$T/section"
    [ -s "$T/section" ] || echo "[$head]"
    "$NP" $c --help | grep -oE -- '^ +(-[a-z], )?--[a-z][a-z-]+' | grep -oE -- '--[a-z][a-z-]+' | sort -u | while read -r f; do
        case $f in --*-lib | --plugins | --cache-dir) continue ;; esac # told once, with run
        grep -q -e "$f" "$T/section" || echo "$c:$f"
    done
done >"$T/missing"
[ ! -s "$T/missing" ] || fail "nextpose.1 lacks: $(tr '\n' ' ' <"$T/missing")"
done_testing
