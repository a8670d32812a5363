#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A voice drives the photo live: microphone, text to speech, or a file played at its own speed. See README.md.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
OUTPUT=${OUTPUT:-}

# Where the voice comes from.
screen=yes
[ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || screen=no
[ -n "$SOURCE$TEXT" ] || [ $screen = no ] || SOURCE=microphone
voice

# Longer than the look-ahead of the portrait, so that neither branch of the tee waits for the other.
LIVE_QUEUE=(queue max-size-time=5000000000 max-size-bytes=0 max-size-buffers=0)

# Where the picture goes.
if [ -n "$OUTPUT" ]; then
    writes PORTRAIT SOURCE
    picture=(videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=veryfast ! queue ! mux.)
    sound=("${film_sound[@]}" ! mux.)
    file=(mp4mux name=mux ! filesink "location=$(quoted "$part")")
elif [ $screen = yes ]; then
    picture=(videoconvert ! autovideosink)
    sound=("${LIVE_QUEUE[@]}" ! audioconvert ! audioresample ! autoaudiosink)
    file=()
else
    echo "no display: the pictures are timed and thrown away"
    picture=(fakesink sync=true)
    sound=("${LIVE_QUEUE[@]}" ! fakesink sync=true)
    file=()
fi

play --eos-on-shutdown \
    "${voice[@]}" ! tee name=t \
    t. ! "${LIVE_QUEUE[@]}" ! talkinghead portrait="$(quoted "$PORTRAIT")" ! queue ! "${picture[@]}" \
    t. ! "${sound[@]}" \
    "${file[@]}"
[ -z "$OUTPUT" ] || written
