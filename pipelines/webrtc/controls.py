# SPDX-License-Identifier: MIT OR Apache-2.0
"""The properties of an element that can be changed while it plays, as JSON for a page that draws controls for them."""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402

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


def _choices(element: Gst.Element, spec: GObject.ParamSpec) -> list[Any]:
    """The values of a choice. What `enum_class` and `default_value` are differs between releases of PyGObject; a value has its type."""
    kind = type(element.get_property(spec.name))
    # Newer releases make enumerations of Python's.
    return list(kind.__enum_values__.values() if hasattr(kind, "__enum_values__") else kind)


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
            choices = _choices(element, spec)
            default = next((choice.value_nick for choice in choices if int(choice) == int(spec.default_value)), None)
            control |= {"kind": "choice", "choices": [choice.value_nick for choice in choices], "default": default}
        controls.append(control)
    return controls


def change(element: Gst.Element, name: str, value: Any) -> Any:
    """Sets a control and returns what it is now; what cannot be set raises ValueError."""
    spec = next((s for s in element.list_properties() if s.name == name and _is_control(s)), None)
    if spec is None:
        raise ValueError(f"{name} is no control")
    if spec.value_type in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float) or not spec.minimum <= value <= spec.maximum:
            raise ValueError(f"{name} takes {spec.minimum:g} to {spec.maximum:g}, not {value!r}")
    elif spec.value_type == GObject.TYPE_BOOLEAN:
        if not isinstance(value, bool):
            raise ValueError(f"{name} takes true or false, not {value!r}")
    elif value not in (choices := [choice.value_nick for choice in _choices(element, spec)]):
        raise ValueError(f"{name} takes one of {', '.join(choices)}, not {value!r}")
    Gst.util_set_object_arg(element, name, str(value))
    return _value(element, spec)
