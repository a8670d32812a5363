#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Installs plugin, pack and libtorch with meson into an empty folder and renders from there, with nothing else of this
# checkout on any path. Usage: installed.sh [dev|release]
set -euo pipefail
profile=${1:-dev}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

meson setup "$work/build" "$root" --prefix /usr -Dprofile="$profile"
meson install -C "$work/build" --destdir "$work/destdir"

plugin=$(find "$work/destdir" -name libgstportrait.so)
resolved=$(env -u LD_LIBRARY_PATH ldd "$plugin" | awk '/libtorch_cpu/ { print $3 }')
case $(realpath -m "$resolved") in
    "$work"/destdir/*) ;;
    *) echo "error: the installed plugin takes libtorch from ${resolved:-nowhere}" >&2; exit 1 ;;
esac
if [ -z "$(find "$work/destdir" -path '*/gst-portrait/packs/lite/pack.toml')" ]; then
    echo "error: the pack was not installed" >&2
    exit 1
fi

# Two seconds of speech; wavparse takes a file that was cut.
head -c 64044 "$root/tests/data/speech-af_heart.wav" >"$work/speech.wav"
cp "$root/tests/data/portrait-grace-hopper.jpg" "$work/photo.jpg"
cd "$work"
env -i PATH=/usr/bin:/bin HOME="$work" GST_PLUGIN_PATH="$(dirname "$plugin")" GST_REGISTRY="$work/registry" \
    gst-launch-1.0 -q -e filesrc location=speech.wav ! decodebin ! audioconvert ! audioresample \
    ! audiorate tolerance=3600000000000 ! tee name=t \
    t. ! queue ! talkinghead portrait=photo.jpg ! videoconvert ! video/x-raw,format=I420 \
    ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink location=demo.mp4 \
    t. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac \
    ! identity drop-allocation=true ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m.
if [ ! -s demo.mp4 ]; then
    echo "error: the installed plugin rendered nothing" >&2
    exit 1
fi
echo "The installed plugin rendered $(stat -c %s demo.mp4) bytes."
