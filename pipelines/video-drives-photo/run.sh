#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# The face in a video drives the photo. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
OUTPUT=${OUTPUT:-video-drives-photo.mp4}

writes PORTRAIT SOURCE
scratch
if [ -z "$SOURCE" ]; then
    # No video is bundled: the other photo, made to speak, is one.
    SOURCE=$work/driver.mp4
    echo "making a driving video"
    play --eos-on-shutdown \
        filesrc location="$(quoted "$root/tests/data/speech-am_michael.wav")" ! wavparse \
        ! talkinghead portrait="$(quoted "$root/tests/data/portrait-astronaut.png")" seed=3 \
        ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! mp4mux \
        ! filesink location="$(quoted "$SOURCE")"
fi
film "$SOURCE"

play --eos-on-shutdown \
    filesrc location="$(quoted "$SOURCE")" ! decodebin ! videoconvert ! queue \
    ! facelandmarks ! landmarks2latents ! facesynth portrait="$(quoted "$PORTRAIT")" \
    ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! mp4mux \
    ! filesink location="$(quoted "$part")"
written
