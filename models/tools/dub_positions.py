# SPDX-License-Identifier: MIT OR Apache-2.0
"""Where the mouth lies in each frame of a raw RGB film, as `facetracker` sees it; called by models/dub.py.

Run: /usr/bin/python3 dub_positions.py FILM WIDTH HEIGHT OUT
OUT holds float32 [n,3]: x and y of the upper lip's middle and the distance of the outer eye corners, in pixels; a frame
without a face repeats the one before. Needs the distribution's python3-gi.
"""

import array
import math
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402


def main() -> None:
    film, width, height, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    Gst.init(None)
    pipeline = Gst.parse_launch(
        f"filesrc location={film} blocksize={width * height * 3} ! rawvideoparse format=rgb width={width} height={height} "
        "framerate=25/1 ! facetracker ! appsink name=sink sync=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    sink = pipeline.get_by_name("sink")
    rows, last = array.array("f"), [width / 2, height / 2, width / 5]
    while sample := sink.emit("pull-sample"):
        meta = sample.get_buffer().get_custom_meta("PortraitPictureLandmarksMeta")
        if meta:
            data = meta.get_structure().get_value("data")
            points = array.array("f", data.extract_dup(0, data.get_size()))
            # The depth is in the unit of x: a head that is turned keeps its size.
            xyz = lambda i: (points[3 * i] * width, points[3 * i + 1] * height, points[3 * i + 2] * width)  # noqa: E731
            last = [*xyz(0)[:2], math.dist(xyz(33), xyz(263))]
        rows.extend(last)
    pipeline.set_state(Gst.State.NULL)
    with open(out, "wb") as f:
        rows.tofile(f)


if __name__ == "__main__":
    main()
