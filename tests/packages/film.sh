# SPDX-License-Identifier: MIT OR Apache-2.0
# Sourced by the checks, inside of the root file system.
# shellcheck shell=bash
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

quiet_apt() {
    apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/tmp/apt.log 2>&1 || { tail -20 /tmp/apt.log; fail "apt-get $*"; }
}

# Every element is there, with the pads, properties and signals that the tests know of.
inspect() {
    local file element text name count=0
    for file in /check/inspect/*.txt; do
        element=$(basename "$file" .txt)
        text=$(gst-inspect-1.0 "$element") || fail "gst-inspect-1.0 $element: $text"
        case $text in
            *"NOT USABLE"*) fail "$element: $text" ;;
        esac
        while read -r name; do
            grep -Eq "^ +\"?$name\"? +(:|->)" <<<"$text" || fail "gst-inspect-1.0 $element tells nothing of $name: $text"
            count=$((count + 1))
        done < <(sed -n 's/^\(property\|signal\) \([a-z0-9-]*\).*/\2/p' "$file")
        while read -r name; do
            grep -q "^ *[A-Z]* template: '$name'" <<<"$text" || fail "gst-inspect-1.0 $element has no pad $name: $text"
            count=$((count + 1))
        done < <(sed -n 's/^pad \([a-z0-9_%]*\).*/\1/p' "$file")
    done
    echo "gst-inspect-1.0: $(find /check/inspect -name '*.txt' | wc -l) elements with $count pads, properties and signals," \
        "$(gst-inspect-1.0 --version | sed -n 2p)"
}

# launch FILE: the film of README.md.
launch() {
    timeout 300 gst-launch-1.0 -q -e filesrc location=/check/speech.wav ! decodebin ! audioconvert ! audioresample \
        ! audiorate tolerance=3600000000000 ! tee name=t \
        t. ! queue ! talkinghead portrait=/check/photo.jpg \
        ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink location="$1" \
        t. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac \
        ! identity drop-allocation=true ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m. ||
        fail "the film"
    is_film "$1"
}

is_film() {
    local frames
    [ -s "$1" ] || fail "$1 is empty"
    # grep says no where it counts none, and the number tells.
    frames=$(timeout 60 gst-launch-1.0 -v filesrc location="$1" ! qtdemux ! h264parse ! avdec_h264 \
        ! fakesink silent=false 2>/dev/null | grep -c 'chain.*fakesink0:sink' || true)
    [ "$frames" -ge 48 ] || fail "$1 has $frames pictures of 50"
    echo "$1: $(stat -c %s "$1") bytes, $frames pictures"
}
