#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every source file carries its licence; nothing of shared/ or of a model is in the repository.
cd "$NEXTPOSE_SOURCE" || exit 1
list=$(git ls-files 2>/dev/null || find . -type f -not -path './build*' -not -path './.git/*')
bad=$(echo "$list" | grep -E '\.(c|h|cc|py|sh|build|mk)$|(^|/)Makefile$|\.ci/run$' | while read -r f; do [ -f "$f" ] && { head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"; }; done)
[ -z "$bad" ] || { echo "without an SPDX line:"; echo "$bad"; exit 1; }
models=$(echo "$list" | grep -vE '^(\./)?(tests/fuzz/corpus/|docs/views\.jpg$|weights/np-(xs|s|det)\.onnx$)' | grep -E '\.(tflite|onnx|pt|mp4|jpg)$')
[ -z "$models" ] || { echo "models or media in the repository:"; echo "$models"; exit 1; }
echo "spdx: ok"
