#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make test-arm: the whole tree for 64-bit ARM with gcc's -Werror (build-arm), then under qemu-user
#   every kernel against C, on a processor with i8mm, one with dotprod, one with plain NEON
#   whole models at every level against LiteRT and ONNX Runtime (NEXTPOSE_PYTHON with the peers, ../shared; skipped by name without)
# Exit 77: no cross compiler or no qemu-aarch64. Takes three to five minutes, so it is not part of `make test`.
set -eu
cd "$(dirname "$0")/.."
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v "$tool" >/dev/null || { echo "SKIP: needs $tool (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)"; exit 77; }
done
build=${1:-build-arm}
[ -f "$build/build.ninja" ] || meson setup "$build" --cross-file cross/aarch64-linux-gnu.txt -Dauto_features=disabled >"$build.setup.log" 2>&1 || { cat "$build.setup.log"; exit 1; }
rm -f "$build.setup.log"
ninja -C "$build" >"$build/ninja.log" 2>&1 || { tail -n 40 "$build/ninja.log"; exit 1; }
echo "built for aarch64, no warnings"
failed=0
for cpu in max cortex-a76 cortex-a53; do
    printf '%s: ' "$cpu"
    # gemm_bf16 is C on ARM and slow in an emulator: once is enough.
    if [ "$cpu" = max ]; then
        qemu-aarch64 -cpu "$cpu" -L /usr/aarch64-linux-gnu "$build/tests/kernel/check" >"$build/check.log" && tail -n 1 "$build/check.log" || { cat "$build/check.log"; failed=1; }
        continue
    fi
    : >"$build/check.log"
    for family in add_q8 elem_q8 elem_f32 move gemm_f32 dwconv_f32 gemm_q8 dwconv_q8 pool resize pixel; do
        qemu-aarch64 -cpu "$cpu" -L /usr/aarch64-linux-gnu "$build/tests/kernel/check" --family "$family" >>"$build/check.log" || failed=1
    done
    grep -h '^FAIL' "$build/check.log" || sed -n 's/^.*failed, .*levels:/levels:/p' "$build/check.log" | sort -u
done
run=$(realpath "$build")/run_model.sh
printf '#!/bin/sh\nexec qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu "%s" "$@"\n' "$(realpath "$build")/tests/models/run_model" >"$run"
chmod +x "$run"
export NEXTPOSE_SHARED="${NEXTPOSE_SHARED:-$PWD/../shared}"
for model in mobilenet person_detect movenet_int8 pose_lite; do
    tests/models/run_models.sh "$run" --only "$model" --quick && continue
    [ $? = 77 ] || failed=1
done
[ "$failed" = 0 ] && echo "test-arm: ok" || { echo "test-arm: FAILED"; exit 1; }
