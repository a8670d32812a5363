#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A live head as a camera of PipeWire. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
NODE=${NODE:-talkinghead}
[[ $NODE =~ ^[[:alnum:]_.-]+$ ]] || die "NODE=$NODE is no name of letters, digits, points, - and _"
need pipewiresink gstreamer1.0-pipewire
runtime=${PIPEWIRE_RUNTIME_DIR:-${XDG_RUNTIME_DIR:-/run/user/$(id -u)}}
[ -S "$runtime/${PIPEWIRE_REMOTE:-pipewire-0}" ] ||
    die "no PipeWire at $runtime: sudo apt-get install pipewire wireplumber, then" \
        "systemctl --user start pipewire wireplumber"
voice --loop

# While nobody looks, the camera does not take pictures: old ones make room for new ones. drop-allocation: pipewiresink
# lends out buffers that lose their memory when a reader comes or goes.
echo "the camera is the PipeWire node $NODE; look with: gst-launch-1.0 pipewiresrc target-object=$NODE ! videoconvert ! autovideosink"
play \
    "${voice[@]}" ! queue ! talkinghead portrait="$(quoted "$PORTRAIT")" ! videoconvert ! video/x-raw,format=YUY2 \
    ! queue leaky=downstream max-size-buffers=2 ! identity drop-allocation=true \
    ! pipewiresink mode=provide \
    stream-properties="properties,media.class=Video/Source,node.name=$NODE,node.description=talking-head"
