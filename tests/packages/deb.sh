#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Inside of a clean Debian: the package for apt.
set -euo pipefail
# shellcheck source=tests/packages/film.sh
source /check/film.sh
command -v cargo cc gcc && fail "this is no clean system"
# All but what apt and GStreamer write for themselves: lists, logs, the registry.
files() {
    find / -xdev \( -path /proc -o -path /dev -o -path /sys -o -path /tmp -o -path /check -o -path /var/log \
        -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/cache -o -path /root/.cache \) -prune -o -print | sort
}

quiet_apt update
start=$SECONDS
# What it recommends brings a hundred more: these are what a film needs.
quiet_apt satisfy --no-install-recommends "$(dpkg-deb --field /check/gst-portrait_*.deb Depends), gstreamer1.0-tools,
    gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad, gstreamer1.0-plugins-ugly, gstreamer1.0-libav"
echo "what it needs took $((SECONDS - start)) s to fetch and install"
before=$(mktemp) after=$(mktemp)
files >"$before"
start=$SECONDS
quiet_apt install --no-install-recommends /check/gst-portrait_*.deb
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
mv /usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstx264.so /tmp/
said=$(portrait-animate /check/photo.jpg /check/speech.wav --output /tmp/no.mp4 2>&1) && fail "a film without x264enc"
case $said in
    *x264enc*gstreamer1.0-plugins-ugly*) echo "without x264enc: $said" ;;
    *) fail "$said" ;;
esac
mv /tmp/libgstx264.so /usr/lib/x86_64-linux-gnu/gstreamer-1.0/

count=$(dpkg --listfiles gst-portrait | wc -l)
quiet_apt remove gst-portrait
files >"$after"
diff "$before" "$after" || fail "apt remove leaves these"
echo "apt remove took $count files and folders, and none is left: $(wc -l <"$after") are there as before"
