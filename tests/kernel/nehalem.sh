#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: nehalem.sh CHECK RUN_MODEL: nothing executes what the processor does not have: kernel test and a whole model under an emulated Nehalem (SSE4.2, no AVX),
# where any AVX instruction, also one that the linker kept from a file of another level, ends the program. Exit 77: no qemu-user.
command -v qemu-x86_64 >/dev/null 2>&1 || { echo "skipped: qemu-x86_64 (Debian: qemu-user) is not installed"; exit 77; }
nehalem() { qemu-x86_64 -cpu Nehalem "$@"; }
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
status=0
for family in add_q8 gemm_q8 pool; do
    nehalem "$1" --family $family >"$T/out" 2>&1 || { echo "FAIL: $family: $(tail -3 "$T/out")"; status=1; }
    grep -q "levels: scalar$" "$T/out" || { echo "FAIL: $family did not run at level scalar alone: $(tail -1 "$T/out")"; status=1; }
done
M=${NEXTPOSE_SHARED:-}/models/person_detect_int8.tflite
if [ -f "$M" ]; then
    head -c 9216 "$0" >"$T/in"
    while [ "$(wc -c <"$T/in")" -lt 9216 ]; do cat "$0" >>"$T/in"; done
    head -c 9216 "$T/in" >"$T/in96"
    "$2" "$M" "$T/want" "$T/in96" >/dev/null || { echo "FAIL: run_model on this processor"; status=1; }
    nehalem "$2" "$M" "$T/got" "$T/in96" >/dev/null || { echo "FAIL: run_model on a Nehalem"; status=1; }
    cmp "$T/want.0" "$T/got.0" || { echo "FAIL: a Nehalem gives other numbers"; status=1; }
    F=${NEXTPOSE_SHARED}/models/pose_landmark_lite.tflite
    # Float nets as well: the whole way from the file to packed weights, without a run.
    [ ! -f "$F" ] || nehalem "$2" "$F" "$T/f" >/dev/null || { echo "FAIL: loading a float net on a Nehalem"; status=1; }
else echo "no shared models: a whole net was not tested"
fi
[ $status = 0 ] && echo ok
exit $status
