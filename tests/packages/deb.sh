#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Inside of a clean Debian: the package for apt.
set -euo pipefail
# shellcheck source=tests/packages/film.sh
source /check/film.sh
command -v cargo cc gcc && fail "this is no clean system"
files() { find / -xdev \( -path /proc -o -path /tmp -o -path /var -o -path /check -o -path /root \) -prune -o -print | sort; }

quiet_apt update
start=$SECONDS
# What it recommends brings a hundred more: these are what a film needs.
quiet_apt install --no-install-recommends /check/gst-portrait_*.deb gstreamer1.0-tools gstreamer1.0-plugins-good \
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
echo "apt install took $((SECONDS - start)) s"
dpkg --verify gst-portrait || fail "dpkg --verify"
inspect
start=$SECONDS
launch /tmp/demo.mp4
portrait-animate /check/photo.jpg /check/speech.wav --output /tmp/film.mp4 || fail "portrait-animate"
is_film /tmp/film.mp4
echo "two films took $((SECONDS - start)) s"

# Without libtorch the elements are listed, and one error says what to do.
lib=/usr/lib/x86_64-linux-gnu/gst-portrait/libtorch
mv $lib/libtorch_cpu.so /tmp/
gst-inspect-1.0 talkinghead >/tmp/inspect.txt 2>&1 || fail "without libtorch talkinghead is not listed"
grep -q "NOT USABLE HERE: libtorch 2.11 (libtorch_cpu.so) is missing" /tmp/inspect.txt || fail "$(head -20 /tmp/inspect.txt)"
gst-launch-1.0 audiotestsrc num-buffers=1 ! talkinghead portrait=/check/photo.jpg emotion=happy ! fakesink \
    >/tmp/error.txt 2>&1 && fail "a pipeline without libtorch plays"
grep -q "libtorch_cpu.so.*apt-get install --reinstall" /tmp/error.txt || fail "$(cat /tmp/error.txt)"
mv /tmp/libtorch_cpu.so $lib/
# The registry notices that it is back.
inspect

# A missing encoder is named with its package.
quiet_apt remove gstreamer1.0-plugins-ugly
said=$(portrait-animate /check/photo.jpg /check/speech.wav --output /tmp/no.mp4 2>&1) && fail "a film without x264enc"
case $said in
    *x264enc*gstreamer1.0-plugins-ugly*) echo "without x264enc: $said" ;;
    *) fail "$said" ;;
esac

before=$(mktemp) after=$(mktemp)
files >"$before"
quiet_apt remove gst-portrait
files >"$after"
grep -E 'gst-?portrait|portrait-animate' "$after" && fail "apt remove leaves these"
echo "apt remove took $(($(wc -l <"$before") - $(wc -l <"$after"))) files and folders and left none"
