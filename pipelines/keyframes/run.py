#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Keyframes: curves of GstController on the properties of talkinghead. See README.md for the variables.

Needs the distribution's python3-gi and gir1.2-gstreamer-1.0 (Debian's names).
"""

from __future__ import annotations

import os
import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstController", "1.0")
from gi.repository import Gst, GstController  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import playing  # noqa: E402
from arguments import variable, variables_only  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PORTRAIT = variable("PORTRAIT", str(ROOT / "tests/data/portrait-grace-hopper.jpg"))
SOURCE = variable("SOURCE", str(ROOT / "tests/data/speech-af_heart.wav"))
OUTPUT = variable("OUTPUT", "keyframes.mp4")

# Property: (seconds of the film, value) at each keyframe. Between them runs a smooth curve.
KEYFRAMES: dict[str, list[tuple[float, float]]] = {
    "yaw": [(0.0, 0.0), (1.0, -14.0), (2.5, 14.0), (4.0, 0.0)],
    "roll": [(0.0, 0.0), (1.0, 4.0), (2.5, -4.0), (4.0, 0.0)],
    "scale": [(0.0, 1.0), (2.0, 1.1), (4.0, 1.0)],
    "emotion-intensity": [(0.0, 0.0), (1.5, 1.0), (4.0, 0.0)],
}

LAUNCH = """
    filesrc name=source ! decodebin name=decoder ! audioconvert ! audioresample
    ! audiorate tolerance=3600000000000 ! tee name=t
    t. ! queue ! talkinghead name=head emotion=happy ! videoconvert ! video/x-raw,format=I420
    ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink name=sink
    t. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac
    ! identity drop-allocation=true ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m.
"""


def keyframe(element: Gst.Element, name: str, curve: list[tuple[float, float]]) -> None:
    """Lets a property follow a curve of stream time."""
    source = GstController.InterpolationControlSource(mode=GstController.InterpolationMode.CUBIC_MONOTONIC)
    for seconds, value in curve:
        source.set(int(seconds * Gst.SECOND), value)
    # Values of the curve are those of the property, not shares of its range.
    element.add_control_binding(GstController.DirectControlBinding.new_absolute(element, name, source))


def main() -> int:
    """Writes the film; returns the exit status."""
    variables_only()
    os.environ.setdefault("GST_PLUGIN_PATH", os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) + "/debug")
    Gst.init(None)
    pipeline = Gst.parse_launch(LAUNCH)
    pipeline.get_by_name("source").set_property("location", SOURCE)
    head = pipeline.get_by_name("head")
    head.set_property("portrait", PORTRAIT)
    for name, curve in KEYFRAMES.items():
        keyframe(head, name, curve)

    files = dict.fromkeys(("source", "decoder"), (SOURCE, "has no sound"))
    status = playing.write(pipeline, "sink", OUTPUT, files, {"PORTRAIT": PORTRAIT, "SOURCE": SOURCE})
    if status == 0:
        print(f"wrote {OUTPUT}")
    return status


if __name__ == "__main__":
    sys.exit(main())
