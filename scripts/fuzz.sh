#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each libFuzzer target for FUZZ_SECONDS (default 600), two at a time, from the committed corpus; new inputs go to build-fuzz/corpus.
# A crash leaves its input in build-fuzz/ and ends with 1.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh test
seconds=${FUZZ_SECONDS:-600}
[ -f build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
ninja -C build-fuzz >build-fuzz/ninja.log 2>&1 || { tail -n 30 build-fuzz/ninja.log; exit 1; }
one() {
    target=$1
    name=$(basename "$target")
    kind=${name#fuzz_}
    mkdir -p "build-fuzz/corpus/$kind"
    if UBSAN_OPTIONS=halt_on_error=1 "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build-fuzz/$kind-" "build-fuzz/corpus/$kind" "tests/fuzz/corpus/$kind" >"build-fuzz/$kind.log" 2>&1; then
        echo "fuzz: $kind: ${seconds}s clean, $(sed -n 's/.*number_of_executed_units: *//p' "build-fuzz/$kind.log") inputs run"
    else
        tail -n 25 "build-fuzz/$kind.log"
        echo "fuzz: $kind: FAILED; the input is build-fuzz/$kind-*"
        return 1
    fi
}
bad=0 running=""
for t in build-fuzz/tests/fuzz/fuzz_*; do
    [ -f "$t" ] && [ -x "$t" ] || continue
    one "$t" &
    running="$running $!"
    set -- $running
    if [ $# -ge 2 ]; then
        wait "$1" || bad=1
        shift
        running="$*"
    fi
done
for p in $running; do wait "$p" || bad=1; done
exit $bad
