#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each public header compiles alone, as C11 and as C++17, without a warning.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
for h in "$NEXTPOSE_SOURCE"/include/nextpose/*.h; do
    name=$(basename "$h")
    echo "#include <nextpose/$name>" >"$tmp/t.c"
    cp "$tmp/t.c" "$tmp/t.cc"
    ${CC:-cc} -std=c11 -pedantic -Wall -Wextra -Werror -I "$NEXTPOSE_SOURCE/include" -fsyntax-only "$tmp/t.c"
    if command -v c++ >/dev/null; then c++ -std=c++17 -pedantic -Wall -Wextra -Werror -I "$NEXTPOSE_SOURCE/include" -fsyntax-only "$tmp/t.cc"; fi
    n=$((n + 1))
done
echo "headers: $n compile alone, C11 and C++17"
