#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs/benchmarks.md from what `make bench` left in results/: no number in it was typed by hand.
set -eu
cd "$(dirname "$0")/.."
{
    echo "# Benchmarks"
    echo
    echo "Made by \`make bench\` from \`results/\`; the machine is named in each part. Ratios are peer / ours, interleaved, minimum (engine) or best rate (pipeline) of the rounds."
    for part in engine command live; do
        [ -s "results/$part.txt" ] || continue
        echo
        case $part in
        engine) echo "## Nets against other runtimes" && echo && echo "![speed relative to the best peer](peers.svg)" && echo ;;
        command) echo "## The command: a clip, start, memory, size" ;;
        *) echo "## Pipeline against others" ;;
        esac
        echo '```'
        cat "results/$part.txt"
        echo '```'
    done
    if [ -s results/pipeline.md ]; then
        echo
        echo "## Settings, and what each costs"
        cat results/pipeline.md
        echo
        echo "Presets live at the clip's own rate; the others every frame, as fast as it goes. Joint errors are against the every-frame run. Plots: \`results/pipeline.html\`."
    fi
} >docs/benchmarks.md
echo "docs/benchmarks.md written"
