# SPDX-License-Identifier: MIT OR Apache-2.0
"""The properties of an element that can be changed while it plays, as JSON for a page that draws controls for them."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from playing import choices, set_property  # noqa: E402

NUMBERS = (GObject.TYPE_FLOAT, GObject.TYPE_DOUBLE, GObject.TYPE_INT, GObject.TYPE_UINT)


def _is_control(spec: GObject.ParamSpec) -> bool:
    readable = GObject.ParamFlags.READABLE | GObject.ParamFlags.WRITABLE
    if spec.flags & readable != readable or not spec.flags & Gst.PARAM_MUTABLE_PLAYING:
        return False
    return (
        spec.value_type in NUMBERS
        or spec.value_type == GObject.TYPE_BOOLEAN
        or spec.value_type.is_a(GObject.TYPE_ENUM)
    )


def _value(element: Gst.Element, spec: GObject.ParamSpec) -> Any:
    value = element.get_property(spec.name)
    return value.value_nick if spec.value_type.is_a(GObject.TYPE_ENUM) else value


def describe(element: Gst.Element) -> list[dict[str, Any]]:
    """Name, nick, blurb, kind, range and value of each control."""
    controls = []
    for spec in filter(_is_control, element.list_properties()):
        control = {"name": spec.name, "nick": spec.nick, "blurb": spec.blurb, "value": _value(element, spec)}
        if spec.value_type in NUMBERS:
            whole = spec.value_type in (GObject.TYPE_INT, GObject.TYPE_UINT)
            control |= {"kind": "number", "min": spec.minimum, "max": spec.maximum, "default": spec.default_value}
            control["step"] = 1 if whole else (spec.maximum - spec.minimum) / 100
        elif spec.value_type == GObject.TYPE_BOOLEAN:
            control |= {"kind": "switch", "default": spec.default_value}
        else:
            found = choices(element, spec.name)
            default = next((choice.value_nick for choice in found if int(choice) == int(spec.default_value)), None)
            control |= {"kind": "choice", "choices": [choice.value_nick for choice in found], "default": default}
        controls.append(control)
    return controls


def change(element: Gst.Element, name: str, value: Any) -> Any:
    """Sets a control and returns what it is now; what cannot be set raises ValueError."""
    spec = next((s for s in element.list_properties() if s.name == name and _is_control(s)), None)
    if spec is None:
        raise ValueError(f"{name} is no control")
    if spec.value_type in NUMBERS:
        # What is beyond the range is refused below.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} takes {spec.minimum:g} to {spec.maximum:g}, not {value!r}")
    elif spec.value_type == GObject.TYPE_BOOLEAN:
        if not isinstance(value, bool):
            raise ValueError(f"{name} takes true or false, not {value!r}")
    elif value not in (nicks := [choice.value_nick for choice in choices(element, name)]):
        raise ValueError(f"{name} takes one of {', '.join(nicks)}, not {value!r}")
    set_property(element, name, value)
    return _value(element, spec)
