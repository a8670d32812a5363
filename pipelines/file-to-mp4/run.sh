#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A photo speaks a recording into an MP4 file. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
OUTPUT=${OUTPUT:-file-to-mp4.mp4}
EMOTION=${EMOTION:-neutral}
FRAMING=${FRAMING:-crop}
need x264enc gstreamer1.0-plugins-ugly
need avenc_aac gstreamer1.0-libav
choice EMOTION emotion
choice FRAMING framing
recording
writes PORTRAIT SOURCE

play --eos-on-shutdown \
    filesrc location="$(quoted "$SOURCE")" ! decodebin ! audioconvert ! audioresample ! "${steady[@]}" ! tee name=t \
    t. ! queue ! talkinghead portrait="$(quoted "$PORTRAIT")" emotion="$EMOTION" framing="$FRAMING" \
    ! videoconvert ! videoscale ! 'video/x-raw,format=I420,width=[2,16384,2],height=[2,16384,2]' \
    ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink location="$(quoted "$part")" \
    t. ! "${film_sound[@]}" ! m.
written
