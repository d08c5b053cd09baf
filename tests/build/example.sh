#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The program in the head of nextpose.h is cut out, compiled against the library through its pkg-config file and run: with
# the default models installed it must end with 0, without them with 3 and a line that says what to do.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
sed -n '/^ \*   #include <nextpose/,/^ \*   }$/p' "$NEXTPOSE_SOURCE/include/nextpose/nextpose.h" | sed 's/^ \*   //' >"$tmp/example.c"
[ "$(wc -l <"$tmp/example.c")" -ge 15 ] || { echo "no program in the head of nextpose.h"; exit 1; }
if nm -D "$NEXTPOSE_BUILD/src/libnextpose.so" | grep -qE '__(asan|tsan)_init'; then echo "SKIP: the example is not built with sanitizers"; exit 77; fi
flags=$(PKG_CONFIG_PATH="$NEXTPOSE_BUILD/meson-uninstalled" pkg-config --cflags --libs nextpose)
${CC:-cc} -std=c11 -Wall -Wextra -Werror "$tmp/example.c" -o "$tmp/example" $flags
set +e
LD_LIBRARY_PATH="$NEXTPOSE_BUILD/src" "$tmp/example" >"$tmp/out" 2>"$tmp/err"
rc=$?
set -e
cat "$tmp/out" "$tmp/err"
case $rc in
0) echo "example: ran" ;;
3) grep -q 'models get' "$tmp/err" && echo "example: no models installed, said so" || { echo "example: exit 3 without saying what to do"; exit 1; } ;;
*) echo "example: exit $rc"; exit 1 ;;
esac
