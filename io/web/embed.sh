#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh FILE…: the files as C arrays and the table npi_web_files of http.h, on standard output. POSIX tools only.
echo '/* Made by io/web/embed.sh. */'
echo '#include "http.h"'
n=0
for f in "$@"; do
    echo "static const unsigned char file$n[] = {"
    od -An -v -tu1 "$f" | sed 's/  */,/g; s/^,//; s/$/,/'
    echo '};'
    n=$((n + 1))
done
echo 'const struct npi_web_file npi_web_files[] = {'
n=0
for f in "$@"; do
    name=$(basename "$f")
    case $name in
        *.html) type='text/html; charset=utf-8' ;;
        *.js) type='text/javascript; charset=utf-8' ;;
        *.css) type='text/css; charset=utf-8' ;;
        *.svg) type=image/svg+xml ;;
        *) echo "embed.sh: no type for $name" >&2; exit 1 ;;
    esac
    [ "$name" = index.html ] && name=
    echo "    { \"/$name\", \"$type\", file$n, sizeof file$n },"
    n=$((n + 1))
done
echo '    { NULL, NULL, NULL, 0 },'
echo '};'
