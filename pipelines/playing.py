# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the scripts in Python share: what elements say is told, and a film is whole or not there."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import sys
from collections.abc import Callable, Mapping

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from gst_portrait._elements import choices, set_property, told  # noqa: E402

__all__ = ["TELL_TO_END", "choices", "error_line", "finish", "places", "set_property", "told", "watch", "write"]

# Until something plays there is nothing to clean up, and nothing to tell of where Ctrl-C came.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

#: Signals that end a program. A shell that passes SIGTERM on as SIGINT lets it be ignored, so that it does not come twice.
TELL_TO_END = [signal.SIGINT, *([signal.SIGTERM] if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN else [])]

#: Of the elements that read a file, by name, the file and what it lacks where nobody takes what it gives.
Files = dict[str, tuple[str, str]]


def _fits_nowhere(message: Gst.Message) -> bool:
    """Whether a file gives nothing that is asked for: GStreamer warns of it, and at times no error follows."""
    if message.type == Gst.MessageType.WARNING:
        return message.parse_warning()[0].matches(Gst.ParseError.quark(), Gst.ParseError.DELAYED_LINK)
    return "reason not-linked" in told(message)


def error_line(message: Gst.Message, files: Files) -> str | None:
    """An error in a line; None where a message is none, but a warning."""
    line, source, fits_nowhere = told(message), message.src, _fits_nowhere(message)
    if message.type == Gst.MessageType.WARNING and not fits_nowhere:
        return None
    while source is not None:
        if source.get_name() in files:
            path, lacks = files[source.get_name()]
            return f"{path} {lacks}" if fits_nowhere else line if path in line else f"{path}: {line}"
        source = source.get_parent()
    return line


def watch(pipeline: Gst.Pipeline, ended: Callable[[str | None], object], files: Files) -> None:
    """Prints what elements warn of, each text once; calls `ended` with an error, or with None at the end of the stream."""
    warned: set[str] = set()

    def heed(_: Gst.Bus, message: Gst.Message) -> None:
        if problem := error_line(message, files):
            ended(problem)
        elif (text := told(message)) not in warned:
            warned.add(text)
            print(f"warning: {text}", file=sys.stderr, flush=True)

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::warning", heed)
    bus.connect("message::error", heed)
    bus.connect("message::eos", lambda *_: ended(None))


def places(output: str, inputs: Mapping[str, str | None]) -> tuple[pathlib.Path, pathlib.Path]:
    """Where a film lies behind links, and where it grows until it is whole: beside that, as `animate` does it.

    Ends the program where it cannot be written, and where it would take the place of one of the inputs, which are named as the
    user knows them. common.sh has the same for the shell.
    """
    named, target = f"OUTPUT={output}", pathlib.Path(output)
    if target.is_dir() or output.endswith("/"):
        sys.exit(f"error: {named} is a folder, not a file")
    part = target
    # What is no file, such as /dev/null, cannot be replaced.
    if target.is_file() or not target.exists():
        # Through a link, as a plain write would go.
        target = pathlib.Path(os.path.realpath(target))
        part = target.with_name(f".{target.name}.part")
        if not target.parent.is_dir():
            sys.exit(f"error: cannot write {named}: there is no folder {target.parent}: make it first")
        if not os.access(target.parent, os.W_OK):
            sys.exit(f"error: cannot write {named}: the folder {target.parent} is not yours to write")
        if part.is_dir():
            sys.exit(f"error: cannot write {named}: a folder {part.name} is in the way")
    if target.exists() and not os.access(target, os.W_OK):
        sys.exit(f"error: cannot write {named}: it is not yours to write")
    for name, path in inputs.items():
        if path and any(file.exists() and os.path.exists(path) and file.samefile(path) for file in (target, part)):
            sys.exit(f"error: {named} would overwrite {name}={path}: choose another")
    return target, part


def finish(part: pathlib.Path, target: pathlib.Path) -> None:
    """The film is whole: it gets its name, with the permissions of what had it."""
    if part != target:
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)


def write(pipeline: Gst.Pipeline, sink: str, output: str, files: Files, inputs: Mapping[str, str | None]) -> int:
    """Plays a pipeline whose filesink `sink` writes the film `output`; returns the exit status.

    None of `inputs` is overwritten: see `places`. Ctrl-C and SIGTERM end the program, and leave no film.
    """
    target, part = places(output, inputs)
    pipeline.get_by_name(sink).set_property("location", str(part))
    loop = GLib.MainLoop()
    problems: list[str] = []
    signals: list[int] = []

    def ended(problem: str | None) -> None:
        if problem:
            problems.append(problem.replace(str(part), output))
        loop.quit()

    def told_to_end(number: int) -> bool:
        signals.append(number)
        loop.quit()
        return GLib.SOURCE_CONTINUE

    watch(pipeline, ended, files)
    watched = [GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, told_to_end, number) for number in TELL_TO_END]
    try:
        pipeline.set_state(Gst.State.PLAYING)
        loop.run()
    finally:
        pipeline.set_state(Gst.State.NULL)
        for one in watched:
            GLib.source_remove(one)
        if (problems or signals) and part != target:
            part.unlink(missing_ok=True)
    if signals:
        # As if it had not been watched, so that a shell knows of it.
        signal.signal(signals[0], signal.SIG_DFL)
        os.kill(os.getpid(), signals[0])
    if problems:
        # The first one is the cause of the others.
        print(f"error: {problems[0]}", file=sys.stderr)
        return 1
    finish(part, target)
    return 0
