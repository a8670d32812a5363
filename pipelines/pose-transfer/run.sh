#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A voice drives the mouth, a video the head. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
DRIVER=${DRIVER:-}
OUTPUT=${OUTPUT:-pose-transfer.mp4}
DRIVE=${DRIVE:-pose}
LOOP=${LOOP:-true}
need x264enc gstreamer1.0-plugins-ugly
need avenc_aac gstreamer1.0-libav
choice DRIVE drive
recording
writes PORTRAIT SOURCE DRIVER

scratch
if [ -z "$DRIVER" ]; then
    # No video is bundled: the other photo, made to speak, is one.
    DRIVER=$work/driver.mp4
    echo "making a driving video"
    play --eos-on-shutdown \
        filesrc location="$(quoted "$SOURCE")" ! decodebin ! audioconvert ! audioresample \
        ! talkinghead portrait="$(quoted "$root/tests/data/portrait-astronaut.png")" seed=3 \
        ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! mp4mux \
        ! filesink location="$(quoted "$DRIVER")"
fi
film "$DRIVER"

play --eos-on-shutdown \
    filesrc location="$(quoted "$SOURCE")" ! decodebin ! audioconvert ! audioresample ! "${steady[@]}" ! tee name=t \
    t. ! queue ! talkinghead name=head portrait="$(quoted "$PORTRAIT")" drive="$DRIVE" pose-loop="$LOOP" \
    ! videoconvert ! video/x-raw,format=I420 ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m \
    ! filesink location="$(quoted "$part")" \
    t. ! "${film_sound[@]}" ! m. \
    filesrc location="$(quoted "$DRIVER")" ! decodebin ! videoconvert ! facelandmarks ! queue ! head.pose
written
