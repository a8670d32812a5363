#!/usr/bin/env bash
# A voice drives the mouth, a video the head. See README.md for the variables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

PORTRAIT=${PORTRAIT:-$root/tests/data/portrait-grace-hopper.jpg}
SOURCE=${SOURCE:-$root/tests/data/speech-af_heart.wav}
DRIVER=${DRIVER:-}
OUTPUT=${OUTPUT:-pose-transfer.mp4}
DRIVE=${DRIVE:-pose}
LOOP=${LOOP:-true}
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-${CARGO_TARGET_DIR:-$root/target}/debug}

for file in "$PORTRAIT" "$SOURCE"; do
    [ -r "$file" ] || { echo "error: cannot read $file" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$DRIVER" ]; then
    # No video is bundled: the other photo, made to speak, is one.
    DRIVER=$work/driver.mp4
    echo "making a driving video"
    gst-launch-1.0 --quiet --eos-on-shutdown \
        filesrc location="$SOURCE" ! decodebin ! audioconvert ! audioresample \
        ! talkinghead portrait="$root/tests/data/portrait-astronaut.png" seed=3 \
        ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! mp4mux \
        ! filesink location="$DRIVER"
fi
[ -r "$DRIVER" ] || { echo "error: cannot read $DRIVER" >&2; exit 1; }

gst-launch-1.0 --quiet --eos-on-shutdown \
    filesrc location="$SOURCE" ! decodebin ! audioconvert ! audioresample ! tee name=t \
    t. ! queue ! talkinghead name=head portrait="$PORTRAIT" drive="$DRIVE" pose-loop="$LOOP" \
    ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m \
    ! filesink location="$OUTPUT" \
    t. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 \
    ! audioconvert ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! m. \
    filesrc location="$DRIVER" ! decodebin ! videoconvert ! facelandmarks ! queue ! head.pose
echo "wrote $OUTPUT"
