# SPDX-License-Identifier: Apache-2.0
# Completion of the nextpose command. Options and choices come from the command's own --help, so that this file never lags behind it.
_nextpose() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cmd=${COMP_WORDS[1]} np=${COMP_WORDS[0]} words help
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ] && [ "${cur#-}" = "$cur" ]; then
        words="$("$np" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p') help"
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
        return
    fi
    local -a call=("$np" "$cmd")
    case $cmd in
        help)
            words=$("$np" help 2>/dev/null | sed -n '/^topics:/,$s/^  \([a-z-]*\)  *.*/\1/p')
            COMPREPLY=($(compgen -W "$words" -- "$cur"))
            return ;;
        bench)
            if [ "$COMP_CWORD" = 2 ]; then
                words=$("$np" bench --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p')
                COMPREPLY=($(compgen -W "$words" -- "$cur"))
                return
            fi
            call+=("${COMP_WORDS[2]}") ;;
        models) [ "$COMP_CWORD" = 2 ] && { COMPREPLY=($(compgen -W "list info get verify card" -- "$cur")); return; } ;;
    esac
    help=$("${call[@]}" --help 2>/dev/null)
    case $cur in
        -*)
            words=$(printf '%s\n' "$help" | grep -oE -e '(^|[ ,])--[a-z][a-z-]*' | tr -d ' ,' | sort -u)
            COMPREPLY=($(compgen -W "$words" -- "$cur"))
            return ;;
    esac
    case $prev in
        --*) # "--log-level error|warn|info|debug", or "--backend NAME   auto, native, onnx, …"
            words=$(printf '%s\n' "$help" | sed -n "s/^.*$prev \([a-z0-9_-]*|[a-z0-9_|-]*\).*/\1/p" | tr '|' ' ')
            [ -n "$words" ] || words=$(printf '%s\n' "$help" | sed -n "s/^.*$prev NAME[^ ]*  *\([a-z0-9_]*, [a-z0-9_, ]*[a-z0-9_]\).*/\1/p" | tr -d ',')
            if [ -n "$words" ]; then
                COMPREPLY=($(compgen -W "$words" -- "$cur"))
                return
            fi ;;
    esac
    COMPREPLY=($(compgen -f -- "$cur"))
}
complete -o filenames -F _nextpose nextpose
