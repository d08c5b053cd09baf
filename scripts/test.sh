#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make test: every test, in three builds. The last lines are the test runner's own sum.
#   build        gcc, release: all suites
#   build-asan   clang, ASan + UBSan: all suites but for what is named below
#   build-tsan   gcc, TSan: the pipeline, the pool, the views; built as far as these need it
# NEXTPOSE_TEST_FAST=1: only the first.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh test
venv=${NEXTPOSE_VENV:-$PWD/.venv-test}
if [ -z "${NEXTPOSE_PYTHON:-}" ]; then
    if [ ! -x "$venv/bin/python" ] || ! cmp -s tests/requirements.txt "$venv/requirements.txt"; then
        echo "test: making $venv (ONNX Runtime, LiteRT, OpenVINO, OpenCV: the peers and runtimes that numerics are checked against)"
        if python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt; then
            cp tests/requirements.txt "$venv/requirements.txt"
        else
            echo "test: no virtual environment; tests that need the peers are skipped by name" >&2
        fi
    fi
    # LibTorch by itself, without what its Python side and CUDA need: 1.3 GB instead of 6.
    if [ -x "$venv/bin/pip" ] && ! cmp -s tests/requirements-torch.txt "$venv/requirements-torch.txt"; then
        if "$venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps -r tests/requirements-torch.txt; then
            cp tests/requirements-torch.txt "$venv/requirements-torch.txt"
        else
            echo "test: no LibTorch; its tests are skipped by name" >&2
        fi
    fi
    NEXTPOSE_PYTHON="$venv/bin/python"
    export NEXTPOSE_PYTHON
fi

passed=0 failed=0 skipped=0
# run NAME meson-test-arguments…: prints what failed and adds up the sums of the runner
run() {
    dir=$1
    shift
    log="$dir/test-run.log"
    meson test -C "$dir" --print-errorlogs --num-processes 2 "$@" >"$log" 2>&1 && rc=0 || rc=$?
    cat "$log"
    ok=$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
    sk=$(sed -n 's/^Skipped: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
    bad=$(awk '/^(Fail|Timeout|Unexpected Pass): /{n += $NF} END{print n + 0}' "$log")
    [ "$rc" = 0 ] || [ "$bad" != 0 ] || bad=1
    passed=$((passed + ${ok:-0})) skipped=$((skipped + ${sk:-0})) failed=$((failed + bad))
}
setup() {
    dir=$1
    shift
    [ -f "$dir/build.ninja" ] || "$@" >"$dir.setup.log" 2>&1 || { cat "$dir.setup.log"; exit 1; }
    rm -f "$dir.setup.log"
}
build() {
    setup "$@"
    ninja -C "$dir" >"$dir/ninja.log" 2>&1 || { tail -n 40 "$dir/ninja.log"; exit 1; }
}

# The LibTorch plug-in's C++ shim is built for the LibTorch of the virtual environment, in the first build only.
torch=$("$NEXTPOSE_PYTHON" -c 'import os, sysconfig; print(os.path.join(sysconfig.get_path("purelib"), "torch"))' 2>/dev/null || true)
[ -f "$torch/lib/libtorch_cpu.so" ] || torch=
build build meson setup build ${torch:+"-Dtorch_dir=$torch"}
run build
if [ -z "${NEXTPOSE_TEST_FAST:-}" ]; then
    build build-asan env CC=clang meson setup build-asan -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1 run build-asan --timeout-multiplier 8 --no-suite backend --no-suite cli --no-suite views --no-suite train
    # Of the suites that run the whole command all but these:
    #   contract-*, compare-openvino, compare-torch   foreign libraries throw C++ exceptions and bring allocators of their own
    #   faults, quantize, bench, identities           minutes each there; isolate, quant_peers, the units quant and bench, the other runs go through their code
    #   soak, reconnect, load, rtsp, slow             real time, and memory that ASan keeps is no leak; views/retry, hub and web have the logic
    #   precision                                     the same emulated products many times over; the kernel test and the units have each
    not_asan='contract-|compare-openvino|compare-torch|faults$|quantize$|bench$|identities$|soak$|reconnect$|load$|rtsp$|slow$|precision$'
    in_asan=$(meson test -C build-asan --list --suite backend --suite cli --suite views 2>/dev/null | sed -n 's/^nextpose:[^ ]* \/ //p' | grep -vE "^($not_asan)")
    # shellcheck disable=SC2086 # names without spaces
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1 run build-asan --timeout-multiplier 8 $in_asan
    setup build-tsan meson setup build-tsan -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false
    TSAN_OPTIONS=halt_on_error=1 run build-tsan --timeout-multiplier 8 --suite pipe
    TSAN_OPTIONS=halt_on_error=1 run build-tsan --timeout-multiplier 8 hub pool retry web slow
fi
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
