# SPDX-License-Identifier: MIT OR Apache-2.0
"""`python -m gst_portrait`: doctor, animate, env."""

from __future__ import annotations

import os
import sys

from ._plugin import find_program, plugin_folder, setup

_USAGE = """usage: python -m gst_portrait COMMAND

  doctor           what is there and what is missing, a line each
  animate ...      a film of a photo and a recording; animate --help tells more
  env              the line that lets other programs find the plugin"""


def _animate(arguments: list[str]) -> int:
    found = find_program()
    if found is None:
        print("error: portrait-animate is neither in this package nor on the PATH", file=sys.stderr)
        return 1
    setup()
    # The program takes this process's place, so that Ctrl-C and its exit status are its own.
    os.execv(found, [str(found), *arguments])


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command, *rest = arguments or [""]
    if command == "doctor" and not rest:
        from . import doctor

        return doctor.run()
    if command == "animate":
        return _animate(rest)
    if command == "env" and not rest:
        folder = plugin_folder()
        print(f"export GST_PLUGIN_PATH={folder}" if folder else "# GStreamer finds the plugin by itself")
        return 0
    wants_help = command in ("-h", "--help", "help")
    print(_USAGE, file=sys.stdout if wants_help else sys.stderr)
    return 0 if wants_help else 2


if __name__ == "__main__":
    sys.exit(main())
