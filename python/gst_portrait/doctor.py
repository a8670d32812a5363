# SPDX-License-Identifier: MIT OR Apache-2.0
"""What is there and what is missing, a line each."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._plugin import MissingError, find_program, gstreamer, plugin_folder
from .packages import install_line

#: Elements without which no film is written.
FILM = ("decodebin", "audioconvert", "audioresample", "audiorate", "videoconvert", "mp4mux", "x264enc", "avenc_aac")
#: Elements that a head needs.
HEAD = ("appsrc", "appsink")
_BROWSER = "live in a browser"
#: Elements for some uses, and which.
USES = {
    "espeak": "text instead of a recording",
    "webrtcbin": _BROWSER,
    "nicesink": _BROWSER,
    "srtsink": "live over a network",
}
#: GStreamer's bindings for some uses, and which.
BINDINGS = {"GstWebRTC": _BROWSER}
#: Folders that hold model packs, before those of the plugin.
_PACK_PATH = "GST_PORTRAIT_PACK_PATH"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing."""

    what: str
    #: True: there. False: missing and needed. None: missing, and some uses need it.
    there: bool | None
    detail: str

    def line(self) -> str:
        """As it is printed."""
        mark = {True: "ok     ", False: "MISSING", None: "absent "}[self.there]
        return f"{mark}  {self.what}: {self.detail}"


def _processor(cpuinfo: str) -> Finding:
    flags: set[str] = set()
    for line in cpuinfo.splitlines():
        if line.startswith("flags"):
            flags.update(line.split(":", 1)[1].split())
            break
    what = "processor"
    if platform.machine() not in ("x86_64", "AMD64"):
        return Finding(what, False, f"{platform.machine()}: the packages are for x86-64")
    if not flags:
        return Finding(what, True, "x86-64; the system does not tell its features")
    if "sse4_1" not in flags:
        return Finding(what, False, "libtorch needs SSE4.1, which this processor has not: use another machine")
    if "avx2" not in flags:
        return Finding(what, None, "without AVX2 it works, at a fraction of the speed")
    return Finding(what, True, "x86-64 with AVX2" + (" and AVX-512" if "avx512f" in flags else ""))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _element(gst: Any, name: str, needed: bool | None, use: str = "") -> Finding:
    what = f"element {name}" + (f" ({use})" if use else "")
    factory = gst.ElementFactory.find(name)
    if factory is None:
        return Finding(what, needed, install_line(name))
    return Finding(what, True, factory.get_plugin_name() or "built in")


def _plugin(gst: Any) -> Finding:
    what = "plugin"
    plugin = gst.Registry.get().find_plugin("portrait")
    folder = plugin_folder()
    if plugin is None:
        where = str(folder) if folder else "GStreamer's folders"
        return Finding(what, False, f"{where} gives none: GST_DEBUG=3 python -m gst_portrait doctor says why")
    factory = gst.ElementFactory.find("talkinghead")
    description = factory.get_metadata("description") if factory else ""
    if "NOT USABLE HERE: " in description:
        return Finding(what, False, description.split("NOT USABLE HERE: ", 1)[1])
    return Finding(what, True, f"{plugin.get_version()} in {plugin.get_filename()}")


def _pack(gst: Any) -> Finding:
    head = gst.ElementFactory.make("facesynth", None)
    if head is None:
        return Finding("model pack", False, "no elements, no models")
    # Without a photo READY is as far as it goes: models are loaded on the way to PAUSED, so the file is looked at.
    plugin = gst.Registry.get().find_plugin("portrait")
    file = Path(plugin.get_filename()).resolve() if plugin and plugin.get_filename() else None
    roots = [Path(folder) for folder in os.environ.get(_PACK_PATH, "").split(os.pathsep) if folder]
    roots += [folder / "share/gst-portrait/packs" for folder in list(file.parents)[2:4]] if file else []
    for root in roots:
        if (root / "lite" / "pack.toml").is_file():
            return Finding("model pack", True, str(root / "lite"))
    return Finding("model pack", None, f"lite is neither beside the plugin nor in a folder of {_PACK_PATH}")


def _bindings(namespace: str, use: str) -> Finding:
    import gi

    what = f"{namespace} for Python ({use})"
    try:
        gi.require_version(namespace, "1.0")
    except ValueError:
        return Finding(what, None, install_line(namespace))
    return Finding(what, True, "1.0")


def findings() -> Iterator[Finding]:
    """Everything, the needed first."""
    yield Finding("Python", sys.version_info >= (3, 11), platform.python_version())
    yield _processor(_read("/proc/cpuinfo"))
    numpy = importlib.util.find_spec("numpy") is not None
    yield Finding("numpy", numpy, "there" if numpy else "pip install numpy")
    try:
        gst = gstreamer()
    except MissingError as error:
        yield Finding("GStreamer for Python", False, str(error))
        return
    version = gst.version()
    new_enough = (version.major, version.minor) >= (1, 22)
    yield Finding("GStreamer", new_enough, gst.version_string() + ("" if new_enough else ": 1.22 is needed"))
    yield _plugin(gst)
    yield _pack(gst)
    for name in (*HEAD, *FILM):
        yield _element(gst, name, False)
    for name, use in USES.items():
        yield _element(gst, name, None, use)
    for name, use in BINDINGS.items():
        yield _bindings(name, use)
    try:
        ctypes.CDLL("libheif.so.1")
        yield Finding("photos in HEIC and AVIF", True, "libheif")
    except OSError:
        yield Finding("photos in HEIC and AVIF", None, install_line("libheif.so.1"))
    animate = find_program()
    detail = str(animate or "neither in this package nor on the PATH")
    yield Finding("portrait-animate", True if animate else None, detail)


def run() -> int:
    """Prints all of it; 1 where something that is needed is missing."""
    missing = 0
    for finding in findings():
        print(finding.line(), flush=True)
        missing += finding.there is False
    print("Everything that is needed is there." if not missing else f"Missing: {missing}")
    return 1 if missing else 0
