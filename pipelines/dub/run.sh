#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# The person in a film speaks another voice. See README.md for the variables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../common.sh
. "$here/../common.sh"

FILM=${FILM:-}
FACE=${FACE:-largest}
SPEAKERS=${SPEAKERS:-}
SILENCE=${SILENCE:-original}
TAIL=${TAIL:-3}
OUTPUT=${OUTPUT:-dub.mp4}
exists facedub || die "this build of the plugin has no facedub"
recording

# dub.py looks as well; here it is told before a film is made.
writes PORTRAIT FILM SOURCE SPEAKERS
scratch
if [ -z "$FILM" ]; then
    # No film is bundled: the photo, made to speak, is one.
    FILM=$work/film.mp4
    echo "making a film"
    play --eos-on-shutdown \
        filesrc location="$(quoted "$root/tests/data/speech-am_michael.wav")" ! wavparse \
        ! talkinghead portrait="$(quoted "$PORTRAIT")" seed=3 \
        ! videoconvert ! video/x-raw,format=I420 ! x264enc speed-preset=veryfast ! mp4mux \
        ! filesink location="$(quoted "$FILM")"
fi
film "$FILM"

run /usr/bin/python3 "$here/dub.py" --film "$FILM" --voice "$SOURCE" --face "$FACE" --speakers "$SPEAKERS" \
    --silence "$SILENCE" --tail "$TAIL" --output "$OUTPUT"
echo "wrote $OUTPUT"
