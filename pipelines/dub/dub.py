# SPDX-License-Identifier: MIT OR Apache-2.0
"""A film and another voice into a film: `facedub`, fed with pictures that go to and fro where the voice is longer.

Run by run.sh. Needs the distribution's python3-gi. The last seconds of the film are kept as JPEG pictures, so that they cost a few
megabytes.
"""

import argparse
import collections
import sys
import threading
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstController", "1.0")
from gi.repository import Gst, GstController  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import playing  # noqa: E402
from arguments import Parser, seconds  # noqa: E402

JPEG_QUALITY = 95

# Of a picture whose film does not tell how long it is shown.
FRAME = Gst.SECOND // 25


def running_time(segment: Gst.Segment, time: int) -> int:
    """When a time of the stream is played; 0 outside of it."""
    time = segment.to_running_time(Gst.Format.TIME, time)
    return 0 if time == Gst.CLOCK_TIME_NONE else time


def colours(raw: Gst.Caps) -> Gst.Caps:
    """What numbers mean colours in pictures that jpegenc was given: it keeps the numbers, and jpegdec says that they are JPEG's."""
    known = ((name, raw.get_structure(0).get_string(name)) for name in ("colorimetry", "chroma-site"))
    return Gst.Caps.from_string(", ".join(["video/x-raw", *(f"{name}=(string){value}" for name, value in known if value)]))


def speakers(path: str) -> dict[str, list[tuple[float, float]]]:
    """Whose mouth says the voice when: faces, and from and to which second each speaks."""
    faces: dict[str, list[tuple[float, float]]] = {}
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"error: cannot read {path}: {error}")
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            start, end, face = float(words[0]), float(words[1]), words[2]
        except (ValueError, IndexError):
            start = end = 0.0
        if len(words) != 3 or not 0 <= start < end < float("inf"):
            sys.exit(f"error: {path}, line {number}: `{line.strip()}`, where `FROM TO FACE` is meant, as in `0.5 3.2 left` (seconds)")
        faces.setdefault(face, []).append((start, end))
    return faces or sys.exit(f"error: {path} names no speaker: a line is `FROM TO FACE`, as in `0.5 3.2 left` (seconds)")


def let_through(gate: Gst.Element, times: list[tuple[float, float]]) -> None:
    """A voice is heard at those times only."""
    curve = GstController.InterpolationControlSource(mode=GstController.InterpolationMode.NONE)
    curve.set(0, 0.0)
    # Where one ends as another begins the voice goes on.
    for end in {end for _, end in times}:
        if not any(start <= end < other for start, other in times):
            curve.set(int(end * Gst.SECOND), 0.0)
    for start, _ in times:
        curve.set(int(start * Gst.SECOND), 1.0)
    gate.add_control_binding(GstController.DirectControlBinding.new_absolute(gate, "volume", curve))


def choose(dub: Gst.Element, pad: str, face: str) -> None:
    """Whose mouth says the voice of a pad; a face that is none is told."""
    # The element looks at the text, and further pads take what it would.
    before = dub.get_property("face")
    playing.set_property(dub, "face", face)
    if pad != "voice":
        dub.set_property("face", before)
        dub.get_static_pad(pad).set_property("face", face)


class Dub:
    def __init__(self, o: argparse.Namespace) -> None:
        faces = speakers(o.speakers) if o.speakers else {o.face: None}
        # Each speaker has a pad, and the voice of the times of theirs.
        pads = ["voice", *(f"voice_{n}" for n in range(len(faces) - 1))]
        self.tail = int(o.tail * Gst.SECOND)
        # Pictures, each with when it is played.
        self.kept: collections.deque = collections.deque()
        # No sink waits for the others before it plays: an encoder gives nothing of a short film until its pictures have come again.
        queue = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0"
        voices = "  ".join(f"v. ! {queue} ! volume name={pad}_gate ! dub.{pad}" for pad in pads)
        self.pipeline = Gst.parse_launch(
            "filesrc name=film ! decodebin name=pictures ! deinterlace ! videoconvert ! video/x-raw,format=I420 "
            "! videoflip video-direction=auto ! tee name=f "
            "concat name=all ! identity single-segment=true ! facedub name=dub ! x264enc speed-preset=veryfast "
            f"! mp4mux name=mux ! filesink name=out async=false  f. ! queue ! all. "
            f"appsrc name=again format=time block=true max-bytes=500000 ! jpegdec ! videoconvert ! video/x-raw,format=I420 "
            "! capssetter name=colours ! queue ! all. "
            f"f. ! queue ! jpegenc name=jpegs quality={JPEG_QUALITY} ! appsink name=keep async=false sync=false emit-signals=true "
            f"filesrc name=voice ! decodebin name=sound ! audioconvert ! audioresample ! tee name=v  {voices}  "
            f"v. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! {queue} ! mux."
        )
        get = self.pipeline.get_by_name
        for name, path in (("film", o.film), ("voice", o.voice)):
            get(name).set_property("location", path)
        self.output = o.output
        self.inputs = {"FILM": o.film, "SOURCE": o.voice, "SPEAKERS": o.speakers}
        self.files = dict.fromkeys(("film", "pictures"), (o.film, "shows no pictures"))
        self.files |= dict.fromkeys(("voice", "sound"), (o.voice, "has no sound"))
        dub = get("dub")
        playing.set_property(dub, "silence", o.silence)
        for pad, (face, times) in zip(pads, faces.items()):
            choose(dub, pad, face)
            if times:
                let_through(get(f"{pad}_gate"), times)
        get("keep").connect("new-sample", self.keep)
        get("keep").connect("eos", lambda _sink: threading.Thread(target=self.more, daemon=True).start())
        self.again, self.jpegs, self.colours = get("again"), get("jpegs"), get("colours")
        # How long the voice is as far as it came, and whether that is all of it.
        self.heard, self.voice_ended = 0, False
        self.news = threading.Condition()
        voice = dub.get_static_pad("voice")
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
        self.raw = self.jpegs.get_static_pad("sink").get_current_caps()
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
                    self.colours.set_property("caps", colours(self.raw))
                # `copy` would be the same buffer: times that were written before it was shown would change.
                picture = picture.copy_region(Gst.BufferCopyFlags.FLAGS | Gst.BufferCopyFlags.MEMORY, 0, picture.get_size())
                picture.pts, picture.duration = time, length
                if self.again.emit("push-buffer", picture) != Gst.FlowReturn.OK:
                    return
                time, shown = time + length, shown + 1
                picture, length = way[shown % len(way)]
        self.again.emit("end-of-stream")

    def run(self) -> int:
        return playing.write(self.pipeline, "out", self.output, self.files, self.inputs)


def main() -> int:
    a = Parser(description=__doc__.splitlines()[0])
    for name in ("film", "voice", "output"):
        a.add_argument(f"--{name}", required=True)
    a.add_argument("--face", default="largest")
    a.add_argument("--speakers", help="file of lines `FROM TO FACE`, in seconds of the voice, in the place of --face")
    a.add_argument("--silence", default="original")
    a.add_argument("--tail", type=seconds, default=3.0)
    o = a.parse_args()
    Gst.init(None)
    try:
        dub = Dub(o)
    except ValueError as error:
        sys.exit(f"error: {error}")
    return dub.run()


if __name__ == "__main__":
    sys.exit(main())
