#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Bash completion, as bash would call it, and the help topics.
. "$(dirname "$0")/lib.sh"
command -v bash >/dev/null 2>&1 || skip "bash is not installed"
cat >"$T/complete.bash" <<'BASH'
source "$NEXTPOSE_SOURCE/tools/completion.bash"
nextpose() { "$NP" "$@"; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_nextpose
printf '%s\n' "${COMPREPLY[@]}"
BASH
completes() { # WANT words…: one of the answers
    want=$1
    shift
    NP="$NP" bash "$T/complete.bash" "$@" >"$T/out" 2>"$T/err" || fail "completion of '$*' failed: $(cat "$T/err")"
    grep -qx -e "$want" "$T/out" || fail "completion of '$*' lacks $want: $(tr '\n' ' ' <"$T/out")"
}
completes run nextpose ru
completes recommend nextpose rec
completes bench nextpose b
completes compare nextpose bench co
completes --save-video nextpose run --save-v
completes --duration nextpose bench quick --dur
completes quality nextpose run --preset qua
completes debug nextpose run --log-level d
completes verify nextpose models v
completes formats nextpose help f
cd "$T" && touch clip_of_mine.mp4
completes clip_of_mine.mp4 nextpose run -i clip_
expect 0 "" "$NP" help
grep -q "^  formats " "$T/stdout" || fail "help lists no topics"
expect 0 "" "$NP" help formats
[ "$(wc -l <"$T/stdout")" -gt 20 ] || fail "help formats is short"
expect 2 "did you mean 'formats'" "$NP" help format
done_testing
