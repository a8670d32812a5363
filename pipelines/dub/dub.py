# SPDX-License-Identifier: MIT OR Apache-2.0
"""A film and another voice into a film: `facedub`, fed with pictures that go to and fro where the voice is longer.

Run by run.sh. Needs the distribution's python3-gi. The last seconds of the film are kept as JPEG pictures, so that they cost a few
megabytes.
"""

import argparse
import collections
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

JPEG_QUALITY = 95


class Dub:
    def __init__(self, o: argparse.Namespace) -> None:
        self.tail = int(o.tail * Gst.SECOND)
        self.kept: collections.deque = collections.deque()
        self.end = 0
        self.voice_ended = False
        # No sink waits for the others before it plays: an encoder gives nothing of a short film until its pictures have come again.
        queue = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0"
        self.pipeline = Gst.parse_launch(
            f"filesrc name=film ! decodebin name=pictures ! deinterlace ! videoconvert ! video/x-raw,format=I420 ! tee name=f "
            f"concat name=all ! identity single-segment=true ! facedub name=dub face={o.face} silence={o.silence} ! x264enc speed-preset=veryfast "
            f"! mp4mux name=mux ! filesink name=out async=false  f. ! queue ! all. "
            f"appsrc name=again format=time block=true max-bytes=500000 ! jpegdec ! videoconvert ! video/x-raw,format=I420 ! queue ! all. "
            f"f. ! queue ! jpegenc quality={JPEG_QUALITY} ! appsink name=keep async=false sync=false emit-signals=true "
            f"filesrc name=voice ! decodebin ! audioconvert ! audioresample ! tee name=v ! {queue} ! dub.voice "
            f"v. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! {queue} ! mux."
        )
        get = self.pipeline.get_by_name
        for name, path in (("film", o.film), ("voice", o.voice), ("out", o.output)):
            get(name).set_property("location", path)
        get("keep").connect("new-sample", self.keep)
        get("keep").connect("eos", lambda _sink: threading.Thread(target=self.more, daemon=True).start())
        self.again = get("again")
        voice = get("dub").get_static_pad("voice")
        voice.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.EVENT_DOWNSTREAM, self.listen)
        self.heard = 0

    def listen(self, _pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        """How long the voice is, as far as it came."""
        if info.type & Gst.PadProbeType.BUFFER:
            buffer = info.get_buffer()
            if buffer.pts != Gst.CLOCK_TIME_NONE:
                self.heard = max(self.heard, buffer.pts + buffer.duration)
        elif info.get_event().type == Gst.EventType.EOS:
            self.voice_ended = True
        return Gst.PadProbeReturn.OK

    def keep(self, sink: Gst.Element) -> Gst.FlowReturn:
        sample = sink.emit("pull-sample")
        buffer = sample.get_buffer()
        # Whole pictures: the decoder need not look for where they begin, and keeps their times.
        self.caps = Gst.Caps.from_string(sample.get_caps().to_string() + ", parsed=true")
        self.kept.append(buffer)
        self.end = buffer.pts + buffer.duration
        while self.kept[0].pts + self.tail < buffer.pts:
            self.kept.popleft()
        return Gst.FlowReturn.OK

    def more(self) -> None:
        """The last pictures backwards and forwards until the voice is over; `concat` adds what the film lasts."""
        pictures = list(self.kept)
        # The first and the last one are shown once each way.
        way = pictures[-2:0:-1] + pictures if len(pictures) > 2 else pictures
        shown, time = 0, 0
        while way and not (self.voice_ended and self.end + time >= self.heard):
            if shown == 0:
                self.again.set_property("caps", self.caps)
            picture = way[shown % len(way)].copy()
            picture.pts, picture.dts = time, Gst.CLOCK_TIME_NONE
            time, shown = time + picture.duration, shown + 1
            if self.again.emit("push-buffer", picture) != Gst.FlowReturn.OK:
                return
        self.again.emit("end-of-stream")

    def run(self) -> None:
        self.pipeline.set_state(Gst.State.PLAYING)
        bus = self.pipeline.get_bus()
        message = bus.timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        self.pipeline.set_state(Gst.State.NULL)
        if message.type == Gst.MessageType.ERROR:
            error, debug = message.parse_error()
            sys.exit(f"error: {message.src.get_name()}: {error.message}\n{debug}")


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("film", "voice", "output"):
        a.add_argument(f"--{name}", required=True)
    a.add_argument("--face", default="largest")
    a.add_argument("--silence", default="original")
    a.add_argument("--tail", type=float, default=3.0)
    Gst.init(None)
    Dub(a.parse_args()).run()


if __name__ == "__main__":
    main()
