#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Broadcast graphics: a speaking head, cut out, beside a name on a bar over a video. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
VIDEO=${VIDEO:-}
NAME=${NAME:-Synthetic presenter}
OUTPUT=${OUTPUT:-lower-third.mp4}
need compositor gstreamer1.0-plugins-base
need textoverlay gstreamer1.0-x
need x264enc gstreamer1.0-plugins-ugly
need avenc_aac gstreamer1.0-libav

# How long the speech is says how long all of it is.
decode
writes PORTRAIT SOURCE VIDEO
frames=$((($(stat --format=%s "$work/voice.raw") * 25 + RAW_BYTES_A_SECOND - 1) / RAW_BYTES_A_SECOND))
if [ -n "$VIDEO" ]; then
    film "$VIDEO"
    video=(filesrc "location=$(quoted "$VIDEO")" ! decodebin ! videoconvert ! videoscale ! videorate)
else
    video=(videotestsrc pattern=gradient foreground-color=0xff5b7db1 background-color=0xff1c2541)
fi

# Some twenty letters fit beside the head; a longer name is smaller. textoverlay takes markup.
letters=${#NAME}
size=$((letters <= 20 ? 26 : letters <= 80 ? 520 / letters : 6))
name=${NAME//[[:cntrl:]]/ }
name=${name//&/'&amp;'}
name=${name//</'&lt;'}
name=${name//>/'&gt;'}

# The layers from below: video, bar, head. The shoulders end where the picture ends. All ends with the speech: identity lets
# one picture less through than its number says.
play --eos-on-shutdown \
    compositor name=c background=black sink_0::zorder=0 \
    sink_1::zorder=1 sink_1::xpos=60 sink_1::ypos=560 sink_1::alpha=0.85 \
    sink_2::zorder=2 sink_2::xpos=860 sink_2::ypos=360 sink_2::width=360 sink_2::height=360 \
    ! video/x-raw,width=1280,height=720,framerate=25/1 ! identity eos-after="$((frames + 1))" ! "${synthetic[@]}" \
    ! videoconvert ! video/x-raw,format=I420 ! queue ! x264enc speed-preset=veryfast ! queue \
    ! mp4mux name=m ! filesink location="$(quoted "$part")" \
    "${video[@]}" ! video/x-raw,width=1280,height=720,framerate=25/1,pixel-aspect-ratio=1/1 ! queue ! c.sink_0 \
    videotestsrc pattern=solid-color foreground-color=0xff16213e num-buffers="$frames" \
    ! video/x-raw,width=1160,height=100,framerate=25/1 \
    ! textoverlay text="$(quoted "$name")" font-desc="Sans $size" wrap-mode=none halignment=left valignment=center xpad=30 \
    shaded-background=false ! queue ! c.sink_1 \
    filesrc location="$(quoted "$work/voice.raw")" ! "${RAW_VOICE[@]}" ! tee name=t \
    t. ! queue ! talkinghead portrait="$(quoted "$PORTRAIT")" background=transparent ! queue ! c.sink_2 \
    t. ! "${film_sound[@]}" ! m.
written
