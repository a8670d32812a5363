#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Animates damaged, stitched, truncated, renamed and mixed sound files: each ends, in a whole film or in one line.

Run: tests/python/damaged_sound.py target/debug/animate [--count 200] [--seed 1] [--only 17]
It needs what the project's setup installs, and prints a line a file. `right` is a film that plays to its end, whose
pictures and sound are as long as GStreamer decodes of the file (to a frame), or an error in one line and no file. Where
not the whole file can be decoded, an error is right as well as a film of what can be. A damaged file may be decoded to
another length each time (an Ogg chain that repeats a serial number): a film is right that has one of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

import sounds  # noqa: E402

PORTRAIT = sounds.DATA / "portrait-grace-hopper.jpg"
LIMIT_SECONDS = 30
FRAME_SECONDS = 0.04
# An AAC encoder works in pieces of so many samples; it delays by one of them and fills up the last.
AAC_SAMPLES = 1024
RATE = 48000
# So often a file is decoded before a film is called wrong.
DECODINGS = 12


@dataclasses.dataclass
class Stream:
    """What a file holds, as far as it can be decoded."""

    seconds: float = 0.0
    pictures: int = 0
    error: str = ""


def decode(path: pathlib.Path) -> Stream:
    """Decodes a file: all of its sound, however many streams follow each other, and its pictures."""
    Gst.init(None)
    pipeline = Gst.Pipeline()
    elements = [Gst.ElementFactory.make(name) for name in ("filesrc", "decodebin")]
    source, decoder = elements
    source.set_property("location", str(path))
    for element in elements:
        pipeline.add(element)
    source.link(decoder)
    stream = Stream()

    def count_sound(_pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        stream.seconds += info.get_buffer().get_size() / (RATE * 2)
        return Gst.PadProbeReturn.OK

    def count_pictures(_pad: Gst.Pad, _info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        stream.pictures += 1
        return Gst.PadProbeReturn.OK

    sound = Gst.parse_bin_from_description(
        f"audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate={RATE},channels=1 ! fakesink name=s", True
    )
    sound.get_by_name("s").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, count_sound)
    pipeline.add(sound)

    def added(_decoder: Gst.Element, pad: Gst.Pad) -> None:
        caps = pad.get_current_caps() or pad.query_caps(None)
        kind = caps.get_structure(0).get_name()
        if kind.startswith("audio/"):
            if not sound.get_static_pad("sink").is_linked():
                pad.link(sound.get_static_pad("sink"))
            return
        sink = Gst.ElementFactory.make("fakesink")
        pipeline.add(sink)
        sink.sync_state_with_parent()
        if kind == "video/x-raw":
            pad.add_probe(Gst.PadProbeType.BUFFER, count_pictures)
        pad.link(sink.get_static_pad("sink"))

    decoder.connect("pad-added", added)
    pipeline.set_state(Gst.State.PLAYING)
    # A sink without data never gets ready: the state of the pipeline does not matter here.
    kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(LIMIT_SECONDS * Gst.SECOND, kinds)
    if message is None:
        stream.error = "it is not decoded to its end"
    elif message.type == Gst.MessageType.ERROR:
        stream.error = message.parse_error()[0].message
    pipeline.set_state(Gst.State.NULL)
    return stream


@dataclasses.dataclass
class Outcome:
    """How one file went."""

    right: bool
    seen: str
    seconds: float


def animate(program: str, sound: pathlib.Path, folder: pathlib.Path, limit: float = LIMIT_SECONDS) -> Outcome:
    """Animates a file and judges what comes out; nothing else may lie in the folder."""
    expected = decode(sound)
    film = folder / "film.mp4"
    command = [program, str(PORTRAIT), str(sound), "--output", str(film)]
    environment = {"GST_PLUGIN_PATH": str(pathlib.Path(program).parent)} | dict(os.environ)
    begin = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, check=False, env=environment, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return Outcome(False, f"no end within {limit:g} s", limit)
    took = time.monotonic() - begin
    left = [path.name for path in folder.iterdir() if path != film]
    if left:
        return Outcome(False, f"leaves {left}", took)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        plain = done.returncode == 1 and len(said) == 1 and said[0].startswith("error: ") and not film.exists()
        allowed = bool(expected.error) or expected.seconds == 0
        seen = f"rc={done.returncode} {' / '.join(said)[:200]}"
        return Outcome(plain and allowed, seen if allowed else f"{seen} (but {expected.seconds:.2f} s decode)", took)
    if not film.exists():
        return Outcome(False, "rc=0 and no film", took)
    whole = decode(film)
    film.unlink()
    drawn = whole.pictures * FRAME_SECONDS
    seen = f"film {drawn:.2f} s, sound {whole.seconds:.2f} s, decoded {expected.seconds:.2f} s"
    if whole.error:
        return Outcome(False, f"{seen}; it does not play: {whole.error}", took)
    right = fits(drawn, whole.seconds, expected.seconds)
    for _ in range(DECODINGS - 1):
        if right:
            break
        again = decode(sound).seconds
        if again != expected.seconds:
            seen += f" or {again:.2f} s"
            right = fits(drawn, whole.seconds, again)
    return Outcome(right, seen + (f"; {expected.error}" if expected.error else ""), took)


def fits(drawn: float, heard: float, decoded: float) -> bool:
    """Whether a film has the length of its recording: every sample has its picture, and no picture is without one."""
    padding = 2 * AAC_SAMPLES / RATE
    return -1e-3 <= drawn - decoded <= FRAME_SECONDS + 1e-3 and abs(heard - decoded) <= FRAME_SECONDS + padding


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("animate", help="the program, beside libgstportrait.so")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds that a file may take")
    parser.add_argument("--only", type=int, help="number of the one file to run")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the files that went wrong")
    arguments = parser.parse_args()
    numbers = [arguments.only] if arguments.only is not None else range(arguments.first, arguments.count)
    wrong = films = 0
    program = str(pathlib.Path(arguments.animate).resolve())
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        shop = sounds.Workshop(work)
        for number in numbers:
            kind, ending, data = sounds.make(number, arguments.seed, shop)
            sound = work / f"sound.{ending}"
            sound.write_bytes(data)
            # A folder each: what a killed run leaves is not the next one's.
            with tempfile.TemporaryDirectory(dir=work) as output:
                outcome = animate(program, sound, pathlib.Path(output), arguments.limit)
            films += outcome.seen.startswith("film")
            wrong += not outcome.right
            mark = "right" if outcome.right else "WRONG"
            print(f"{number:3} | {mark} | {outcome.seconds:4.1f} s | {kind} | {outcome.seen}", flush=True)
            if not outcome.right and arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                (arguments.keep / f"{number}.{ending}").write_bytes(data)
            sound.unlink()
    print(f"{len(numbers)} files, {films} films, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
