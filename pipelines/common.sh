# SPDX-License-Identifier: MIT OR Apache-2.0
# What the scripts in these folders share; they source it. It sets `root`, PORTRAIT, GST_PLUGIN_PATH, `steady`,
# `film_sound` and `synthetic`, and looks at the script's arguments, which it sees where it is given none itself.
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

# Behind a compositor, which drops tags: a film of synthetic pictures says that it is one, as the elements let it.
# shellcheck disable=SC2034
synthetic=(taginject 'tags="comment=\"synthetic: portrait animated by gst-portrait\""')

# error TEXT...: where it names the half film, the film is meant.
part=''
error() {
    local text="$*"
    [ -z "$part" ] || text=${text//"$part"/"$OUTPUT"}
    echo "error: $text" >&2
}

die() {
    error "$@"
    exit 1
}

# What is worked with and what is half a film go at the end, however that comes.
rubbish=()
trap 'rm -rf -- "${rubbish[@]}"' EXIT

# scratch: sets `work`, a folder to work in.
work=
scratch() {
    [ -z "$work" ] || return 0
    work=$(mktemp -d)
    rubbish+=("$work")
}

case ${1:-} in
-h | --help) exec cat "$(dirname "$0")/README.md" ;;
esac
[ $# = 0 ] || die "${0##*/} takes no arguments but variables, as in PORTRAIT=photo.jpg SOURCE=voice.wav $0:" \
    "README.md beside it names them"

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
    [ ! -d "$1" ] || die "cannot read $1: it is a folder"
    [ -r "$1" ] || die "cannot read $1"
}

# spares INPUT...: sets `target`, where OUTPUT lies behind links, and `part`, where the film grows until it is whole; ends where
# it cannot be written, and where it would take the place of one of the variables named. playing.py has the same in Python.
spares() {
    local input folder
    [[ ! -d $OUTPUT && $OUTPUT != */ ]] || die "OUTPUT=$OUTPUT is a folder, not a file"
    if [ -e "$OUTPUT" ] && [ ! -f "$OUTPUT" ]; then
        # What is no file, such as /dev/null, cannot be replaced.
        target=$OUTPUT part=$OUTPUT
    else
        target=$(realpath -m -- "$OUTPUT")
        folder=${target%/*}
        part=$folder/.${target##*/}.part
        [ -d "$folder/" ] || die "cannot write OUTPUT=$OUTPUT: there is no folder $folder: make it first"
        [ -w "$folder/" ] || die "cannot write OUTPUT=$OUTPUT: the folder $folder is not yours to write"
        [ ! -d "$part" ] || die "cannot write OUTPUT=$OUTPUT: a folder .${target##*/}.part is in the way"
    fi
    [ ! -e "$OUTPUT" ] || [ -w "$OUTPUT" ] || die "cannot write OUTPUT=$OUTPUT: it is not yours to write"
    for input; do
        [[ ! $OUTPUT -ef ${!input} && ! $part -ef ${!input} ]] ||
            die "OUTPUT=$OUTPUT would overwrite $input=${!input}: choose another"
    done
}

# writes INPUT...: the same for a film of gst-launch's, of which half a one goes.
writes() {
    spares "$@"
    [ "$part" = "$target" ] || rubbish+=("$part")
}

# written: the film is whole and gets its name, with the permissions of what had it.
written() {
    if [ "$part" != "$target" ]; then
        [ ! -e "$target" ] || chmod --reference="$target" -- "$part" 2>/dev/null || true
        mv -fT -- "$part" "$target"
    fi
    echo "wrote $OUTPUT"
}

# within NUMBER LEAST MOST
within() {
    awk -v "number=$1" -v "least=$2" -v "most=$3" 'BEGIN { exit !(number >= least && number <= most) }'
}

# between VARIABLE LEAST MOST: a number beyond its range would become another one without a word.
between() {
    [[ ${!1} =~ ^-?([0-9]+[.]?[0-9]*|[.][0-9]+)$ ]] && within "${!1}" "$2" "$3" ||
        die "$1=${!1} is no number from $2 to $3"
}

# whole VARIABLE LEAST MOST: the same of whole numbers. Behind a 0 the shell would take one for octal.
whole() {
    [[ ${!1} =~ ^(0|[1-9][0-9]*)$ ]] && within "${!1}" "$2" "$3" ||
        die "$1=${!1} is no whole number from $2 to $3"
}

# choice VARIABLE PROPERTY: a value of a property of talkinghead, or several with + between where it is a set of them.
choice() {
    local values names value
    # Each as `(NUMBER): NAME - MEANING`, behind the property and before the next one.
    values=$(awk -v property="$2" '
        /^  [a-z]/ { here = $1 == property; next }
        here && $1 == "Flags" { print "several" }
        here && $1 ~ /^\([0-9a-fx]+\):$/ { print $2 }' <<<"$talkinghead")
    names=${values#several$'\n'}
    while IFS= read -r value; do
        [ -z "$names" ] || grep -qxFe "$value" <<<"$names" || die "$1=$value is none of ${names//$'\n'/, }"
    done < <(if [ "$names" = "$values" ]; then echo "${!1}"; else tr + '\n' <<<"${!1}"; fi)
}

# quoted TEXT: somebody's path or words as a property's value for gst-launch-1.0, which takes backslashes out of it and
# loses its end where a quote stands beside a space. In octal numbers, as GStreamer's own quoted strings have them.
quoted() {
    if [[ $1 =~ ^[[:alnum:]_/.:@%+-]+$ ]]; then
        printf %s "$1"
    else
        local bytes
        bytes=$(printf %s "$1" | od -An -v -to1 | tr -d '\n')
        printf '\\"%s\\"' "${bytes// /\\\\}"
    fi
}

# run PROGRAM...: to its end. A shell that waits in the foreground dies of SIGTERM and leaves the program behind: this one
# tells it to end as Ctrl-C does, and waits on. The program ignores SIGTERM, which its whole group may get, so as not to be
# told twice; Ctrl-C reaches it by itself.
told=
run() {
    local child='' status interrupted
    # Who was told to end while something else ran has nothing to begin any more.
    [ -z "$told" ] || exit "$told"
    trap 'told=143 interrupted=yes; [ -z "$child" ] || kill -INT "$child" 2>/dev/null || true' TERM
    trap 'told=130 interrupted=yes' INT
    # Behind `&` bash lets a program ignore Ctrl-C, and gives it an empty input.
    env --default-signal=INT --ignore-signal=TERM "$@" <&0 &
    child=$!
    while interrupted='' status=0; do
        wait "$child" || status=$?
        [ -n "$interrupted" ] || break
    done
    trap - INT TERM
    [ "$status" = 0 ] || [ -z "$told" ] || status=$told
    return "$status"
}

# play PIPELINE...: gst-launch-1.0 without its chatter. With --quiet it would hide what elements warn of as well.
play() {
    local chatter complaints tellers status=0
    exec {chatter}> >(warnings)
    tellers=$!
    exec {complaints}> >(errors)
    tellers+=" $!"
    # Untranslated, so that warnings and errors are found.
    LANGUAGE=en run gst-launch-1.0 --no-position "$@" 1>&"$chatter" 2>&"$complaints" || status=$?
    exec {chatter}>&- {complaints}>&-
    # shellcheck disable=SC2086
    wait $tellers || true
    return "$status"
}

# Prints each warning of gst-launch's once. "Delayed linking failed" is followed by an error.
warnings() {
    # It reads on until gst-launch has ended: Ctrl-C lets that finish the film.
    trap '' INT TERM
    local line text
    local -A seen
    while IFS= read -r line; do
        [[ $line =~ ^WARNING:\ from\ element\ [^\ ]+:\ (.*) ]] || continue
        text=${BASH_REMATCH[1]}
        [ -z "${seen[$text]:-}" ] && [[ $text != "Delayed linking failed."* ]] || continue
        seen[$text]=yes
        echo "warning: $text" >&2
    done
}

# Prints gst-launch's first error in a line, with what is told behind the place in the source; the others follow from it. What
# else goes to stderr, such as GST_DEBUG's lines, is passed on. `told` of the Python package says errors as this does.
errors() {
    # As `warnings` does.
    trap '' INT TERM
    local line text='' next='' said='' held=()
    while IFS= read -r line || [ -n "$line" ]; do
        if [ "$next" = debug ] && [ "$line" = "Additional debug info:" ]; then
            next=place
        elif [ "$next" = place ]; then
            # A colon stands behind it where more is told.
            next=${line##*[!:]}
        elif [ "$next" = : ]; then
            next=
            [[ $text == *"$line"* ]] || text+=" ($line)"
        elif [[ $line =~ ^ERROR:\ from\ element\ [^\ ]+:\ (.*) ]]; then
            text=${text:-${BASH_REMATCH[1]}} next=debug
        elif [[ $line =~ ^(WARNING:\ erroneous\ pipeline|ERROR:\ pipeline\ could\ not\ be\ constructed):\ (.*) ]]; then
            text=${text:-${BASH_REMATCH[2]}}
        elif [[ $line =~ ^(ERROR:\ [Pp]ipeline\ doesn\'t\ want\ to|Failed\ to\ set\ pipeline\ to)\  ]]; then
            held+=("$line")
        else
            printf '%s\n' "$line" >&2
        fi
        # At once: what fails may not end.
        [ -z "$text" ] || [ -n "$next$said" ] || { said=yes; error "$text"; }
    done
    [ -z "$said" ] || return 0
    if [ -n "$text" ]; then error "$text"; else printf '%s' "${held[@]/%/$'\n'}" >&2; fi
}

# gives FILE ELEMENT LACKS: whether a file gives what an element takes is tried, since GStreamer's own words for one that does
# not are of pads that are not linked. What a pipe says can be heard once only.
gives() {
    readable "$1"
    [ -f "$1" ] || return 0
    local said
    said=$(mktemp)
    rubbish+=("$said")
    play filesrc location="$(quoted "$1")" ! decodebin ! "$2" ! fakesink num-buffers=1 2>"$said" || [ -n "$told" ] || {
        ! grep -q "not-linked" "$said" || die "$1 $3"
        ! grep -q "^error: " "$said" || die "$1: $(sed -n 's/^error: //p' "$said")"
    }
}

# A film that is decoded. GStreamer plays a GIF without an end, and without times.
film() {
    readable "$1"
    [ "$(head -c 4 "$1" | tr -d '\0')" != GIF8 ] \
        || die "$1 is a GIF: make a video of it, as with ffmpeg -i $1 -pix_fmt yuv420p video.mp4"
    gives "$1" videoconvert "shows no pictures"
}

# A recording, or a film of which the sound is taken.
recording() {
    SOURCE=${SOURCE:-$root/tests/data/speech-af_heart.wav}
    gives "$SOURCE" audioconvert "has no sound"
}

# decode: writes SOURCE, else the bundled speech, to $work/voice.raw, without a header; RAW_VOICE understands it.
RAW_BYTES_A_SECOND=96000
RAW_VOICE=(rawaudioparse pcm-format=s16le sample-rate=48000 num-channels=1)
decode() {
    recording
    scratch
    play filesrc location="$(quoted "$SOURCE")" ! decodebin ! audioconvert ! audioresample \
        ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! filesink location="$(quoted "$work/voice.raw")"
}

# voice [--loop]: sets the array `voice`, a live source of speech for gst-launch. It is the microphone
# (SOURCE=microphone), TEXT spoken by espeak, or a recording at its own speed: SOURCE, else the bundled one. --loop
# repeats a recording for ever, with a second of silence between.
voice() {
    if [ "$SOURCE" = microphone ]; then
        voice=(autoaudiosrc)
    elif [ -n "$TEXT" ]; then
        need espeak gstreamer1.0-espeak
        voice=(espeak "text=$(quoted "$TEXT")" ! audioconvert ! audioresample ! identity sync=true)
    else
        recording
        if [ "${1:-}" = --loop ]; then
            # Only bytes without a header can be repeated without a click. They come as one buffer each time: it is cut,
            # so that the clock lets them through bit by bit.
            need audiobuffersplit gstreamer1.0-plugins-bad
            decode
            head -c "$RAW_BYTES_A_SECOND" /dev/zero >>"$work/voice.raw"
            # A percent sign stands for the number of a file.
            voice=(multifilesrc "location=$(quoted "${work//%/%%}/voice.raw")" loop=true ! "${RAW_VOICE[@]}"
                ! audiobuffersplit output-buffer-duration=1/50)
        else
            voice=(filesrc "location=$(quoted "$SOURCE")" ! decodebin ! audioconvert ! audioresample ! "${steady[@]}")
        fi
        voice+=(! identity sync=true)
    fi
}

readable "$PORTRAIT"
# What gst-inspect-1.0 says of it.
talkinghead=$(gst-inspect-1.0 talkinghead 2>/dev/null) ||
    die "GStreamer has no element talkinghead: build it with \`cargo build -p gst-plugin-portrait\`," \
        "or set GST_PLUGIN_PATH to the folder of libgstportrait.so"
