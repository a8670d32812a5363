#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A webcam drives the photo, or its head while a voice moves the mouth. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
CAMERA=${CAMERA:-/dev/video0}
VOICE=${VOICE:-}
DRIVE=${DRIVE:-auto}
OUTPUT=${OUTPUT:-}
choice DRIVE drive
[ -z "$VOICE" ] || [ "$VOICE" = microphone ] || gives "$VOICE" audioconvert "has no sound"

[ -z "$OUTPUT" ] || writes PORTRAIT SOURCE CAMERA VOICE
scratch
if [ -z "$SOURCE" ] && [ ! -c "$CAMERA" ]; then
    echo "no camera at $CAMERA: the other bundled photo, made to speak, stands for one"
    SOURCE=$work/camera.mp4
    play --eos-on-shutdown \
        filesrc location="$(quoted "$root/tests/data/speech-am_michael.wav")" ! wavparse \
        ! talkinghead portrait="$(quoted "$root/tests/data/portrait-astronaut.png")" seed=3 \
        ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! mp4mux \
        ! filesink location="$(quoted "$SOURCE")"
fi
if [ -n "$SOURCE" ]; then
    film "$SOURCE"
    # At the speed of a camera.
    camera=(filesrc "location=$(quoted "$SOURCE")" ! decodebin ! videoconvert ! identity sync=true)
else
    camera=(v4l2src "device=$(quoted "$CAMERA")" ! videoconvert ! videorate ! video/x-raw,framerate=25/1)
fi

# A camera that is faster than its tracker loses pictures here, not time.
camera+=(! queue leaky=downstream max-size-buffers=1 ! facelandmarks)
case $VOICE in
    "") portrait=("${camera[@]}" ! landmarks2latents "drive=$DRIVE" ! facesynth "portrait=$(quoted "$PORTRAIT")") ;;
    microphone) voice=(autoaudiosrc) ;;
    *) voice=(filesrc "location=$(quoted "$VOICE")" ! decodebin ! audioconvert ! audioresample ! identity sync=true) ;;
esac
if [ -n "$VOICE" ]; then
    portrait=(
        "${camera[@]}" ! queue ! head.pose
        "${voice[@]}" ! queue ! talkinghead name=head "portrait=$(quoted "$PORTRAIT")" "drive=$DRIVE"
    )
fi

if [ -n "$OUTPUT" ]; then
    sink=(x264enc tune=zerolatency speed-preset=veryfast ! mp4mux ! filesink "location=$(quoted "$part")")
elif [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    sink=(autovideosink)
else
    echo "no display: the pictures are timed and thrown away"
    sink=(fakesink sync=true)
fi
play --eos-on-shutdown \
    "${portrait[@]}" ! queue ! videoconvert ! video/x-raw,format=I420 ! "${sink[@]}"
[ -z "$OUTPUT" ] || written
