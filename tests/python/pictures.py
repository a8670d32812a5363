# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pictures as tests look at them: decoded by GStreamer, compared region by region."""

from __future__ import annotations

import dataclasses

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402, F401

Box = tuple[float, float, float, float]


@dataclasses.dataclass
class Picture:
    """RGBA, rows without padding."""

    width: int
    height: int
    data: bytes

    def pixel(self, x: float, y: float) -> tuple[int, int, int, int]:
        """The pixel at a place given in 0 to 1."""
        at = 4 * (int(y * (self.height - 1)) * self.width + int(x * (self.width - 1)))
        return tuple(self.data[at : at + 4])

    def luma(self, box: Box) -> list[int]:
        """Brightness of the pixels in a box (left, top, right, bottom, each 0 to 1)."""
        left, top, right, bottom = box
        rows = range(int(top * self.height), int(bottom * self.height))
        columns = range(int(left * self.width), int(right * self.width))
        data, width = self.data, self.width
        starts = (4 * (y * width + x) for y in rows for x in columns)
        return [(2 * data[at] + 5 * data[at + 1] + data[at + 2]) >> 3 for at in starts]


def difference(one: Picture, other: Picture, box: Box) -> float:
    """Mean absolute difference of brightness in a box, 0 to 255."""
    pairs = list(zip(one.luma(box), other.luma(box), strict=True))
    return sum(abs(a - b) for a, b in pairs) / len(pairs)


def decode(png: bytes) -> Picture:
    """Decodes a PNG."""
    pipeline = Gst.parse_launch(
        "appsrc name=in ! pngdec ! videoconvert ! video/x-raw,format=RGBA ! appsink name=out sync=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    try:
        source = pipeline.get_by_name("in")
        source.emit("push-buffer", Gst.Buffer.new_wrapped(png))
        source.emit("end-of-stream")
        sample = pipeline.get_by_name("out").emit("try-pull-sample", 20 * Gst.SECOND)
        assert sample is not None, "this is no PNG"
        structure = sample.get_caps().get_structure(0)
        buffer = sample.get_buffer()
        return Picture(
            structure.get_int("width").value, structure.get_int("height").value, buffer.extract_dup(0, buffer.get_size())
        )
    finally:
        pipeline.set_state(Gst.State.NULL)
