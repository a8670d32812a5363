# SPDX-License-Identifier: MIT OR Apache-2.0
"""Where the plugin is, and GStreamer with it on its path."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent

#: GStreamer's variable of folders with plugins.
_PATH = "GST_PLUGIN_PATH"


class MissingError(RuntimeError):
    """Something that is needed is not there; the message says what brings it."""


def plugin_folder() -> Path | None:
    """The folder of the plugin that came with this package; None where GStreamer's own folders have it."""
    folder = _HERE / "lib" / "gstreamer-1.0"
    return folder if (folder / "libgstportrait.so").is_file() else None


def program() -> Path | None:
    """The program `portrait-animate` that came with this package, else None."""
    path = _HERE / "bin" / "portrait-animate"
    return path if path.is_file() else None


def find_program() -> Path | None:
    """The program `portrait-animate` that came with this package, else that of the PATH, else None."""
    if found := program():
        return found
    on_path = shutil.which("portrait-animate")
    return Path(on_path) if on_path else None


def setup() -> Path | None:
    """Lets GStreamer find the plugin: before Gst.init by its environment, after it by its registry.

    Returns the plugin's folder, None where GStreamer has to find it by itself. May be called again.
    """
    folder = plugin_folder()
    if folder is None:
        return None
    paths = [path for path in os.environ.get(_PATH, "").split(os.pathsep) if path]
    if str(folder) not in paths:
        os.environ[_PATH] = os.pathsep.join([str(folder), *paths])
    if "gi.repository.Gst" in sys.modules:
        gst: Any = sys.modules["gi.repository.Gst"]
        if gst.is_initialized():
            gst.Registry.get().scan_path(str(folder))
    return folder


def gstreamer() -> Any:
    """The module Gst, initialized, with the plugin on its path.

    Raises MissingError where Python has no bindings of GStreamer.
    """
    setup()
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError) as error:
        from .packages import install_line

        raise MissingError(
            f"Python has no bindings of GStreamer ({error}): {install_line('gi')}, and make a virtual environment with "
            "--system-site-packages"
        ) from error
    if not Gst.is_initialized():
        Gst.init(None)
        setup()
    return Gst
