# SPDX-License-Identifier: MIT OR Apache-2.0
# What the scripts in these folders share; they source it. It sets `root`, PORTRAIT, GST_PLUGIN_PATH, `steady` and
# `film_sound`.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PORTRAIT=${PORTRAIT:-$root/tests/data/portrait-grace-hopper.jpg}
SOURCE=${SOURCE:-}
TEXT=${TEXT:-}
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-${CARGO_TARGET_DIR:-$root/target}/debug}

# Stands before the tee from which sound and pictures come: counts samples where a decoder's timestamps are wrong by less
# than this, 1 h in ns.
# shellcheck disable=SC2034
steady=(audiorate tolerance=3600000000000)

# The sound of a film, from the tee to the muxer. Encoded it waits for the pictures in a queue without limits, so that the
# tee never waits for it; that queue cannot grow beyond what the pictures in flight last, because their own queues are
# limited. There is no queue before the encoder: when the recording's format changes, the tee asks its branches about it,
# and a queue would answer only when it is empty, which is never while the muxer waits for pictures; an encoder that starts
# anew asks as well, and is refused. Channels are fixed because an MP4 file cannot hold sound whose channels change; at
# 48 kHz the delay of an AAC encoder, 1024 samples, is shorter than a picture.
# shellcheck disable=SC2034
film_sound=(audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac
    ! identity drop-allocation=true ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0)

die() {
    echo "error: $*" >&2
    exit 1
}

# `gst-inspect-1.0 --exists` would ask for plugins of GStreamer's own version number.
exists() {
    gst-inspect-1.0 "$1" >/dev/null 2>&1
}

# need ELEMENT PACKAGE...: ends with the command that installs what is missing.
need() {
    local element=$1
    shift
    exists "$element" || die "GStreamer has no element $element: sudo apt-get install $*"
}

readable() {
    [ -r "$1" ] || die "cannot read $1"
}

# between VARIABLE LEAST MOST: a number beyond its range would become another one without a word.
between() {
    awk -v "number=${!1}" -v "least=$2" -v "most=$3" \
        'BEGIN { exit !(number ~ /^-?([0-9]+[.]?[0-9]*|[.][0-9]+)$/ && number >= least && number <= most) }' \
        || die "$1=${!1} is no number from $2 to $3"
}

# play PIPELINE...: gst-launch-1.0 without its chatter. With --quiet it would hide what elements warn of as well.
play() {
    # Untranslated, so that warnings are found.
    LANGUAGE=en gst-launch-1.0 --no-position "$@" | warnings
}

# Prints each warning of gst-launch's once. "Delayed linking failed" is followed by an error.
warnings() {
    # It reads on until gst-launch has ended: Ctrl-C lets that finish the film.
    trap '' INT TERM
    local line text
    local -A told
    while IFS= read -r line; do
        [[ $line =~ ^WARNING:\ from\ element\ [^\ ]+:\ (.*) ]] || continue
        text=${BASH_REMATCH[1]}
        [ -z "${told[$text]:-}" ] && [[ $text != "Delayed linking failed."* ]] || continue
        told[$text]=yes
        echo "warning: $text" >&2
    done
}

# A film that is decoded. GStreamer plays a GIF without an end, and without times.
film() {
    readable "$1"
    [ "$(head -c 4 "$1" | tr -d '\0')" != GIF8 ] \
        || die "$1 is a GIF: make a video of it, as with ffmpeg -i $1 -pix_fmt yuv420p video.mp4"
}

recording() {
    SOURCE=${SOURCE:-$root/tests/data/speech-af_heart.wav}
    readable "$SOURCE"
}

# decode: writes SOURCE, else the bundled speech, to $work/voice.raw, without a header; RAW_VOICE understands it.
RAW_BYTES_A_SECOND=96000
RAW_VOICE=(rawaudioparse pcm-format=s16le sample-rate=48000 num-channels=1)
decode() {
    recording
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    play filesrc location="$SOURCE" ! decodebin ! audioconvert ! audioresample \
        ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! filesink location="$work/voice.raw"
}

# voice [--loop]: sets the array `voice`, a live source of speech for gst-launch. It is the microphone
# (SOURCE=microphone), TEXT spoken by espeak, or a recording at its own speed: SOURCE, else the bundled one. --loop
# repeats a recording for ever, with a second of silence between.
voice() {
    if [ "$SOURCE" = microphone ]; then
        voice=(autoaudiosrc)
    elif [ -n "$TEXT" ]; then
        need espeak gstreamer1.0-espeak
        voice=(espeak "text=$TEXT" ! audioconvert ! audioresample ! identity sync=true)
    else
        recording
        if [ "${1:-}" = --loop ]; then
            # Only bytes without a header can be repeated without a click. They come as one buffer each time: it is cut,
            # so that the clock lets them through bit by bit.
            need audiobuffersplit gstreamer1.0-plugins-bad
            decode
            head -c "$RAW_BYTES_A_SECOND" /dev/zero >>"$work/voice.raw"
            voice=(multifilesrc "location=$work/voice.raw" loop=true ! "${RAW_VOICE[@]}"
                ! audiobuffersplit output-buffer-duration=1/50)
        else
            voice=(filesrc "location=$SOURCE" ! decodebin ! audioconvert ! audioresample ! "${steady[@]}")
        fi
        voice+=(! identity sync=true)
    fi
}

readable "$PORTRAIT"
exists talkinghead ||
    die "GStreamer has no element talkinghead: build it with \`cargo build -p gst-plugin-portrait\`," \
        "or set GST_PLUGIN_PATH to the folder of libgstportrait.so"
