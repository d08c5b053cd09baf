#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# evaluate.sh NEXTPOSE IMAGES LABELS.json MODEL...: the table of docs/training.md: each pose net on the very same boxes, by `nextpose eval`.
# IMAGES: pictures 8501-9000 of Leeds Sports Pose Extended; LABELS: scripts/lsp_to_coco.py --first 8501 --last 9000. Two minutes a net.
set -eu
[ $# -ge 4 ] || { sed -n '3,4s/^# //p' "$0" >&2; exit 2; }
nextpose=$1 images=$2 labels=$3
shift 3
echo "| net | PCK@0.2 | mean OKS | AP50 of joints | ms a crop |"
echo "|---|---|---|---|---|"
for m in "$@"; do
    "$nextpose" eval --images "$images" --labels "$labels" --boxes given --model "$m" --quiet | awk -v m="${m##*/}" '
        $1 == "people" && /mean OKS/ { oks = $4; for (i = 1; i <= NF; i++) if ($i == "PCK@0.2") pck = $(i + 1) }
        $1 == "joints" { for (i = 1; i <= NF; i++) if ($i == "AP50") ap = $(i + 1) }
        $1 == "speed" { for (i = 1; i <= NF; i++) if ($i == "nets") ms = $(i + 1) }
        END { printf "| %s | %.3f | %.3f | %.3f | %.1f |\n", m, pck, oks, ap, ms }'
done
