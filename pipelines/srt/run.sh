#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A live head as MPEG-TS over SRT. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
PORT=${PORT:-9001}
LATENCY=${LATENCY:-60}
BITRATE=${BITRATE:-2000}
whole PORT 1 65535
whole LATENCY 0 2147483647
whole BITRATE 1 2048000
need srtsink gstreamer1.0-plugins-bad
need x264enc gstreamer1.0-plugins-ugly
need avenc_aac gstreamer1.0-libav
voice --loop

# A viewer that comes later sees the first picture within a second: a key frame comes so often, with its parameters.
# Without wait-for-connection=false nothing would move until somebody connects.
echo "listening at srt://0.0.0.0:$PORT; watch it with: ffplay 'srt://127.0.0.1:$PORT'"
play \
    "${voice[@]}" ! tee name=t \
    t. ! queue ! talkinghead portrait="$(quoted "$PORTRAIT")" ! queue ! videoconvert ! video/x-raw,format=I420 \
    ! x264enc tune=zerolatency speed-preset=veryfast bitrate="$BITRATE" key-int-max=25 \
    ! h264parse config-interval=-1 ! queue ! mux. \
    t. ! "${film_sound[@]}" ! aacparse ! queue ! mux. \
    mpegtsmux name=mux alignment=7 \
    ! srtsink uri="srt://:$PORT?mode=listener" latency="$LATENCY" wait-for-connection=false
