#!/usr/bin/env bash
# A photo speaks a recording into an MP4 file. See README.md for the variables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

PORTRAIT=${PORTRAIT:-$root/tests/data/portrait-grace-hopper.jpg}
SOURCE=${SOURCE:-$root/tests/data/speech-af_heart.wav}
OUTPUT=${OUTPUT:-file-to-mp4.mp4}
EMOTION=${EMOTION:-neutral}
FRAMING=${FRAMING:-crop}
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-${CARGO_TARGET_DIR:-$root/target}/debug}

for file in "$PORTRAIT" "$SOURCE"; do
    [ -r "$file" ] || { echo "error: cannot read $file" >&2; exit 1; }
done

# The sound waits in a queue without limits until the picture is drawn and encoded; it cannot grow beyond that, because
# the limited queues of the picture hold the source back.
gst-launch-1.0 --quiet --eos-on-shutdown \
    filesrc location="$SOURCE" ! decodebin ! audioconvert ! audioresample ! tee name=t \
    t. ! queue ! talkinghead portrait="$PORTRAIT" emotion="$EMOTION" framing="$FRAMING" \
    ! videoconvert ! videoscale ! 'video/x-raw,format=I420,width=[2,16384,2],height=[2,16384,2]' \
    ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink location="$OUTPUT" \
    t. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 \
    ! audioconvert ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! m.
echo "wrote $OUTPUT"
