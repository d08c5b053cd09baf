#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh FILE...: the files as C strings, `const struct npi_embedded npi_embedded[]`, by name without folder. POSIX sh and sed only.
set -eu
printf '/* made by src/tune/embed.sh from presets/ */\n#include "tune/preset.h"\n\nconst struct npi_embedded npi_embedded[] = {\n'
for f in "$@"; do
    printf '    { "%s",\n' "${f##*/}"
    sed 's/\\/\\\\/g; s/"/\\"/g; s/^/      "/; s/$/\\n"/' "$f"
    printf '    },\n'
done
printf '    { 0, 0 },\n};\n'
