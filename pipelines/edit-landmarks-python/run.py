#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Edits landmarks in the stream: takes them out by an appsink, widens the smile, puts them back by an appsrc.

See README.md for the variables. Needs the distribution's python3-gi and gir1.2-gst-plugins-base-1.0 (Debian's names).
"""

from __future__ import annotations

import array
import os
import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402, F401  (GstApp brings the methods of appsink and appsrc)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import playing  # noqa: E402
from arguments import number, variable, variables_only  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PORTRAIT = variable("PORTRAIT", str(ROOT / "tests/data/portrait-grace-hopper.jpg"))
SOURCE = variable("SOURCE", str(ROOT / "tests/data/speech-af_heart.wav"))
OUTPUT = variable("OUTPUT", "edit-landmarks.mp4")
SMILE = number("SMILE", 0.06, -0.3, 0.3)

# All of a buffer but its payload.
METADATA = Gst.BufferCopyFlags.FLAGS | Gst.BufferCopyFlags.TIMESTAMPS | Gst.BufferCopyFlags.META

# Landmarks of MediaPipe's face mesh around the corners of the mouth, and how far they follow them.
CORNERS = {61: (-1, 1.0), 78: (-1, 1.0), 57: (-1, 0.7), 185: (-1, 0.7), 146: (-1, 0.7), 191: (-1, 0.6), 95: (-1, 0.6)} | {
    291: (1, 1.0), 308: (1, 1.0), 287: (1, 0.7), 409: (1, 0.7), 375: (1, 0.7), 415: (1, 0.6), 324: (1, 0.6)
}  # fmt: skip

# The upper line ends with the landmarks; the lower one begins with them. Their photo is that of facesynth. No sink waits
# for its first buffer before playing: the second line has none before the first plays.
LAUNCH = """
    filesrc name=source ! decodebin name=decoder ! audioconvert ! audioresample
    ! audiorate tolerance=3600000000000 ! tee name=t
    t. ! queue ! audioconvert ! audioresample ! audiofeatures ! speech2landmarks
    ! appsink name=out sync=false async=false emit-signals=true max-buffers=8
    appsrc name=in format=time block=true max-bytes=65536 ! landmarks2latents ! facesynth name=synth
    ! videoconvert ! video/x-raw,format=I420 ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m
    ! filesink name=sink async=false
    t. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac
    ! identity drop-allocation=true ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m.
"""


def smile(landmarks: array.array) -> None:
    """Pulls the corners of the mouth apart and up. x points right and y down; 1 is the distance of the eye corners."""
    for index, (side, share) in CORNERS.items():
        landmarks[3 * index] += side * share * SMILE
        landmarks[3 * index + 1] -= share * SMILE


def edit(sink: GstApp.AppSink, source: GstApp.AppSrc) -> Gst.FlowReturn:
    """Sends the next buffer on, edited: a new payload, with times, flags and metadata of the old one."""
    sample = sink.pull_sample()
    old = sample.get_buffer()
    landmarks = array.array("f", old.extract_dup(0, old.get_size()))
    smile(landmarks)
    new = Gst.Buffer.new_wrapped(landmarks.tobytes())
    new.copy_into(old, METADATA, 0, old.get_size())
    source.set_caps(sample.get_caps())
    return source.push_buffer(new)


def main() -> int:
    """Writes the film; returns the exit status."""
    variables_only()
    os.environ.setdefault("GST_PLUGIN_PATH", os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) + "/debug")
    Gst.init(None)
    pipeline = Gst.parse_launch(LAUNCH)
    pipeline.get_by_name("source").set_property("location", SOURCE)
    pipeline.get_by_name("synth").set_property("portrait", PORTRAIT)
    out, into = pipeline.get_by_name("out"), pipeline.get_by_name("in")
    out.connect("new-sample", edit, into)
    out.connect("eos", lambda _sink: into.end_of_stream())

    files = dict.fromkeys(("source", "decoder"), (SOURCE, "has no sound"))
    status = playing.write(pipeline, "sink", OUTPUT, files, {"PORTRAIT": PORTRAIT, "SOURCE": SOURCE})
    if status == 0:
        print(f"wrote {OUTPUT}")
    return status


if __name__ == "__main__":
    sys.exit(main())
