#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh HEADER DECLARATION FILE...: the files as C strings in an array of { name, text }, by name without folder, ended by { 0, 0 }.
# HEADER declares the array ("tune/preset.h"), DECLARATION is its type and name. POSIX sh and sed only.
set -eu
printf '/* made by scripts/embed.sh */\n#include "%s"\n\n%s[] = {\n' "$1" "$2"
shift 2
for f in "$@"; do
    printf '    { "%s",\n' "${f##*/}"
    sed 's/\\/\\\\/g; s/"/\\"/g; s/^/      "/; s/$/\\n"/' "$f"
    printf '    },\n'
done
printf '    { 0, 0 },\n};\n'
