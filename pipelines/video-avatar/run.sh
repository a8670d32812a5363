#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A clip of a person, to and fro, under a live voice. See README.md for the variables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../common.sh
. "$here/../common.sh"

CLIP=${CLIP:-}
FACE=${FACE:-largest}
SILENCE=${SILENCE:-shut}
OUTPUT=${OUTPUT:-screen}
SECONDS_LONG=${SECONDS_LONG:-0}
exists facedub || die "this build of the plugin has no facedub"
voice --loop

case $OUTPUT in
screen | v4l2:*) ;;
*) spares PORTRAIT CLIP SOURCE ;;
esac
scratch
if [ -z "$CLIP" ]; then
    # No clip is bundled: the photo, made to move, is one.
    CLIP=$work/clip.mp4
    echo "making a clip"
    play --eos-on-shutdown audiotestsrc wave=silence num-buffers=200 \
        ! audio/x-raw,rate=44100 ! talkinghead portrait="$(quoted "$PORTRAIT")" seed=3 pose-style=1 \
        ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! mp4mux \
        ! filesink location="$(quoted "$CLIP")"
fi
film "$CLIP"

run /usr/bin/python3 "$here/avatar.py" --clip "$CLIP" --face "$FACE" --silence "$SILENCE" --output "$OUTPUT" \
    --seconds "$SECONDS_LONG" -- "${voice[@]}"
