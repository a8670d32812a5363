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

# Of a picture whose film does not tell how long it is shown.
FRAME = Gst.SECOND // 25


def running_time(segment: Gst.Segment, time: int) -> int:
    """When a time of the stream is played; 0 outside of it."""
    time = segment.to_running_time(Gst.Format.TIME, time)
    return 0 if time == Gst.CLOCK_TIME_NONE else time


class Dub:
    def __init__(self, o: argparse.Namespace) -> None:
        self.tail = int(o.tail * Gst.SECOND)
        # Pictures, each with when it is played.
        self.kept: collections.deque = collections.deque()
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
        # How long the voice is as far as it came, and whether that is all of it.
        self.heard, self.voice_ended = 0, False
        self.news = threading.Condition()
        voice = get("dub").get_static_pad("voice")
        voice.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.EVENT_DOWNSTREAM, self.listen)

    def listen(self, pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        until, ended = 0, False
        if info.type & Gst.PadProbeType.BUFFER:
            buffer = info.get_buffer()
            segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0)
            if segment and buffer.pts != Gst.CLOCK_TIME_NONE:
                length = 0 if buffer.duration == Gst.CLOCK_TIME_NONE else buffer.duration
                until = running_time(segment.parse_segment(), buffer.pts) + length
        else:
            ended = info.get_event().type == Gst.EventType.EOS
        with self.news:
            self.heard, self.voice_ended = max(self.heard, until), self.voice_ended or ended
            self.news.notify()
        return Gst.PadProbeReturn.OK

    def keep(self, sink: Gst.Element) -> Gst.FlowReturn:
        sample = sink.emit("pull-sample")
        buffer = sample.get_buffer()
        # Whole pictures: the decoder need not look for where they begin, and keeps their times.
        self.caps = Gst.Caps.from_string(sample.get_caps().to_string() + ", parsed=true")
        time = running_time(sample.get_segment(), buffer.pts)
        self.kept.append((buffer, time))
        while self.kept[0][1] + self.tail < time:
            self.kept.popleft()
        return Gst.FlowReturn.OK

    def lengths(self) -> list[int]:
        """How long each picture that is kept is shown: until the next one."""
        times = [time for _, time in self.kept]
        known = [after - time for time, after in zip(times, times[1:])]
        last = self.kept[-1][0].duration
        return [*known, last if last != Gst.CLOCK_TIME_NONE else known[-1] if known else FRAME]

    def is_heard(self, time: int) -> bool:
        """Whether the voice goes on at that time; waits until that is known."""
        with self.news:
            self.news.wait_for(lambda: self.heard > time or self.voice_ended)
            return self.heard > time

    def more(self) -> None:
        """The last pictures backwards and forwards until the voice is over; `concat` adds what the film lasts."""
        if self.kept:
            lengths = self.lengths()
            pictures = list(zip((buffer for buffer, _ in self.kept), lengths))
            end = self.kept[-1][1] + lengths[-1]
            # The first and the last one are shown once each way.
            way = pictures[-2:0:-1] + pictures if len(pictures) > 2 else pictures
            shown, time = 0, 0
            picture, length = way[0]
            # The voice ends within the last picture's first half or the second half of the one before.
            while self.is_heard(end + time + length // 2):
                if shown == 0:
                    self.again.set_property("caps", self.caps)
                # `copy` would be the same buffer: times that were written before it was shown would change.
                picture = picture.copy_region(Gst.BufferCopyFlags.FLAGS | Gst.BufferCopyFlags.MEMORY, 0, picture.get_size())
                picture.pts, picture.duration = time, length
                if self.again.emit("push-buffer", picture) != Gst.FlowReturn.OK:
                    return
                time, shown = time + length, shown + 1
                picture, length = way[shown % len(way)]
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
