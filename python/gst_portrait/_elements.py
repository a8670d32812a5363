# SPDX-License-Identifier: MIT OR Apache-2.0
"""Properties that are set or refused with a reason, and what elements say on the bus, in a line.

GStreamer sets what it can read and says nothing of the rest. The scripts in pipelines/ use this as well.
"""

from __future__ import annotations

import ctypes
import operator
import os
from typing import Any, SupportsFloat, SupportsIndex

#: What a property takes. None is that of a text which names nothing.
Value = str | int | float | bool | SupportsIndex | SupportsFloat | os.PathLike[str] | None

_SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
#: What is wrong with a text that the element does not take, by the property.
_REFUSED = {
    "face": "names no face: write largest, left, right, a number (1 = the first from the left) or x,y (parts of the "
    "picture's width and height, 0 to 1)",
    "emotion-mix": "is no mix: write emotions with weights from 0 to 1, as in happy=0.6,surprise=0.3",
}


def plain(value: Any) -> Any:
    """A number of whatever library, such as numpy's, as Python's own; other values as they are."""
    if value is None or isinstance(value, str | int | float | os.PathLike):
        return value
    # numpy's truth is no number.
    for kind in (bool,) if getattr(value, "dtype", None) == bool else (operator.index, float):
        try:
            return kind(value)
        except TypeError:
            continue
    return value


def choices(element: Any, name: str) -> list[Any]:
    """The values of a choice or of a set of them, none of another type.

    What `enum_class` and `default_value` are differs between releases of PyGObject; a value has its type.
    """
    kind = type(element.get_property(name))
    for table in ("__enum_values__", "__flags_values__"):
        if hasattr(kind, table):
            return list(getattr(kind, table).values())
    # Newer releases make enumerations of Python's; a flag that stands for several is found among the members alone.
    return list(getattr(kind, "__members__", {}).values())


def _choice(element: Any, name: str, text: str) -> None:
    """Looks at a choice, by its name or number, or at several of them with + between."""
    nicks: dict[str, None] = {}
    numbers: set[str] = set()
    several = False
    for value in choices(element, name):
        several = not hasattr(value, "value_nick")
        # A flag that stands for several has their names as well.
        nicks |= dict.fromkeys(value.value_nicks if several else [value.value_nick])
        numbers.add(str(int(value)))
    for part in text.split("+") if several else [text]:
        if nicks and part not in nicks and part not in numbers:
            raise ValueError(f"{name}={part} is none of {', '.join(nicks)}")


def _number(spec: Any, text: str) -> None:
    """Looks at a number: a value beyond the range would become another one."""
    # The limits of a whole number are whole numbers themselves.
    whole = isinstance(spec.minimum, int)
    span = f"{spec.minimum} to {spec.maximum}" if whole else f"{spec.minimum:g} to {spec.maximum:g}"
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        raise ValueError(f"{spec.name}={text} is no {'whole ' * whole}number from {span}") from None
    # Limits of single precision are not quite what is written: 0.8 is below its own.
    held = number if whole else ctypes.c_float(number).value
    if not (spec.minimum <= number <= spec.maximum or spec.minimum <= held <= spec.maximum):
        raise ValueError(f"{spec.name}={text} is beyond its range, {span}")


def set_property(element: Any, name: str, value: Value, *, plays: bool = False) -> None:
    """Sets a property, choices by their names; raises ValueError with what it takes where that is something else.

    `plays` says that the element does: what it reads when it starts is refused then.
    """
    from gi.repository import GObject, Gst

    spec = element.find_property(name)
    kind = element.get_factory().get_name()
    if spec is None or spec.owner_type != type(element).__gtype__ or not spec.flags & GObject.ParamFlags.WRITABLE:
        raise ValueError(f"{kind} has no property {name}")
    if plays and not spec.flags & Gst.PARAM_MUTABLE_PLAYING:
        raise ValueError(f"{name} cannot change while {kind} plays: give it at the start")
    if spec.value_type == GObject.TYPE_STRING:
        text = None if value is None else os.fspath(value) if isinstance(value, os.PathLike) else str(value)
        element.set_property(name, text)
        # A text that the element cannot read leaves the old one.
        if element.get_property(name) != text:
            raise ValueError(f"{name}={text} {_REFUSED.get(name, 'is nothing that it can be')}")
        return
    text = str(plain(value)).strip()
    if spec.value_type == GObject.TYPE_BOOLEAN:
        if text.lower() not in _SWITCH:
            raise ValueError(f"{name}={text} is neither true nor false")
        element.set_property(name, _SWITCH[text.lower()])
        return
    if hasattr(spec, "minimum"):
        _number(spec, text)
    else:
        _choice(element, name, text)
    Gst.util_set_object_arg(element, name, text)


def told(message: Any) -> str:
    """What an element says in an error or a warning, in a line."""
    from gi.repository import Gst

    parse = message.parse_error if message.type == Gst.MessageType.ERROR else message.parse_warning
    error, debug = parse()
    # Behind the place in the source stands what is to be told, such as a file's name.
    detail = " ".join((debug or "").split("\n", 1)[1:])
    text, detail = " ".join(error.message.split()), " ".join(detail.split())
    return f"{text} ({detail})" if detail and detail not in text else text
