# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the HTTP servers of these folders share: requests that are none are refused in a sentence, and clients may vanish."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

LONGEST_REQUEST = 1 << 20


class Refused(Exception):
    """A request that is not done, with its HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def read_json(body: bytes) -> Any:
    """What a body says."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {error}") from error
    except RecursionError as error:
        raise Refused(400, "the body is no JSON that can be read: it is nested too deeply") from error


class Server(ThreadingHTTPServer):
    """A thread a request."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What goes wrong is printed; that a client has gone is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request, of any method."""

    #: Seconds that a client may be silent in the middle of a request.
    timeout = 30
    #: Headers of replies by their status.
    more: dict[int, dict[str, str]] = {}

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def answer(self, path: str, query: str, body: bytes) -> None:
        """Replies, or raises Refused."""
        raise NotImplementedError

    def _any(self) -> None:
        try:
            place = urlsplit(self.path)
            self.answer(place.path, place.query, self._body())
        except Refused as refused:
            self.json(refused.status, {"error": str(refused)})
        except ValueError as error:
            self.json(400, {"error": str(error)})

    def _body(self) -> bytes:
        said = self.headers.get("Content-Length") or "0"
        if self.headers.get("Transfer-Encoding"):
            raise Refused(411, "say a Content-Length")
        if not (said.isascii() and said.isdecimal()):
            raise Refused(400, f"Content-Length: {said[:40]} is no number of bytes")
        # More digits would be no length of anybody's.
        length = int(said[:20])
        if length > LONGEST_REQUEST:
            raise Refused(413, f"a request has at most {LONGEST_REQUEST} bytes")
        body = self.rfile.read(length)
        if len(body) < length:
            raise Refused(400, f"the body ends after {len(body)} of {length} bytes")
        return body

    def json(self, status: int, value: object) -> None:
        """Replies with JSON."""
        self.reply(status, "application/json", json.dumps(value).encode())

    def reply(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Replies; to HEAD without the body."""
        self.send_response(status)
        standard = {"Content-Type": kind, "Content-Length": str(len(body))}
        for name, value in (standard | self.more.get(status, {}) | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Health checks and sliders would fill the log."""
