#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: compare_demo.sh NEXTPOSE. 30 frames of the demo clip are 90 people, 3,000 joints; compare_demo.py by hand does them all.
here=$(dirname "$0")
clip="$NEXTPOSE_SHARED/clips/p2s_multi_cam01.mp4"
[ -f "$clip" ] || { echo "SKIP: needs ../shared (clip and models)"; exit 77; }
if nm -D "$NEXTPOSE_BUILD/src/libnextpose.so" | grep -qE '__(asan|tsan)_init'; then echo "SKIP: numbers are compared in the release build"; exit 77; fi
command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || { echo "SKIP: needs ffmpeg"; exit 77; }
"${NEXTPOSE_PYTHON:-/nonexistent}" -c 'import cv2, numpy, ai_edge_litert' 2>/dev/null || { echo "SKIP: needs NEXTPOSE_PYTHON with numpy, cv2 and ai_edge_litert"; exit 77; }
exec "$NEXTPOSE_PYTHON" "$here/compare_demo.py" "$1" "$clip" "$NEXTPOSE_SHARED/models" 30
