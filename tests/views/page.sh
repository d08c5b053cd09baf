#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The page in a real headless Chromium; see check_page.py. Skipped by name without the browser or its Python client.
py=${NEXTPOSE_PYTHON:-python3}
folder=${NEXTPOSE_SCREENSHOTS:-$(mktemp -d)}
"$py" "$NEXTPOSE_SOURCE/tests/views/check_page.py" "$NEXTPOSE_BUILD/tests/views/web_demo" "$NEXTPOSE_BUILD/tools/nextpose" "${NEXTPOSE_SHARED:-/nonexistent}" "$folder"
rc=$?
[ -n "${NEXTPOSE_SCREENSHOTS:-}" ] || rm -rf "$folder"
exit $rc
