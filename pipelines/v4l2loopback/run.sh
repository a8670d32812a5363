#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A live head as a camera /dev/videoN, by the kernel module v4l2loopback. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
DEVICE=${DEVICE:-/dev/video10}
[ -c "$DEVICE" ] ||
    die "there is no video device $DEVICE: sudo apt-get install v4l2loopback-dkms && sudo modprobe v4l2loopback" \
        "video_nr=${DEVICE##*[!0-9]} card_label=talkinghead exclusive_caps=1"
[ -w "$DEVICE" ] || die "$DEVICE may not be written: sudo adduser $(id -un) video, then log in again"
need v4l2sink gstreamer1.0-plugins-good
voice --loop

# drop-allocation: the module gives its buffers to readers, so the elements before the sink must not draw into them.
echo "the camera is $DEVICE"
play \
    "${voice[@]}" ! queue ! talkinghead portrait="$(quoted "$PORTRAIT")" ! queue ! videoconvert ! video/x-raw,format=YUY2 \
    ! identity drop-allocation=true ! v4l2sink device="$(quoted "$DEVICE")"
