#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# The same sentence in eight emotions, side by side. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
OUTPUT=${OUTPUT:-emotions.mp4}
INTENSITY=${INTENSITY:-1.0}
SIZE=${SIZE:-256}
between INTENSITY 0 1
whole SIZE 16 4096
need compositor gstreamer1.0-plugins-base
need x264enc gstreamer1.0-plugins-ugly
need avenc_aac gstreamer1.0-libav
recording
writes PORTRAIT SOURCE

# Two rows of four; one seed, so that only the emotion differs.
places=()
heads=()
index=0
for emotion in neutral happy sad surprise fear angry disgust contempt; do
    places+=("sink_$index::xpos=$((index % 4 * SIZE))" "sink_$index::ypos=$((index / 4 * SIZE))")
    heads+=(
        t. ! queue ! talkinghead "portrait=$(quoted "$PORTRAIT")" "emotion=$emotion" "emotion-intensity=$INTENSITY"
        ! videoconvert ! videoscale ! "video/x-raw,format=I420,width=$SIZE,height=$SIZE"
        ! queue ! "mix.sink_$index"
    )
    index=$((index + 1))
done

play --eos-on-shutdown \
    compositor name=mix background=black "${places[@]}" \
    ! video/x-raw,framerate=25/1 ! "${synthetic[@]}" ! videoconvert ! queue ! x264enc speed-preset=veryfast ! queue \
    ! mp4mux name=m ! filesink location="$(quoted "$part")" \
    filesrc location="$(quoted "$SOURCE")" ! decodebin ! audioconvert ! audioresample ! "${steady[@]}" ! tee name=t \
    t. ! "${film_sound[@]}" ! m. \
    "${heads[@]}"
written
