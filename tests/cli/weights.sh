#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nextpose models and our own nets, those that are part of the library and the one that lies beside it. Needs no download.
. "$(dirname "$0")/lib.sh"
weights=$NEXTPOSE_SOURCE/weights
"$NP" models list --models-dir "$weights" >"$T/list" || fail "models list"
grep -q "^np-s  *pose  *Apache-2.0  *$weights/np-s.onnx" "$T/list" || fail "np-s is not found beside the library: $(grep ^np-s "$T/list")"
"$NP" models verify --models-dir "$weights" np-s >"$T/out" || fail "verify np-s: $(cat "$T/out")"
grep -q "^np-s  *right" "$T/out" || fail "np-s has another hash than its card: $(cat "$T/out")"
"$NP" models info --models-dir "$weights" np-s | grep -q "^hash  *right" || fail "models info np-s"
export HOME="$T" XDG_CACHE_HOME= XDG_DATA_HOME=
expect 3 "cannot be fetched by this command; it comes from: weights/np-s.onnx" "$NP" models get --models-dir "$T/m" np-s
expect 3 "did you mean 'np-xs'|did you mean 'np-s'" "$NP" models get --models-dir "$T/m" np-x
[ -z "$(find "$T/m" -type f 2>/dev/null)" ] || fail "a failed 'models get' left files"
"$NP" models list >"$T/list" || fail "models list"
if grep -q "^np-xs .*built in" "$T/list"; then
    for m in np-xs np-det; do
        "$NP" models get --models-dir "$T/m" "$m" >"$T/out" || fail "get $m"
        cmp "$T/m/$m.onnx" "$weights/$m.onnx" || fail "$m: other bytes than were built in"
        "$NP" models verify --models-dir "$T/m" "$m" | grep -q "^$m  *right" || fail "$m has another hash than its card"
    done
    printf x >>"$T/m/np-xs.onnx"
    "$NP" models verify --models-dir "$T/m" np-xs >"$T/out" && fail "a changed file passes"
    grep -q "^np-xs  *WRONG" "$T/out" || fail "no word of the changed file: $(cat "$T/out")"
    "$NP" models get --models-dir "$T/m" -q np-xs && "$NP" models verify --models-dir "$T/m" np-xs >/dev/null || fail "get does not put it right"
else
    grep -q "^np-xs .*not here" "$T/list" || fail "np-xs is neither built in nor missing"
fi
done_testing
