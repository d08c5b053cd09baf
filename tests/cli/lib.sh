# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests of the command: a scratch folder, and checks that say what was expected and what came.
NP=$NEXTPOSE_BUILD/tools/nextpose
MODELS=${NEXTPOSE_SHARED:-}/models
CLIPS=${NEXTPOSE_SHARED:-}/clips
T=$(mktemp -d)
failures=0
cleanup() { rm -rf "$T"; }
trap cleanup EXIT
unset NEXTPOSE_MODEL NEXTPOSE_DETECTOR NEXTPOSE_INPUT NEXTPOSE_PRESET NEXTPOSE_THREADS NEXTPOSE_MODELS_DIR

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }
need_ffmpeg() { command -v ffmpeg >/dev/null 2>&1 && command -v ffprobe >/dev/null 2>&1 || skip "the ffmpeg command is not installed"; }
need_models() { [ -f "$MODELS/pose_landmark_lite.tflite" ] || skip "no shared models (NEXTPOSE_SHARED=${NEXTPOSE_SHARED:-})"; }
# One small net, whole picture: enough to have real results, quick enough under the sanitizers.
quick() { "$NP" run --models-dir "$MODELS" --detector none --model blazepose_lite "$@"; }

# expect CODE PATTERN command…: exit code, PATTERN (grep -E; "" for any) on stderr; a failure says exactly one line.
expect() {
    want=$1 pattern=$2
    shift 2
    "$@" >"$T/stdout" 2>"$T/stderr" </dev/null
    rc=$?
    lines=$(wc -l <"$T/stderr")
    if [ "$rc" != "$want" ]; then fail "exit code $rc, not $want: $*"; sed 's/^/    /' "$T/stderr"
    elif [ -n "$pattern" ] && ! grep -qE -e "$pattern" "$T/stderr"; then fail "stderr lacks '$pattern': $*"; sed 's/^/    /' "$T/stderr"
    elif [ "$want" != 0 ] && [ "$want" != 130 ] && [ "$lines" != 1 ]; then fail "$lines lines on stderr, not 1: $*"; sed 's/^/    /' "$T/stderr"
    fi
}
# equal GOT WANT WHAT
equal() { [ "$1" = "$2" ] || fail "$3: got '$1', not '$2'"; }
frames_of() { ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 "$1" | tr -d ','; }
done_testing() {
    [ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
    echo ok
    exit 0
}
