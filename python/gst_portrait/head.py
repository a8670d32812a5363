# SPDX-License-Identifier: MIT OR Apache-2.0
"""A talking head: sound is pushed in, pictures come out."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ._elements import Value, plain, set_property, told
from ._plugin import MissingError, gstreamer
from ._sound import Track, samples
from .packages import install_line

#: Bytes of a pixel in each format.
_PIXEL = {"RGB": 3, "RGBA": 4, "BGRA": 4}
#: Tensors that ride on pictures, by the names that they have here.
_TENSORS = {
    "audio_features": "PortraitAudioFeaturesMeta",
    "loudness": "PortraitLoudnessMeta",
    "emotion": "PortraitEmotionMeta",
    "face": "PortraitFaceMeta",
    "landmarks": "PortraitLandmarksMeta",
    "pose": "PortraitPoseMeta",
    "breath": "PortraitBreathMeta",
    "latents": "PortraitLatentsMeta",
    "picture_landmarks": "PortraitPictureLandmarksMeta",
}
#: A tensor's shape in the text of its metadata.
_DIMS = re.compile(r"dims=[^<]*<([\d, ]+)>")
#: How long a wait for a picture lasts before errors are looked for, in ns.
_PATIENCE = 50_000_000
#: Silence behind an utterance that is over, where no clock makes it, in seconds: more than any pack looks ahead.
_PADDING = 1.0
#: Most pictures a second that `talkinghead` draws.
_FASTEST = 240
#: Steps a second in which the elements look at sound.
_STEPS = 25
#: Pictures that wait for whoever takes them.
_WAITING = 4

Format = Literal["RGB", "RGBA", "BGRA"]


class HeadError(RuntimeError):
    """What an element of the head says of a failure."""


class HeadWarning(UserWarning):
    """What an element of the head warns of while it goes on, such as a photo that cannot be used."""


@dataclass(frozen=True)
class Utterance:
    """What the message `portrait-utterance` tells: an utterance began to be shown, or is over."""

    state: Literal["started", "ended"]
    #: Running time of its first picture, or of the end of its last one, in seconds.
    time: float
    #: It was not shown to its end, because the voice was interrupted.
    interrupted: bool


@dataclass(frozen=True)
class Picture:
    """A picture and the sound that belongs to it."""

    #: Height, width, channels.
    image: NDArray[np.uint8]
    #: When it is shown, and for how long, in seconds of running time.
    time: float
    duration: float
    #: 16-bit samples that are heard while it is shown: samples, channels.
    audio: NDArray[np.int16]
    #: Tensors of the stages, in their shapes: see the table of metadata in the documents.
    metadata: Mapping[str, NDArray[np.float32]] = field(repr=False)


def _count(name: str, number: int, most: int = 2**15 - 1) -> int:
    """A whole number from 1 to `most`, also where it came as 512.0."""
    if isinstance(number, bool) or number != int(number) or not 1 <= number <= most:
        raise ValueError(f"{name}={number} is no whole number from 1 to {most}")
    return int(number)


def _rate(framerate: int | float | str | Fraction) -> Fraction:
    """Pictures a second, 1 to 240, as in 25, 29.97 or "30000/1001"."""
    framerate = plain(framerate)
    try:
        rate = Fraction(framerate).limit_denominator(1001)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        rate = Fraction(0)
    if isinstance(framerate, bool) or not 1 <= rate <= _FASTEST:
        raise ValueError(f"framerate={framerate} is no rate from 1 to {_FASTEST}, as 25, 29.97 or 30000/1001")
    return rate


class Head:
    """A portrait that speaks what is pushed.

    Not live, pictures come as fast as they are drawn and `finish` ends them. Live, a picture comes for every moment of
    the clock, whether there is sound or not.

    with Head("photo.jpg") as head:
        head.push(pcm)
        head.finish()
        for picture in head:
            ...

    `properties` are those of the element `talkinghead`, with `_` for `-`; what they cannot be is a ValueError. What the
    element warns of is a HeadWarning, when pictures are taken. `on_utterance` is called from a thread of GStreamer's; it
    must not block.
    """

    def __init__(
        self,
        portrait: str | os.PathLike[str],
        *,
        rate: int = 16_000,
        channels: int = 1,
        width: int = 512,
        height: int = 512,
        framerate: int | float | str | Fraction = 25,
        format: Format = "RGB",
        live: bool = False,
        on_utterance: Callable[[Utterance], None] | None = None,
        **properties: Value,
    ) -> None:
        if format not in _PIXEL:
            raise ValueError(f"format {format!r} is none of {', '.join(_PIXEL)}")
        rate, channels = _count("rate", rate, 2**31 - 1), _count("channels", channels, 63)
        width, height = _count("width", width), _count("height", height)
        pictures = _rate(framerate)
        self._gst = gst = gstreamer()
        self._format: Format = format
        self._live = live
        self._track = Track(rate, channels)
        #: Where the next sound goes, in samples of running time.
        self._next = 0
        #: Where the pictures that were taken end, in the same.
        self._shown = 0
        self._lock = threading.Lock()
        #: Held while a picture is taken; whoever waits for that holds the other one, before which the next taker waits.
        self._taking, self._next_taking = threading.Lock(), threading.Lock()
        self._on_utterance = on_utterance
        #: In each thread, whether it calls the listener.
        self._listens = threading.local()
        self._closed = False
        self._stopped = threading.Event()
        self._failure: HeadError | None = None
        self._pipeline = gst.Pipeline.new(None)
        self._source = self._make("appsrc")
        head = self._make("talkinghead")
        self._sink = self._make("appsink")
        self._source.set_property("format", gst.Format.TIME)
        self._source.set_property("is-live", live)
        # Whoever pushes a whole recording before the first picture is taken must not wait for ever.
        self._source.set_property("max-bytes", 0)
        self._source.set_property(
            "caps",
            gst.Caps.from_string(
                f"audio/x-raw,format=S16LE,layout=interleaved,rate={rate},channels={channels}"
            ),
        )
        for name, value in {"portrait": portrait, **properties}.items():
            set_property(head, name.replace("_", "-"), value)
        self._sink.set_property(
            "caps",
            gst.Caps.from_string(
                f"video/x-raw,format={format},width={width},height={height}"
                f",framerate={pictures.numerator}/{pictures.denominator}"
            ),
        )
        self._sink.set_property("sync", live)
        self._sink.set_property("max-buffers", _WAITING)
        # Who takes live pictures too slowly misses some; the others come when they are asked for.
        self._sink.set_property("drop", live)
        for one, other in ((self._source, head), (head, self._sink)):
            if not one.link(other):
                raise HeadError(f"{one.get_name()} and {other.get_name()} do not fit together")
        self._bus = self._pipeline.get_bus()
        # The bus keeps its handler, which must not keep the head.
        sync = weakref.WeakMethod(self._sync)

        def handle(bus: Any, message: Any) -> Any:
            own = sync()
            return own(bus, message) if own else gst.BusSyncReply.PASS

        self._bus.set_sync_handler(handle)
        #: Ends what plays, also where nobody closes the head.
        self._end = weakref.finalize(self, _end, self._pipeline, self._bus, gst.State.NULL)
        if self._pipeline.set_state(gst.State.PLAYING) == gst.StateChangeReturn.FAILURE:
            error = self._error()
            self.close()
            raise error or HeadError("the head does not start")

    def _make(self, name: str) -> Any:
        element = self._gst.ElementFactory.make(name, None)
        if element is None:
            remedy = (
                "`python -m gst_portrait doctor` says why" if name == "talkinghead" else install_line(name)
            )
            raise MissingError(f"GStreamer has no element {name}: {remedy}")
        self._pipeline.add(element)
        return element

    def set(self, **properties: Value) -> None:
        """Sets properties of the element `talkinghead` while it speaks, such as emotion="happy".

        A photo is analysed beside the stream: one that cannot be used is a HeadWarning later, and the old one stays.
        """
        head = next(e for e in self._elements() if e.get_factory().get_name() == "talkinghead")
        for name, value in properties.items():
            set_property(head, name.replace("_", "-"), value, plays=True)

    def _elements(self) -> Iterator[Any]:
        iterator = self._pipeline.iterate_elements()
        while True:
            result, element = iterator.next()
            if result != self._gst.IteratorResult.OK:
                return
            yield element

    def _sync(self, _bus: Any, message: Any) -> Any:
        structure = message.get_structure()
        if structure is not None and structure.get_name() == "portrait-utterance":
            turn = Utterance(
                "started" if structure.get_string("state") == "started" else "ended",
                structure.get_value("running-time") / 1e9,
                bool(structure.get_value("interrupted")),
            )
            listens, self._listens.now = self._listens_now(), True
            try:
                if self._on_utterance is not None:
                    self._on_utterance(turn)
            except Exception:
                # Nobody is there to catch it, and GStreamer must have its answer: it is printed as in any thread.
                sys.excepthook(*sys.exc_info())
            finally:
                self._listens.now = listens
            return self._gst.BusSyncReply.DROP
        return self._gst.BusSyncReply.PASS

    def _listens_now(self) -> bool:
        return getattr(self._listens, "now", False)

    def push(self, pcm: bytes | NDArray[Any]) -> None:
        """Speaks: 16-bit little-endian bytes, or an array of 16-bit or floating-point (-1 to 1) samples. Does not block.

        What is pushed before it can be heard waits for its time, live ten minutes of it at most.
        """
        sound = samples(pcm, self._track.channels)
        if not len(sound):
            return
        gst = self._gst
        with self._lock:
            start = max(self._next, self._now()) if self._live else self._next
            self._next = start + len(sound)
            self._track.add(start, sound)
            buffer = gst.Buffer.new_wrapped(sound.astype("<i2", copy=False).tobytes())
            buffer.pts = self._nanoseconds(start)
            buffer.duration = self._nanoseconds(self._next) - buffer.pts
            flow = self._source.emit("push-buffer", buffer)
        if flow != gst.FlowReturn.OK:
            raise self._error() or HeadError(f"the head takes no more sound: {self._ended(flow)}")

    def flush(self) -> None:
        """Says that an utterance is complete: its end is told without waiting for a pause.

        Not live, a second of silence follows, so that its last pictures do not wait for more sound.
        """
        gst = self._gst
        structure = gst.Structure.new_empty("portrait-utterance-end")
        self._source.send_event(gst.Event.new_custom(gst.EventType.CUSTOM_DOWNSTREAM, structure))
        if not self._live:
            # Live, the clock brings silence by itself.
            self.push(np.zeros((int(_PADDING * self._track.rate), self._track.channels), np.int16))

    def interrupt(self) -> None:
        """Forgets what has not been spoken; the mouth closes, and the head goes on.

        Not live, what is pushed next follows the last picture that was taken, within 40 ms where the frame rate is not 25.
        """
        gst = self._gst
        # A picture that is being taken counts as shown.
        with self._next_taking, self._taking, self._lock:
            self._source.send_event(gst.Event.new_flush_start())
            self._source.send_event(gst.Event.new_flush_stop(False))
            self._next = self._now() if self._live else self._after_pictures()
            self._track.cut(self._next)

    def finish(self) -> None:
        """Ends the sound; pictures end when all of it was spoken."""
        self._source.emit("end-of-stream")

    def close(self) -> None:
        """Ends everything at once. May be called from any thread, in `on_utterance` as well, and again."""
        listens = self._listens_now()
        if not self._closed:
            self._closed = True
            try:
                # The bus forgets all at the end.
                self._error()
            finally:
                if not self._end.detach():
                    self._stopped.set()
                elif listens:
                    # A thread of the pipeline's cannot wait for its own end.
                    threading.Thread(target=self._halt).start()
                else:
                    self._halt()
        elif not listens:
            self._stopped.wait()

    def _halt(self) -> None:
        _stop(self._pipeline, self._bus, self._gst.State.NULL)
        self._stopped.set()

    def _ended(self, flow: Any) -> str:
        if self._closed:
            return "it was closed"
        return "finish() was called" if flow == self._gst.FlowReturn.EOS else flow.value_nick

    def _now(self) -> int:
        """Running time in samples, with what sound needs on its way to be in time."""
        clock = self._pipeline.get_clock()
        if clock is None:
            return 0
        running = max(0, clock.get_time() - self._pipeline.get_base_time())
        return int(running * self._track.rate // self._gst.SECOND) + self._track.rate // _STEPS

    def _after_pictures(self) -> int:
        """Where sound goes behind the pictures that were taken: the elements count it in steps, whatever the frame rate."""
        rate = self._track.rate
        # Ends of pictures are rounded down.
        steps = -(-max(0, self._shown - rate // 1000) * _STEPS // rate)
        return steps * rate // _STEPS

    def _nanoseconds(self, count: int) -> int:
        return int(count * 1_000_000_000 // self._track.rate)

    def _error(self) -> HeadError | None:
        """The first error that an element told; warnings are told on the way."""
        kinds = self._gst.MessageType.ERROR | self._gst.MessageType.WARNING
        while (message := self._bus.pop_filtered(kinds)) is not None:
            if message.type == self._gst.MessageType.WARNING:
                _warn(told(message))
            elif self._failure is None:
                self._failure = HeadError(told(message))
        return self._failure

    def __iter__(self) -> Iterator[Picture]:
        while (picture := self._pull()) is not None:
            yield picture

    async def __aiter__(self) -> AsyncIterator[Picture]:
        while (picture := await asyncio.to_thread(self._pull)) is not None:
            yield picture

    def _pull(self) -> Picture | None:
        """The next picture; None at the end."""
        while not self._closed:
            with self._next_taking:
                self._taking.acquire()
            try:
                sample = self._sink.emit("try-pull-sample", _PATIENCE)
                picture = self._picture(sample) if sample is not None else None
            finally:
                self._taking.release()
            error = self._error()
            if picture is not None:
                return picture
            if error:
                raise error
            if self._sink.get_property("eos"):
                return None
        return None

    def _picture(self, sample: Any) -> Picture:
        gst = self._gst
        buffer, structure = sample.get_buffer(), sample.get_caps().get_structure(0)
        width, height = structure.get_value("width"), structure.get_value("height")
        pixel = _PIXEL[self._format]
        whole = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
        # Rows are padded.
        rows = whole.reshape(height, -1)[:, : width * pixel]
        image = rows.reshape(height, width, pixel)
        start = sample.get_segment().to_running_time(gst.Format.TIME, buffer.pts)
        rate = self._track.rate
        self._shown = (start + buffer.duration) * rate // gst.SECOND
        sound = self._track.take(start * rate // gst.SECOND, self._shown)
        return Picture(
            image=image,
            time=start / gst.SECOND,
            duration=buffer.duration / gst.SECOND,
            audio=sound,
            metadata=_metadata(buffer),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)


def _stop(pipeline: Any, bus: Any, null: Any) -> None:
    pipeline.set_state(null)
    bus.set_sync_handler(None)


def _end(pipeline: Any, bus: Any, null: Any) -> None:
    """Ends a head that is gone. Whichever thread let go of it may be one of the pipeline's, which cannot wait for its own end."""
    if threading.current_thread() is threading.main_thread():
        _stop(pipeline, bus, null)
    else:
        threading.Thread(target=_stop, args=(pipeline, bus, null), daemon=True).start()


def _warn(text: str) -> None:
    """Warns whoever called the head: at their line Python tells it once."""
    frame, level = sys._getframe(1), 2
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, HeadWarning, stacklevel=level)


def _metadata(buffer: Any) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = {}
    for name, meta in _TENSORS.items():
        custom = buffer.get_custom_meta(meta)
        if custom is not None:
            structure = custom.get_structure()
            data, rest = structure.get_value("data"), structure.copy()
            # PyGObject reads no arrays of GStreamer's; the text of all else is short.
            rest.remove_field("data")
            dims = _DIMS.search(rest.to_string())
            shape = [int(number) for number in dims[1].split(",")] if dims else [-1]
            numbers = np.frombuffer(data.extract_dup(0, data.get_size()), "<f4")
            found[name] = numbers.astype(np.float32).reshape(shape)
    return found
