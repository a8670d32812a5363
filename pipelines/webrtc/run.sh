#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A page for a browser that shows the live head and has a slider for each control. See README.md for the variables.
set -euo pipefail
# shellcheck source=pipelines/common.sh
source "$(dirname "$0")/../common.sh"
HOST=${HOST:-127.0.0.1}
PORT=${PORT:-8080}
PYTHON=${PYTHON:-/usr/bin/python3}
need webrtcbin gstreamer1.0-plugins-bad
need nicesink gstreamer1.0-nice
need vp8enc gstreamer1.0-plugins-good
need opusenc gstreamer1.0-plugins-base
"$PYTHON" -c 'import gi; gi.require_version("GstWebRTC", "1.0")' 2>/dev/null ||
    die "$PYTHON has no bindings of GStreamer's WebRTC: sudo apt-get install python3-gi gir1.2-gst-plugins-bad-1.0"
voice --loop
run "$PYTHON" "$(dirname "$0")/server.py" --host "$HOST" --port "$PORT" --portrait "$PORTRAIT" -- "${voice[@]}"
