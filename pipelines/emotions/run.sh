#!/usr/bin/env bash
# The same sentence in eight emotions, side by side. See README.md for the variables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

PORTRAIT=${PORTRAIT:-$root/tests/data/portrait-grace-hopper.jpg}
SOURCE=${SOURCE:-$root/tests/data/speech-af_heart.wav}
OUTPUT=${OUTPUT:-emotions.mp4}
INTENSITY=${INTENSITY:-1.0}
SIZE=${SIZE:-256}
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-${CARGO_TARGET_DIR:-$root/target}/debug}

for file in "$PORTRAIT" "$SOURCE"; do
    [ -r "$file" ] || { echo "error: cannot read $file" >&2; exit 1; }
done

# Two rows of four; one seed, so that only the emotion differs.
places=()
heads=()
index=0
for emotion in neutral happy sad surprise fear angry disgust contempt; do
    places+=("sink_$index::xpos=$((index % 4 * SIZE))" "sink_$index::ypos=$((index / 4 * SIZE))")
    heads+=(
        t. ! queue ! talkinghead "portrait=$PORTRAIT" "emotion=$emotion" "emotion-intensity=$INTENSITY"
        ! videoconvert ! videoscale ! "video/x-raw,format=I420,width=$SIZE,height=$SIZE"
        ! queue ! "mix.sink_$index"
    )
    index=$((index + 1))
done

# The sound waits in a queue without limits until the pictures are drawn: those have limits and hold the source back.
gst-launch-1.0 --quiet --eos-on-shutdown \
    compositor name=mix background=black "${places[@]}" \
    ! video/x-raw,framerate=25/1 ! videoconvert ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m \
    ! filesink location="$OUTPUT" \
    filesrc location="$SOURCE" ! decodebin ! audioconvert ! audioresample ! tee name=t \
    t. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 \
    ! audioconvert ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! m. \
    "${heads[@]}"
echo "wrote $OUTPUT"
