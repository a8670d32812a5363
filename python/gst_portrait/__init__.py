# SPDX-License-Identifier: MIT OR Apache-2.0
"""gst-portrait from Python: a photo and a voice go in, a talking portrait comes out.

`animate()` writes a film; `Head` takes sound and gives pictures; `setup()` puts the plugin that came with this package on
GStreamer's path; `python -m gst_portrait doctor` tells what is there and what is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._plugin import MissingError, plugin_folder, program, setup
from .film import FilmError, animate

if TYPE_CHECKING:
    from .head import Head, HeadError, HeadWarning, Picture, Utterance

__version__ = "0.1.0"
__all__ = [
    "FilmError",
    "Head",
    "HeadError",
    "HeadWarning",
    "MissingError",
    "Picture",
    "Utterance",
    "animate",
    "plugin_folder",
    "program",
    "setup",
]


def __getattr__(name: str) -> Any:
    # numpy and GStreamer are loaded by whoever wants a head, not by `doctor`, which tells of their absence.
    if name in ("Head", "HeadError", "HeadWarning", "Picture", "Utterance"):
        from . import head

        return getattr(head, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
