#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed_weights.sh FILE...: the files as bytes of the library, in a table by name without folder (card/weights.h). Without files: an empty table.
# The assembler takes them in (.incbin): as C text four megabytes would take the compiler a minute. POSIX sh only.
set -eu
printf '/* made by scripts/embed_weights.sh */\n#include "card/weights.h"\n\n'
i=0
for f in "$@"; do
    printf '/* %s */\n' "$(cksum <"$f")"
    printf '__asm__(".pushsection .rodata\\n.balign 64\\n.globl npi_weights_%d\\n.hidden npi_weights_%d\\nnpi_weights_%d:\\n.incbin \\"%s\\"\\n.popsection\\n");\n' $i $i $i "$f"
    printf 'extern const unsigned char npi_weights_%d[] __attribute__((visibility("hidden")));\n' $i
    i=$((i + 1))
done
printf '\nconst struct npi_weights npi_weights[] = {\n'
i=0
for f in "$@"; do
    printf '    { "%s", npi_weights_%d, %d },\n' "${f##*/}" $i "$(wc -c <"$f")"
    i=$((i + 1))
done
printf '    { 0, 0, 0 },\n};\n'
