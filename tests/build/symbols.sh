#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Only np_ symbols leave the library, and all that the headers promise are there.
set -eu
lib="$NEXTPOSE_BUILD/src/libnextpose.so"
nm -D --defined-only "$lib" | awk '{print $3}' | sed 's/@.*//' | sort -u >"$NEXTPOSE_BUILD/symbols.out"
bad=$(grep -v '^np_' "$NEXTPOSE_BUILD/symbols.out" | grep -v -E '^(_init|_fini|__asan|__ubsan|__odr|__sanitizer|__tsan|___)' || true)
[ -z "$bad" ] || { echo "symbols that must not leave the library: $bad"; exit 1; }
missing=0
for f in $(grep -ohE 'NP_API [^;(]*\b(np_[a-z0-9_]+)\(' "$NEXTPOSE_SOURCE"/include/nextpose/*.h | grep -oE 'np_[a-z0-9_]+\($' | tr -d '('); do
    grep -qx "$f" "$NEXTPOSE_BUILD/symbols.out" || { echo "declared but not in the library: $f"; missing=1; }
done
[ $missing = 0 ] && echo "symbols: $(wc -l <"$NEXTPOSE_BUILD/symbols.out") exported, all np_"
exit $missing
