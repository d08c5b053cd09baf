#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Includes point down: each src/<layer>/ includes only itself and what layers.txt allows. Prints every include that climbs.
cd "$NEXTPOSE_SOURCE" || exit 1
bad=0
for dir in src/*/; do
    layer=$(basename "$dir")
    allowed=$(sed -n "s/^$layer: *//p" tests/build/layers.txt)
    grep -q "^$layer:" tests/build/layers.txt || { echo "layers.txt has no line for src/$layer"; bad=1; }
    for inc in $(grep -rhoE '^#include "[a-z0-9_]+/' "$dir" | sed 's/.*"//; s,/,,' | sort -u); do
        case " $layer nextpose $allowed " in
        *" $inc "*) ;;
        *) echo "src/$layer may not include $inc/:"; grep -rn "^#include \"$inc/" "$dir"; bad=1 ;;
        esac
    done
done
# io and tools see only the public face (and tools see io).
grep -rnE '^#include "(base|cpu|ir|ops|kernel|import|pass|plan|backend|vision|decode|track|card|pipe|api)/' io tools && bad=1
# Plug-ins see the plug-in interface only: they are built apart from the library.
grep -rnE '^#include ("(base|cpu|ir|ops|kernel|import|pass|plan|backend|vision|decode|track|card|pipe|api|io|tools)/|["<]nextpose/)' plugins |
    grep -v '<nextpose/backend.h>' && bad=1
[ $bad = 0 ] && echo "layers: every include points down"
exit $bad
