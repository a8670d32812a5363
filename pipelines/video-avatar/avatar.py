# SPDX-License-Identifier: MIT OR Apache-2.0
"""A clip of a person, to and fro, whose mouth says a live voice. Run by run.sh; needs the distribution's python3-gi.

The clip is kept as JPEG pictures: a minute costs some fifty megabytes.
"""

import sys
import threading
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import playing  # noqa: E402
from arguments import Parser, seconds  # noqa: E402

QUEUE = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0"
LONGEST = 60 * Gst.SECOND
# How long a picture of the clip is waited for before errors are looked for.
PATIENCE = Gst.SECOND // 10

# Of a picture whose clip does not tell how long it is shown.
FRAME = Gst.SECOND // 25


def pictures(clip: str) -> tuple[list[Gst.Buffer], Gst.Caps, str]:
    """All of the clip, forwards, and what its numbers mean as colours: jpegenc keeps them, and jpegdec says that they are JPEG's."""
    line = Gst.parse_launch(
        "filesrc name=file ! decodebin name=d ! deinterlace ! videoconvert ! video/x-raw,format=I420 "
        "! videoflip video-direction=auto ! jpegenc name=jpegs quality=95 ! appsink name=sink sync=false"
    )
    line.get_by_name("file").set_property("location", clip)
    sink, bus = line.get_by_name("sink"), line.get_bus()
    files = dict.fromkeys(("file", "d"), (clip, "shows no pictures"))
    line.set_state(Gst.State.PLAYING)
    kept, caps, colours = [], None, "video/x-raw"
    while True:
        # What shows no pictures gives neither one nor their end.
        sample = sink.emit("try-pull-sample", PATIENCE)
        if sample is None:
            while message := bus.pop_filtered(Gst.MessageType.ERROR | Gst.MessageType.WARNING):
                # Elements lose their places at the end.
                if problem := playing.error_line(message, files):
                    line.set_state(Gst.State.NULL)
                    sys.exit(f"error: {problem}")
            if sink.get_property("eos"):
                break
            continue
        kept.append(sample.get_buffer())
        if caps is None:
            caps = sample.get_caps()
            raw = line.get_by_name("jpegs").get_static_pad("sink").get_current_caps().get_structure(0)
            for name in ("colorimetry", "chroma-site"):
                if value := raw.get_string(name):
                    colours += f",{name}=(string){value}"
        if kept[-1].pts > LONGEST:
            break
    line.set_state(Gst.State.NULL)
    if not kept:
        sys.exit(f"error: {clip} shows no pictures")
    return kept, caps, colours


def recorded(where: str, clip: str) -> tuple[Path, Path] | None:
    """Where a recording lies and where it grows; None of what is none."""
    if where == "screen" or where.startswith("v4l2:"):
        return None
    target, part = playing.places(where, {"CLIP": clip})
    if part != target and part.exists() and part.stat().st_size:
        sys.exit(f"error: {part} holds a recording that was broken off, or one that goes on: move it away first")
    return target, part


def output(where: str) -> str:
    if where == "screen":
        return "videoconvert ! autovideosink  v. ! queue ! audioconvert ! audioresample ! autoaudiosink"
    if where.startswith("v4l2:"):
        return f"videoconvert ! v4l2sink name=camera  v. ! {QUEUE} ! fakesink"
    return (
        "queue ! x264enc speed-preset=veryfast tune=zerolatency ! h264parse ! matroskamux name=m "
        f"! filesink name=file  v. ! {QUEUE} ! audioconvert ! audioresample ! avenc_aac ! m."
    )


def push(source: Gst.Element, way: list[Gst.Buffer], stop: threading.Event) -> None:
    time, shown = 0, 0
    while not stop.is_set():
        kept = way[shown % len(way)]
        length = FRAME if kept.duration == Gst.CLOCK_TIME_NONE else kept.duration
        # `copy` would be the same buffer: times that were written before it was shown would change.
        picture = kept.copy_region(Gst.BufferCopyFlags.FLAGS | Gst.BufferCopyFlags.MEMORY, 0, kept.get_size())
        picture.pts, picture.duration = time, length
        time, shown = time + picture.duration, shown + 1
        if source.emit("push-buffer", picture) != Gst.FlowReturn.OK:
            return
    source.emit("end-of-stream")


def main() -> None:
    a = Parser(description=__doc__.splitlines()[0])
    a.add_argument("--clip", required=True)
    a.add_argument("--face", default="largest")
    a.add_argument("--silence", default="shut")
    a.add_argument("--output", default="screen")
    a.add_argument("--seconds", type=seconds, default=0)
    a.add_argument("voice", nargs="+", help="elements of a live source of sound")
    o = a.parse_args()
    Gst.init(None)
    target, part = recorded(o.output, o.clip) or (None, None)
    kept, caps, colours = pictures(o.clip)
    # The first and the last one are shown once each way.
    way = kept + kept[-2:0:-1]
    front = (
        "appsrc name=clip format=time block=true max-bytes=2000000 ! jpegdec ! videoconvert ! video/x-raw,format=I420 "
        f"! capssetter caps={colours} ! facedub name=dub ! {output(o.output)}"
    )
    back = f"! audioconvert ! audioresample ! tee name=v ! {QUEUE} ! dub.voice"
    line = Gst.parse_launchv([*front.split(), *o.voice, *back.split()])
    for name, what, value in (("camera", "device", o.output.removeprefix("v4l2:")), ("file", "location", str(part))):
        if element := line.get_by_name(name):
            element.set_property(what, value)
    try:
        for name in ("face", "silence"):
            playing.set_property(line.get_by_name("dub"), name, getattr(o, name))
    except ValueError as error:
        sys.exit(f"error: {error}")
    clip = line.get_by_name("clip")
    clip.set_property("caps", caps)
    stop = threading.Event()
    threading.Thread(target=push, args=(clip, way, stop), daemon=True).start()
    loop = GLib.MainLoop()
    failed = []

    def ended(problem: str | None) -> None:
        if problem:
            failed.append(problem.replace(str(part), o.output) if part else problem)
        loop.quit()

    playing.watch(line, ended, {})

    heard = 0

    def hear(_: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        nonlocal heard
        heard = max(heard, info.get_buffer().pts)
        return Gst.PadProbeReturn.OK

    def show(_: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        # The clip is ahead of the voice.
        behind = stop.is_set() and info.get_buffer().pts > heard
        return Gst.PadProbeReturn.DROP if behind else Gst.PadProbeReturn.OK

    sound, dub = line.get_by_name("v").get_static_pad("sink"), line.get_by_name("dub")
    sound.add_probe(Gst.PadProbeType.BUFFER, hear)
    dub.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, show)

    def end() -> bool:
        # Whoever says it twice does not wait for the last pictures.
        if stop.is_set():
            loop.quit()
        stop.set()
        # Sources may have a whole recording on its way: what they send behind this is refused. A pad that is pushed to keeps
        # whoever ends it waiting, and this thread has messages to read.
        for pad in (sound, dub.get_static_pad("video")):
            threading.Thread(target=pad.send_event, args=(Gst.Event.new_eos(),), daemon=True).start()
        return GLib.SOURCE_CONTINUE

    if o.seconds:
        GLib.timeout_add(int(o.seconds * 1000), lambda: end() and GLib.SOURCE_REMOVE)
    for number in playing.TELL_TO_END:
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, end)
    line.set_state(Gst.State.PLAYING)
    loop.run()
    line.set_state(Gst.State.NULL)
    if part is not None and part != target and not (part.exists() and part.stat().st_size):
        part.unlink(missing_ok=True)
        failed.append("nothing was recorded")
        part = None
    if failed:
        # A recording cannot be made again.
        kept_in = f": what was recorded until then is {part}" if part not in (None, target) else ""
        sys.exit(f"error: {failed[0]}{kept_in}")
    if part is not None:
        playing.finish(part, target)
        print(f"wrote {o.output}")


if __name__ == "__main__":
    main()
