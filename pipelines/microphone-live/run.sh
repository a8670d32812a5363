#!/usr/bin/env bash
# A voice drives the photo live: microphone, text to speech, or a file played at its own speed. See README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

PORTRAIT=${PORTRAIT:-$root/tests/data/portrait-grace-hopper.jpg}
SOURCE=${SOURCE:-}
TEXT=${TEXT:-}
OUTPUT=${OUTPUT:-}
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-${CARGO_TARGET_DIR:-$root/target}/debug}

[ -r "$PORTRAIT" ] || { echo "error: cannot read $PORTRAIT" >&2; exit 1; }

# Where the voice comes from.
screen=yes
[ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || screen=no
if [ "$SOURCE" = microphone ] || { [ -z "$SOURCE$TEXT" ] && [ $screen = yes ]; }; then
    voice=(autoaudiosrc)
elif [ -n "$TEXT" ]; then
    gst-inspect-1.0 --exists espeak || { echo "error: TEXT needs gstreamer1.0-espeak" >&2; exit 1; }
    voice=(espeak "text=$TEXT" ! audioconvert ! audioresample ! identity sync=true)
else
    SOURCE=${SOURCE:-$root/tests/data/speech-af_heart.wav}
    [ -r "$SOURCE" ] || { echo "error: cannot read $SOURCE" >&2; exit 1; }
    voice=(filesrc "location=$SOURCE" ! decodebin ! audioconvert ! audioresample ! identity sync=true)
fi

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
