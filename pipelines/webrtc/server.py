#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Serves a page with the live head and its controls, on Python's own HTTP server. `run.sh` starts it.

GET / is the page, GET and POST /properties read and change the controls, POST /whep takes a viewer's offer (SDP) and
returns the answer with the address of the session, which DELETE ends: the way of WHEP, so that other players of it can
watch as well. GET /health counts the viewers.
"""

from __future__ import annotations

import itertools
import pathlib
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import controls  # noqa: E402
import playing  # noqa: E402
import serving  # noqa: E402
from arguments import Parser, whole  # noqa: E402
from head import Head, Viewer  # noqa: E402
from serving import Refused  # noqa: E402

PAGE = pathlib.Path(__file__).with_name("page.html")
#: What is posted where. A page of another origin cannot send these types without asking first, and is not answered then.
POSTED = {"/properties": "application/json", "/whep": "application/sdp"}


class Server(serving.Server):
    """The HTTP server with the head and its viewers."""

    def __init__(self, address: tuple[str, int], head: Head) -> None:
        super().__init__(address, Handler)
        self.head = head
        self.viewers: dict[str, Viewer] = {}
        self.numbers = itertools.count(1)


class Handler(serving.Handler):
    """One request."""

    server: Server

    def answer(self, path: str, query: str, body: bytes) -> None:
        match ("GET" if self.command == "HEAD" else self.command, path):
            case ("GET", "/"):
                self.reply(200, "text/html; charset=utf-8", PAGE.read_bytes())
            case ("GET", "/properties"):
                self.json(200, controls.describe(self.server.head.element))
            case ("GET", "/health"):
                self.json(200, {"viewers": sum(not viewer.left for viewer in list(self.server.viewers.values()))})
            case ("POST", place) if place in POSTED:
                if self.headers.get_content_type() != POSTED[place] or not body:
                    raise Refused(415, f"send {POSTED[place]}")
                self._watch(body.decode()) if place == "/whep" else self._change(serving.read_json(body))
            case ("DELETE", place) if viewer := self.server.viewers.pop(place, None):
                viewer.leave()
                self.json(200, {})
            case _:
                raise Refused(404, "not here")

    def _change(self, wanted: object) -> None:
        if not isinstance(wanted, dict) or not {"name", "value"} <= wanted.keys():
            raise Refused(400, 'send {"name": NAME, "value": VALUE}')
        value = controls.change(self.server.head.element, wanted["name"], wanted["value"])
        self.json(200, {"name": wanted["name"], "value": value})

    def _watch(self, offer: str) -> None:
        viewer = Viewer(self.server.head)
        try:
            answer = viewer.answer(offer)
        except (ValueError, GLib.Error, TimeoutError) as error:
            viewer.leave()
            raise Refused(400 if isinstance(error, ValueError) else 503, str(error)) from error
        place = f"/whep/{next(self.server.numbers)}"
        # Who has gone without DELETE is forgotten here.
        self.server.viewers = {at: v for at, v in self.server.viewers.items() if not v.left} | {place: viewer}
        self.reply(201, "application/sdp", answer.encode(), {"Location": place})


def main() -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=whole(0, 65535), default=8080)
    parser.add_argument("--portrait", required=True)
    parser.add_argument("voice", nargs="+", help="live source of audio/x-raw, word by word as for gst-launch-1.0")
    arguments = parser.parse_args()
    Gst.init(None)
    loop = GLib.MainLoop()
    problems: list[str] = []

    def end(problem: str | None = None) -> bool:
        if problem:
            problems.append(problem)
        loop.quit()
        return GLib.SOURCE_REMOVE

    for number in playing.TELL_TO_END:
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, end)
    try:
        head = Head(arguments.voice, arguments.portrait, end)
        server = Server((arguments.host, arguments.port), head)
    except (GLib.Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    threading.Thread(target=server.serve_forever, daemon=True).start()
    head.play()
    print(f"open http://{arguments.host}:{server.server_port}/ in a browser", flush=True)
    loop.run()
    server.shutdown()
    head.stop()
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
