#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bench compare and bench trend on result files made here: verdicts, exit codes, notes, plots, damaged files.
. "$(dirname "$0")/lib.sh"
# result FILE DATE VERSION CPU FPS…: one run with two metrics
result() {
    f=$1 date=$2 version=$3 cpu=$4
    shift 4
    values=$(echo "$*" | sed 's/ /, /g')
    cat >"$f" <<JSON
{"schema": "nextpose-bench-1", "subject": "nextpose", "version": "$version", "date": "$date",
 "machine": {"cpu": "$cpu", "cores": 2, "isa": "avx2", "category": "cpu_low_end", "os": "Linux"}, "input": {"name": "clip.mp4"},
 "runs": [{"name": "preset balanced", "settings": {}, "metrics": {
   "fps": {"unit": "frames/s", "better": "higher", "values": [$values]},
   "persons": {"unit": "", "better": "neither", "values": [3, 3, 3, 3]}}}]}
JSON
}
result "$T/a.json" 2026-01-01T00:00:00Z 1.0 X 50 51 50.5 50.2 49.9
result "$T/b.json" 2026-01-02T00:00:00Z 1.1 X 40 41 40.5 40.2 39.9
result "$T/c.json" 2026-01-02T00:00:00Z 1.1 Y 50.1 50.9 50.4 50.3 49.8
result "$T/d.json" 2026-01-02T00:00:00Z 1.2 X 40
"$NP" bench compare "$T/a.json" "$T/b.json" >"$T/out" && fail "a loss of 20 % passed" || equal $? 1 "exit code of a regression"
grep -q "WORSE" "$T/out" || fail "the regression is not marked"
grep -q "0 better, 1 worse" "$T/out" || fail "the sum is wrong: $(tail -n 1 "$T/out")"
expect 0 "" "$NP" bench compare "$T/b.json" "$T/a.json"
grep -q "1 better, 0 worse" "$T/stdout" || fail "a gain is not seen"
expect 0 "" "$NP" bench compare "$T/a.json" "$T/c.json"
grep -q "machines differ" "$T/stdout" || fail "another machine is not mentioned"
expect 0 "" "$NP" bench compare "$T/a.json" "$T/d.json"
grep -q "1 with too few" "$T/stdout" || fail "a single value was judged"
"$NP" bench compare --format json "$T/a.json" "$T/b.json" 2>/dev/null | python3 -c 'import json,sys; r=[json.loads(l) for l in sys.stdin]; assert r[0]["verdict"]=="worse" and abs(r[0]["ratio"]-.8)<.01, r' ||
    fail "JSON of compare"
expect 4 "cannot" "$NP" bench compare "$T/a.json" "$T/none.json"
echo '{"schema": "other"}' >"$T/e.json"
expect 4 "is no result of 'nextpose bench'" "$NP" bench compare "$T/e.json" "$T/a.json"
expect 2 "usage" "$NP" bench compare "$T/a.json"
expect 2 "did you mean 'compare'" "$NP" bench compar

mkdir "$T/history"
i=10
for v in 50 51 50.5 50.2 49.9 50.3 60 61 60.5 60.2 59.9 60.4; do
    result "$T/history/$i.json" "2026-01-${i}T00:00:00Z" "1.$i" X "$v"
    i=$((i + 1))
done
echo junk >"$T/history/junk.json"
"$NP" bench trend "$T/history" --html "$T/trend.html" >"$T/out" 2>"$T/err" || fail "trend: exit code $?"
grep -q "changed at version 1.16 (2026-01-16.*better" "$T/out" || fail "the change at 1.16 is not named: $(cat "$T/out")"
grep -q "passed over" "$T/err" || fail "a file that is no result was not mentioned"
python3 - "$T/trend.html" <<'PY' || fail "the plot is not well-formed"
import re, sys, xml.dom.minidom
svg = re.findall(r"<svg.*?</svg>", open(sys.argv[1]).read(), re.S)
assert len(svg) == 1
d = xml.dom.minidom.parseString(svg[0])
assert len(d.getElementsByTagName("circle")) == 12
PY
expect 4 "no .json file" "$NP" bench trend "$T/nowhere"
done_testing
