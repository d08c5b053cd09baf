#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The window under Xvfb; see check_window.py. Skipped by name without Xvfb, xdotool or ImageMagick.
py=${NEXTPOSE_PYTHON:-python3}
folder=${NEXTPOSE_SCREENSHOTS:-$(mktemp -d)}
"$py" "$NEXTPOSE_SOURCE/tests/views/check_window.py" "$NEXTPOSE_BUILD/tools/nextpose" "${NEXTPOSE_SHARED:-/nonexistent}" "$folder"
rc=$?
[ -n "${NEXTPOSE_SCREENSHOTS:-}" ] || rm -rf "$folder"
exit $rc
