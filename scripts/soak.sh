#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Does a run that never ends stay the same? A looped clip in live mode, people coming and going, the web view with viewers that come and go too, statistics on.
# Each second: resident memory, threads, open files, delay. The first third is a warm-up; over the last two thirds the medians of ten parts are compared:
#   memory   all within 1 %                     (under 5 minutes: the last part at most 16 MB above the first)
#   threads, open files    the last part has at most one more than the first
#   delay    p99 of the last part is at most half again that of the first, or 20 ms more: told always, counts only from 5 minutes up
# usage: soak.sh [MINUTES [CLIP [FLAGS OF RUN…]]]      30 minutes of ../shared/clips/intel_one-by-one.mp4
#   NEXTPOSE_BUILD: build folder; SOAK_OUT: where samples.csv and stats.jsonl are kept. Exit code 1: something grew.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
minutes=${1:-30} clip=${2:-$here/../shared/clips/intel_one-by-one.mp4}
[ $# -lt 2 ] || shift
[ $# -lt 1 ] || shift
NP=${NEXTPOSE_BUILD:-$here/build}/tools/nextpose
[ -x "$NP" ] || { echo "soak: no $NP: run make first" >&2; exit 2; }
[ -r "$clip" ] || { echo "soak: no clip '$clip': name one as the second argument" >&2; exit 2; }
out=${SOAK_OUT:-$(mktemp -d)}
mkdir -p "$out"
echo "soak: $minutes minutes of $clip, samples in $out/samples.csv"
models=${NEXTPOSE_MODELS_DIR:-$here/../shared/models}
[ ! -d "$models" ] || set -- --models-dir "$models" "$@"
"$NP" run -i "loop:$clip" --live --view web --web-port 0 --stats --stats-json "$out/stats.jsonl" --save-json /dev/null "$@" >"$out/stdout" 2>"$out/stderr" &
pid=$!
viewers=""
trap 'kill $pid $viewers 2>/dev/null || true' EXIT INT TERM

# Viewers: one reads the stream for seven seconds, goes away, comes back; another asks for numbers.
url() { sed -n 's/.* watch at \(http[^ ]*\).*/\1/p' "$out/stderr" | head -n 1; }
n=0
while [ -z "$(url)" ] && kill -0 $pid 2>/dev/null && [ $n -lt 120 ]; do sleep 0.5; n=$((n + 1)); done
if command -v curl >/dev/null 2>&1 && [ -n "$(url)" ]; then
    at=$(url)
    while kill -0 $pid 2>/dev/null; do curl -s -o /dev/null --max-time 7 "${at}stream" || true; sleep 1; done &
    viewers=$!
    while kill -0 $pid 2>/dev/null; do curl -s --max-time 5 "${at}metrics" "${at}api/stats" "${at}frame.jpg" >/dev/null || true; sleep 2; done &
    viewers="$viewers $!"
else echo "soak: no curl or no web view: nobody watches"
fi

echo "s,rss_kb,threads,fds,delay_p99_ms,processed" >"$out/samples.csv"
seconds=$(awk -v m="$minutes" 'BEGIN { printf("%d", m * 60) }')
from=$(date +%s)
now=$from
while [ $((now - from)) -lt "$seconds" ] && kill -0 $pid 2>/dev/null; do
    sleep 1
    now=$(date +%s)
    line=$(tail -n 1 "$out/stats.jsonl" 2>/dev/null || true)
    p99=$(echo "$line" | sed -n 's/.*"delay_ms":{[^}]*"p99":\([0-9.]*\).*/\1/p')
    done=$(echo "$line" | sed -n 's/.*"frames":{[^}]*"processed":\([0-9]*\).*/\1/p')
    fds=$(ls /proc/$pid/fd 2>/dev/null | wc -l)
    awk -v s=$((now - from)) -v fds="$fds" -v p99="$p99" -v done="$done" '/^VmRSS:/ { rss = $2 } /^Threads:/ { t = $2 }
        END { if (rss) printf("%d,%d,%d,%d,%s,%s\n", s, rss, t, fds, p99, done) }' /proc/$pid/status 2>/dev/null >>"$out/samples.csv" || true
done
kill -INT $pid 2>/dev/null || true
rc=0
wait $pid || rc=$?
[ $rc = 130 ] || { echo "soak: the run ended with exit code $rc"; tail -n 5 "$out/stderr"; exit 1; }
sed 's/^/soak: /' "$out/stdout"
sort -t, -n "$out/samples.csv" | awk -F, -v minutes="$minutes" '
    function median(col, part,    i, n, v, k, x) {
        n = 0
        for (i = 1; i <= N; i++) if (i > first && int((i - first - 1) * PARTS / (N - first)) == part && row[i, col] != "") v[++n] = row[i, col] + 0
        for (i = 2; i <= n; i++) for (k = i; k > 1 && v[k - 1] > v[k]; k--) { x = v[k]; v[k] = v[k - 1]; v[k - 1] = x }
        return n ? v[int((n + 1) / 2)] : -1
    }
    /^[0-9]/ { N++; for (c = 1; c <= NF; c++) row[N, c] = $c }
    END {
        PARTS = 10
        first = int(N / 3)
        if (N < 15) { print "soak: only " N " samples"; exit 1 }
        split("x memory_kb threads open_files delay_p99_ms", name, " ")
        for (c = 2; c <= 5; c++) {
            lo = hi = median(c, 0)
            text = ""
            for (p = 0; p < PARTS; p++) { m[c, p] = median(c, p); if (m[c, p] < lo) lo = m[c, p]; if (m[c, p] > hi) hi = m[c, p]; text = text " " m[c, p] }
            spread[c] = hi - lo
            low[c] = lo
            printf("soak: %-13s start %s; last two thirds:%s\n", name[c], row[1, c], text)
        }
        share = spread[2] / low[2] * 100
        ok_mem = share <= 1 || (minutes < 5 && m[2, PARTS - 1] <= m[2, 0] + 16384)
        ok_thr = m[3, PARTS - 1] <= m[3, 0] + 1
        ok_fds = m[4, PARTS - 1] <= m[4, 0] + 1
        ok_del = m[5, PARTS - 1] <= m[5, 0] * 1.5 || m[5, PARTS - 1] <= m[5, 0] + 20
        printf("soak: memory %s: medians within %.2f %% (%d kB)\n", ok_mem ? "flat" : "GROWS", share, spread[2])
        printf("soak: threads %s, open files %s\n", ok_thr ? "flat" : "GROW", ok_fds ? "flat" : "GROW")
        printf("soak: delay %s: p99 %.0f ms, then %.0f\n", ok_del ? "stable" : "UNSTABLE", m[5, 0], m[5, PARTS - 1])
        exit !((ok_mem || ENVIRON["SOAK_MEMORY"] == "no") && ok_thr && ok_fds && (ok_del || minutes < 5))
    }'
