#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# The face in a video drives the photo. See README.md for the variables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

PORTRAIT=${PORTRAIT:-$root/tests/data/portrait-grace-hopper.jpg}
SOURCE=${SOURCE:-}
OUTPUT=${OUTPUT:-video-drives-photo.mp4}
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-${CARGO_TARGET_DIR:-$root/target}/debug}

[ -r "$PORTRAIT" ] || { echo "error: cannot read $PORTRAIT" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$SOURCE" ]; then
    # No video is bundled: the other photo, made to speak, is one.
    SOURCE=$work/driver.mp4
    echo "making a driving video"
    gst-launch-1.0 --quiet --eos-on-shutdown \
        filesrc location="$root/tests/data/speech-am_michael.wav" ! wavparse \
        ! talkinghead portrait="$root/tests/data/portrait-astronaut.png" seed=3 \
        ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! mp4mux \
        ! filesink location="$SOURCE"
fi
[ -r "$SOURCE" ] || { echo "error: cannot read $SOURCE" >&2; exit 1; }

gst-launch-1.0 --quiet --eos-on-shutdown \
    filesrc location="$SOURCE" ! decodebin ! videoconvert ! queue \
    ! facelandmarks ! landmarks2latents ! facesynth portrait="$PORTRAIT" \
    ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! mp4mux \
    ! filesink location="$OUTPUT"
echo "wrote $OUTPUT"
