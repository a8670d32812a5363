#!/usr/bin/env bash
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

# Where the picture goes.
if [ -n "$OUTPUT" ]; then
    picture=(videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=veryfast ! queue ! mux.)
    sound=(audioconvert ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! queue ! mux.)
    file=(mp4mux name=mux ! filesink "location=$OUTPUT")
elif [ $screen = yes ]; then
    picture=(videoconvert ! autovideosink)
    sound=(audioconvert ! audioresample ! autoaudiosink)
    file=()
else
    echo "no display: the pictures are timed and thrown away"
    picture=(fakesink sync=true)
    sound=(fakesink sync=true)
    file=()
fi

# Both queues are longer than the look-ahead of the portrait, so that neither branch of the tee waits for the other.
gst-launch-1.0 --quiet --eos-on-shutdown \
    "${voice[@]}" ! tee name=t \
    t. ! queue max-size-time=5000000000 max-size-bytes=0 max-size-buffers=0 \
    ! talkinghead portrait="$PORTRAIT" ! queue ! "${picture[@]}" \
    t. ! queue max-size-time=5000000000 max-size-bytes=0 max-size-buffers=0 ! "${sound[@]}" \
    "${file[@]}"
[ -z "$OUTPUT" ] || echo "wrote $OUTPUT"
