#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Serves a page with the live head and its controls, on Python's own HTTP server. `run.sh` starts it.

GET / is the page, GET and POST /properties read and change the controls, POST /whep takes a viewer's offer (SDP) and
returns the answer with the address of the session, which DELETE ends: the way of WHEP, so that other players of it can
watch as well. GET /health counts the viewers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pathlib
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

import controls  # noqa: E402
from head import Head, Viewer  # noqa: E402

PAGE = pathlib.Path(__file__).with_name("page.html")
LONGEST_REQUEST = 1 << 20


class Server(ThreadingHTTPServer):
    """The HTTP server with the head and its viewers."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], head: Head) -> None:
        super().__init__(address, Handler)
        self.head = head
        self.viewers: dict[str, Viewer] = {}
        self.numbers = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        if self.path == "/":
            self._reply(200, "text/html; charset=utf-8", PAGE.read_bytes())
        elif self.path == "/properties":
            self._json(200, controls.describe(self.server.head.element))
        elif self.path == "/health":
            self._json(200, {"viewers": sum(not viewer.left for viewer in list(self.server.viewers.values()))})
        else:
            self._json(404, {"error": "not here"})

    def do_POST(self) -> None:
        # A page of another origin cannot send these types without asking first, and is not answered then.
        expected = {"/properties": "application/json", "/whep": "application/sdp"}.get(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if expected is None:
            self._json(404, {"error": "not here"})
        elif self.headers.get_content_type() != expected or not 0 < length <= LONGEST_REQUEST:
            self._json(415, {"error": f"send {expected}"})
        else:
            body = self.rfile.read(length)
            try:
                if self.path == "/whep":
                    self._watch(body.decode())
                else:
                    wanted = json.loads(body)
                    value = controls.change(self.server.head.element, wanted["name"], wanted["value"])
                    self._json(200, {"name": wanted["name"], "value": value})
            except (ValueError, KeyError, TypeError) as error:
                self._json(400, {"error": str(error)})
            except (GLib.Error, TimeoutError) as error:
                self._json(503, {"error": str(error)})

    def do_DELETE(self) -> None:
        viewer = self.server.viewers.pop(self.path, None)
        if viewer is None:
            self._json(404, {"error": "not here"})
        else:
            viewer.leave()
            self._json(200, {})

    def _watch(self, offer: str) -> None:
        viewer = Viewer(self.server.head)
        try:
            answer = viewer.answer(offer)
        except (ValueError, GLib.Error, TimeoutError):
            viewer.leave()
            raise
        place = f"/whep/{next(self.server.numbers)}"
        # Who has gone without DELETE is forgotten here.
        self.server.viewers = {at: v for at, v in self.server.viewers.items() if not v.left} | {place: viewer}
        self._reply(201, "application/sdp", answer.encode(), {"Location": place})

    def _json(self, status: int, value: object) -> None:
        self._reply(status, "application/json", json.dumps(value).encode())

    def _reply(self, status: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A slider would fill the terminal."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
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

    for number in (signal.SIGINT, signal.SIGTERM):
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
