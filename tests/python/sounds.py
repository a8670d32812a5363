# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sound files for tests: speech in many formats, and ways to break them. The same seed gives the same files."""

from __future__ import annotations

import functools
import pathlib
import random
import subprocess
from collections.abc import Callable

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
SPEECH = DATA / "speech-af_heart.wav"
COVER = DATA / "portrait-cmyk.jpg"
WAV_HEADER = 44
SPEECH_RATE = 16000
TIMEOUT_SECONDS = 120
# Length of the sounds before they are broken.
SECONDS = 0.8

RAW = "audioconvert ! audioresample ! audio/x-raw,rate={rate},channels={channels}"
VIDEO = "videotestsrc num-buffers=30 ! video/x-raw,width=64,height=64,framerate=30/1 ! x264enc ! h264parse ! queue ! m."
# Name: (ending, what encodes raw sound of that rate and those channels, rates, channels).
FORMATS: dict[str, tuple[str, str, list[int], list[int]]] = {
    "wav-s16": ("wav", "audioconvert ! audio/x-raw,format=S16LE ! wavenc", [8000, 16000, 44100, 96000], [1, 2, 6]),
    "wav-u8": ("wav", "audioconvert ! audio/x-raw,format=U8 ! wavenc", [8000, 22050], [1, 2]),
    "wav-s24": ("wav", "audioconvert ! audio/x-raw,format=S24LE ! wavenc", [48000], [1, 2]),
    "wav-f32": ("wav", "audioconvert ! audio/x-raw,format=F32LE ! wavenc", [44100], [1, 2]),
    "wav-alaw": ("wav", "alawenc ! wavenc", [8000], [1, 2]),
    "wav-mulaw": ("wav", "mulawenc ! wavenc", [8000], [1, 2]),
    "wav-adpcm": ("wav", "adpcmenc blockalign=1024 layout=dvi ! ADPCM", [16000, 44100], [1]),
    "mp3-cbr": ("mp3", "lamemp3enc target=bitrate cbr=true bitrate=64 ! xingmux", [16000, 22050, 44100], [1, 2]),
    "mp3-vbr": ("mp3", "lamemp3enc target=quality quality=5 ! xingmux", [24000, 48000], [1, 2]),
    "mp3-bare": ("mp3", "lamemp3enc target=quality quality=5", [8000, 32000, 44100], [1, 2]),
    "mp3-tags": ("mp3", "lamemp3enc ! COVER ! id3v2mux", [44100], [2]),
    "ogg-vorbis": ("ogg", "audioconvert ! vorbisenc ! oggmux", [8000, 22050, 44100, 96000], [1, 2, 6]),
    "ogg-opus": ("opus", "opusenc ! oggmux", [16000, 48000], [1, 2]),
    "ogg-speex": ("spx", "speexenc ! oggmux", [8000, 16000], [1]),
    "ogg-flac": ("oga", "flacenc ! flactag ! oggmux", [44100], [1, 2]),
    "flac": ("flac", "flacenc", [16000, 44100, 96000], [1, 2, 6]),
    "aac-adts": ("aac", "audioconvert ! avenc_aac ! aacparse ! audio/mpeg,stream-format=adts", [22050, 44100], [1, 2]),
    "mp4-aac": ("m4a", "audioconvert ! avenc_aac ! aacparse ! mp4mux", [16000, 44100, 96000], [1, 2, 6]),
    "ac3": ("ac3", "audioconvert ! avenc_ac3", [32000, 48000], [2, 6]),
    "mp2": ("mp2", "twolamemp2enc bitrate=128", [32000, 44100], [1, 2]),
    "wavpack": ("wv", "wavpackenc", [16000, 44100], [1, 2]),
    "webm": ("webm", "opusenc ! webmmux", [48000], [1, 2]),
    "mkv": ("mkv", "audioconvert ! vorbisenc ! matroskamux", [44100], [2]),
    "avi-mp3": ("avi", "lamemp3enc ! mpegaudioparse ! avimux", [44100], [1, 2]),
    "wma": ("wma", "audioconvert ! avenc_wmav2 ! asfmux", [44100], [2]),
    "mpegts": ("ts", "audioconvert ! avenc_aac ! aacparse ! mpegtsmux", [44100], [2]),
    "mp4-video": ("mp4", f"audioconvert ! avenc_aac ! aacparse ! queue ! mp4mux name=m {VIDEO}", [44100], [1, 2]),
    "mkv-video": ("mkv", f"audioconvert ! vorbisenc ! queue ! matroskamux name=m {VIDEO}", [22050], [2]),
    "ts-video": ("ts", f"audioconvert ! avenc_aac ! aacparse ! queue ! mpegtsmux name=m {VIDEO}", [44100], [2]),
}
ENDINGS = sorted({ending for ending, *_ in FORMATS.values()})


def wav(samples: bytes, rate: int = SPEECH_RATE, channels: int = 1) -> bytes:
    """A WAV file of 16-bit samples."""
    word = lambda value, size=4: value.to_bytes(size, "little")  # noqa: E731
    form = word(1, 2) + word(channels, 2) + word(rate) + word(2 * channels * rate) + word(2 * channels, 2) + word(16, 2)
    head = b"WAVEfmt " + word(16) + form + b"data" + word(len(samples)) + samples
    return b"RIFF" + word(len(head)) + head


def adpcm_wav(data: bytes, rate: int, block: int = 1024) -> bytes:
    """A WAV file of IMA ADPCM in one channel, with the byte rate that FFmpeg writes: twice what is true."""
    word = lambda value, size=4: value.to_bytes(size, "little")  # noqa: E731
    data = data[: len(data) // block * block]
    samples = (block - 4) * 2 + 1
    form = word(0x11, 2) + word(1, 2) + word(rate) + word(rate) + word(block, 2) + word(4, 2) + word(2, 2) + word(samples, 2)
    fact = b"fact" + word(4) + word(len(data) // block * samples)
    head = b"WAVEfmt " + word(len(form)) + form + fact + b"data" + word(len(data)) + data
    return b"RIFF" + word(len(head)) + head


def speech(seconds: float, start: float = 0.0) -> bytes:
    """16-bit samples of the bundled speech."""
    begin = WAV_HEADER + 2 * round(start * SPEECH_RATE)
    return SPEECH.read_bytes()[begin : begin + 2 * round(seconds * SPEECH_RATE)]


def run_line(line: str, folder: pathlib.Path) -> None:
    """Runs a launch line."""
    command = ["gst-launch-1.0", "--quiet", "--eos-on-shutdown", *line.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{line}: {done.stderr}")


class Workshop:
    """Encodes speech, each kind once."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.sound = functools.cache(self._sound)

    def _sound(self, name: str, rate: int, channels: int, seconds: float = SECONDS, start: float = 0.0, copy: int = 0) -> bytes:
        # Another copy is encoded anew: an Ogg stream gets its own serial number, which a chain must not repeat.
        del copy
        _, encoder, _, _ = FORMATS[name]
        source, target = self.folder / "source.wav", self.folder / "target"
        source.write_bytes(wav(speech(seconds, start)))
        adpcm = encoder.endswith(" ! ADPCM")
        encoder = encoder.removesuffix(" ! ADPCM").replace("COVER ! ", "")
        raw = RAW.format(rate=rate, channels=channels)
        # Where a muxer has a name, what follows it in the line belongs to another source.
        before, named, after = encoder.partition(" name=m ")
        sink = f"filesink location={target}"
        line = f"filesrc location={source} ! wavparse ! {raw} ! {before}{' name=m' if named else ''} ! {sink} {after}"
        run_line(line, self.folder)
        data = target.read_bytes()
        if name == "mp3-tags":
            data = id3_cover(COVER.read_bytes()) + data
        return adpcm_wav(data, rate) if adpcm else data

    def some(self, random_: random.Random, name: str | None = None, copy: int = 0) -> tuple[str, bytes]:
        """A file of that format, or of any: a description and the bytes."""
        name = name or random_.choice(list(FORMATS))
        _, _, rates, channels = FORMATS[name]
        rate, count, start = random_.choice(rates), random_.choice(channels), random_.choice([0.0, 1.0, 2.0])
        return f"{name} {rate} Hz {count} ch", self.sound(name, rate, count, SECONDS, start, copy)


def id3_cover(picture: bytes) -> bytes:
    """An ID3v2.3 tag with a title and a cover picture."""
    frame = lambda kind, body: kind + len(body).to_bytes(4, "big") + b"\0\0" + body  # noqa: E731
    body = frame(b"TIT2", b"\0A title") + frame(b"APIC", b"\0image/jpeg\0\x03\0" + picture)
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + body


def _place(random_: random.Random, data: bytes, longest: float = 0.3) -> tuple[int, int]:
    begin = random_.randrange(max(1, len(data)))
    return begin, min(len(data), begin + 1 + random_.randrange(max(1, int(len(data) * longest))))


def truncated(random_: random.Random, data: bytes) -> bytes:
    return data[: random_.randrange(max(1, len(data)))]


def beheaded(random_: random.Random, data: bytes) -> bytes:
    return data[random_.randrange(max(1, len(data) // 2)) :]


def flipped(random_: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(random_.choice([1, 5, 50, 500])):
        if out:
            out[random_.randrange(len(out))] = random_.randrange(256)
    return bytes(out)


def flipped_header(random_: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(random_.choice([1, 4, 16])):
        if out:
            out[random_.randrange(min(len(out), 200))] = random_.randrange(256)
    return bytes(out)


def zeroed(random_: random.Random, data: bytes) -> bytes:
    begin, end = _place(random_, data)
    return data[:begin] + bytes(end - begin) + data[end:]


def noisy(random_: random.Random, data: bytes) -> bytes:
    begin, end = _place(random_, data)
    return data[:begin] + random_.randbytes(end - begin) + data[end:]


def cut(random_: random.Random, data: bytes) -> bytes:
    begin, end = _place(random_, data)
    return data[:begin] + data[end:]


def stuffed(random_: random.Random, data: bytes) -> bytes:
    begin, _ = _place(random_, data)
    return data[:begin] + random_.randbytes(random_.choice([10, 1000, 30000])) + data[begin:]


def stuttering(random_: random.Random, data: bytes) -> bytes:
    begin, end = _place(random_, data)
    return data[:end] + data[begin:end] * random_.choice([1, 3]) + data[end:]


def tailed(random_: random.Random, data: bytes) -> bytes:
    tails = [b"\0" * 5000, b"text " * 500, b"TAG" + b"x" * 125, COVER.read_bytes(), random_.randbytes(20000)]
    return data + random_.choice(tails)


def twice(_random: random.Random, data: bytes) -> bytes:
    return data + data


def as_it_is(_random: random.Random, data: bytes) -> bytes:
    return data


DAMAGES: list[Callable[[random.Random, bytes], bytes]] = [
    as_it_is, truncated, beheaded, flipped, flipped_header, zeroed, noisy, cut, stuffed, stuttering, tailed, twice,
]  # fmt: skip


def stitched(random_: random.Random, shop: Workshop) -> tuple[str, str, bytes]:
    """Files of one format but other rates and channels, one behind the other."""
    name = random_.choice(["mp3-cbr", "mp3-bare", "ogg-vorbis", "ogg-opus", "aac-adts", "wav-s16", "flac", "ac3", "mp2", "wavpack"])
    parts = [shop.some(random_, name, copy) for copy in range(random_.choice([2, 3]))]
    return f"stitched {' + '.join(kind for kind, _ in parts)}", FORMATS[name][0], b"".join(data for _, data in parts)


def mixed(random_: random.Random, shop: Workshop) -> tuple[str, str, bytes]:
    """Files of two formats, one behind the other."""
    (first, one), (second, two) = shop.some(random_), shop.some(random_)
    return f"mixed {first} + {second}", FORMATS[first.split()[0]][0], one + two


def tiny(random_: random.Random, shop: Workshop) -> tuple[str, str, bytes]:
    """Hardly any sound."""
    count = random_.choice([0, 1, 10, 100, 700])
    if random_.random() < 0.5:
        return f"tiny wav, {count} samples", "wav", wav(speech(1)[: 2 * count])
    name = random_.choice(["mp3-bare", "ogg-vorbis", "ogg-opus", "flac", "mp4-aac", "wav-s16"])
    _, data = shop.some(random_, name)
    size = random_.choice([0, 1, 64, 1000])
    return f"tiny {name}, {size} bytes", FORMATS[name][0], data[:size]


def no_sound(random_: random.Random, shop: Workshop) -> tuple[str, str, bytes]:
    """Something else under the name of a sound file."""
    things = {"text": b"This is no sound. " * 300, "noise": random_.randbytes(50000), "a photo": COVER.read_bytes()}
    name = random_.choice(list(things))
    return f"{name} as sound", random_.choice(ENDINGS), things[name]


def broken(random_: random.Random, shop: Workshop) -> tuple[str, str, bytes]:
    """A file with one to three damages, one in four under the name of another format."""
    kind, data = shop.some(random_)
    damages = random_.choices(DAMAGES, k=random_.choice([1, 1, 2, 3]))
    for damage in damages:
        data = damage(random_, data)
    ending = FORMATS[kind.split()[0]][0]
    if random_.random() < 0.25:
        ending = random_.choice(ENDINGS)
    names = ", ".join(damage.__name__ for damage in damages)
    return f"{kind}: {names}, .{ending}", ending, data


MAKERS = [broken] * 13 + [stitched] * 4 + [mixed, tiny, no_sound]


def make(number: int, seed: int, shop: Workshop) -> tuple[str, str, bytes]:
    """The file of that number: a description, an ending, the bytes."""
    random_ = random.Random(seed * 1_000_003 + number)
    maker = MAKERS[number % len(MAKERS)]
    return maker(random_, shop)
