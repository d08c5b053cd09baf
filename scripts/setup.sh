#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing to build and run: Debian packages, nothing else. `setup.sh test` adds what the tests need, `setup.sh arm` what `make test-arm` needs.
set -eu
want="gcc make pkg-config meson ninja-build libavformat-dev libavcodec-dev libavutil-dev libswscale-dev libavdevice-dev libmicrohttpd-dev libsdl2-dev libjansson-dev libinih-dev libzip-dev python3 python3-venv python3-pip"
[ "${1:-}" = test ] && want="$want libcmocka-dev clang libclang-rt-14-dev ffmpeg g++ valgrind chromium xvfb xdotool imagemagick qemu-user"
[ "${1:-}" = arm ] && want="$want gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
missing=""
for p in $want; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "setup: installing$missing"
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# One try with the lists at hand, one after an update: mirrors move on.
if ! $sudo apt-get install -y --no-install-recommends $missing >"$log" 2>&1; then
    $sudo apt-get update >"$log" 2>&1 || true
    if ! $sudo apt-get install -y --no-install-recommends $missing >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        echo "setup: apt-get could not install:$missing" >&2
        exit 1
    fi
fi
rm -f "$log"
