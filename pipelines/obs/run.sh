#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A live head for OBS Studio, in one of three ways: WAY=alpha, srt or process. See README.md.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
WAY=${WAY:-alpha}
HOST=${HOST:-127.0.0.1}
[ "$WAY" != srt ] || exec "$(dirname "$0")/../srt/run.sh"
PORT=${PORT:-9005}

case $WAY in
alpha)
    whole PORT 1 65535
    need avenc_ffv1 gstreamer1.0-libav
    need matroskamux gstreamer1.0-plugins-good
    # Where it cannot listen, tcpserversink tells an error, and a live line plays on without it for ever: that is tried before.
    said=$(play fakesrc num-buffers=1 ! tcpserversink host="$(quoted "$HOST")" port="$PORT" 2>&1) || true
    reason=${said##*: }
    [[ $said != *"error: "* ]] || die "cannot listen at $HOST:$PORT: ${reason%)}: choose another HOST or PORT"
    voice --loop
    echo "waiting for OBS at tcp://$HOST:$PORT; its scene is \"Head with alpha\" of $root/pipelines/obs/scenes.json"
    # Every picture is a key frame, so that OBS may come and go. A reader that falls four seconds behind starts again
    # at the newest picture, and one that does not read at all is dropped.
    play \
        "${voice[@]}" ! tee name=t \
        t. ! queue ! talkinghead portrait="$(quoted "$PORTRAIT")" background=transparent ! queue \
        ! videoconvert ! video/x-raw,format=BGRA ! avenc_ffv1 gop-size=1 ! queue ! mux. \
        t. ! queue max-size-time=5000000000 max-size-bytes=0 max-size-buffers=0 \
        ! audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=2 ! queue ! mux. \
        matroskamux name=mux streamable=true \
        ! tcpserversink host="$(quoted "$HOST")" port="$PORT" sync-method=latest-keyframe \
        unit-format=time units-soft-max=4000000000 units-max=8000000000 recover-policy=keyframe
    ;;
process)
    command -v obs >/dev/null || die "there is no obs: sudo apt-get install obs-studio"
    plugin=
    for file in ~/.config/obs-studio/plugins/obs-gstreamer/bin/64bit/obs-gstreamer.so \
        /usr/lib/*/obs-plugins/obs-gstreamer.so /usr/lib/obs-plugins/obs-gstreamer.so; do
        [ ! -e "$file" ] || plugin=$file
    done
    [ -n "$plugin" ] || die "OBS has no plugin obs-gstreamer: README.md says how it is built"
    echo "OBS draws the head itself: give a \"GStreamer Source\" this pipeline, or import scenes.json and change its paths"
    echo "filesrc location=$(quoted "${SOURCE:-$root/tests/data/speech-af_heart.wav}") ! decodebin ! audioconvert" \
        "! audioresample ! identity sync=true ! tee name=t t. ! queue ! talkinghead portrait=$(quoted "$PORTRAIT") background=transparent" \
        "! videoconvert ! video/x-raw,format=BGRA ! queue ! video. t. ! queue max-size-time=5000000000" \
        "max-size-bytes=0 max-size-buffers=0 ! audio."
    exec obs
    ;;
*) die "WAY is alpha, srt or process, not $WAY" ;;
esac
