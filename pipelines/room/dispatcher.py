#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Opens rooms, each a process with a live head, and ends them. See README.md for what it answers.

dispatcher.py [--rooms 4] [--memory 1500] [--files DIR] [-- PROGRAM...]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import pathlib
import re
import signal
import sys
import threading
import time
from typing import Any

from room import Room

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import serving  # noqa: E402
from arguments import Parser, seconds, whole  # noqa: E402
from serving import Refused  # noqa: E402

WEBRTC = pathlib.Path(__file__).resolve().parents[1] / "webrtc" / "run.sh"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: What a request may say, and the variable of the room's program.
WISHES = {"portrait": "PORTRAIT", "source": "SOURCE"}
#: Rooms that have ended are told of so long.
REMEMBERED_SECONDS = 600
RETRY_SECONDS = "5"


def free_megabytes() -> int:
    """Memory that a further room may take: the machine's, or what the container's limit leaves."""
    text = pathlib.Path("/proc/meminfo").read_text()
    free = int(re.search(r"^MemAvailable: +(\d+)", text, re.MULTILINE)[1]) // 1024
    with contextlib.suppress(OSError, ValueError):
        limit, taken = (int(pathlib.Path(f"/sys/fs/cgroup/memory.{of}").read_text()) for of in ("max", "current"))
        free = min(free, (limit - taken) >> 20)
    return free


class Dispatcher(serving.Server):
    """The HTTP server and its rooms."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__((arguments.host, arguments.port), Handler)
        self.arguments = arguments
        self.lock = threading.Lock()
        self.rooms: dict[str, Room] = {}
        self.draining = False

    def living(self) -> list[Room]:
        """Rooms that have not ended."""
        return [room for room in list(self.rooms.values()) if not room.ended.is_set()]

    def health(self) -> dict[str, Any]:
        """How it is, and whether it takes rooms."""
        state = "draining" if self.draining else "ok"
        return {"status": state, "rooms": len(self.living()), "limit": self.arguments.rooms, "free_megabytes": free_megabytes()}

    def describe(self, room: Room) -> dict[str, Any]:
        """What is told of a room."""
        base = self.arguments.url or f"http://{self.arguments.host}:{self.server_port}"
        return room.describe() | {"url": f"{base}/rooms/{room.name}/"}

    def find(self, name: str) -> Room:
        """The room of that name, also where it has ended."""
        if room := self.rooms.get(name):
            return room
        raise Refused(404, f"there is no room {name}")

    def open(self, wish: Any) -> tuple[int, dict[str, Any]]:
        """Opens a room, or finds the one of that name; waits until it listens."""
        name = wish.get("room") if isinstance(wish, dict) else None
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise Refused(400, "say a room: letters, digits, _ and -, at most 64")
        if unknown := wish.keys() - WISHES.keys() - {"room"}:
            raise Refused(400, f"a room takes {', '.join(WISHES)}, not {', '.join(sorted(unknown))}")
        memory = self.arguments.memory
        variables = {WISHES[key]: self._file(key, value) for key, value in wish.items() if key in WISHES}
        with self.lock:
            room = self.rooms.get(name)
            found = room is not None and not room.ended.is_set()
            if not found:
                if self.draining:
                    raise Refused(503, "this dispatcher is about to end")
                # A room that starts has not taken its memory yet.
                due = sum(max(0, memory - r.megabytes) for r in self.living() if r.state == "starting")
                if len(self.living()) >= self.arguments.rooms:
                    raise Refused(503, f"all {self.arguments.rooms} rooms are taken")
                if free_megabytes() - due < memory:
                    raise Refused(503, f"{free_megabytes() - due} MB are left, and a room may take {memory}")
                room = Room(name, self.arguments.program, variables, memory, self.arguments.idle)
                self.rooms = {at: r for at, r in self.rooms.items() if not self._forgotten(r)} | {name: room}
        if not room.settled.wait(self.arguments.patience):
            room.end(f"it did not listen after {self.arguments.patience:g} s")
        if room.port == 0 or room.ended.is_set():
            raise Refused(502, f"room {name} ended: {room.reason}")
        return 200 if found else 201, self.describe(room)

    def _file(self, key: str, value: Any) -> str:
        if self.arguments.files is None:
            raise Refused(400, f"{key} is not taken: the dispatcher was started without --files")
        folder = self.arguments.files.resolve()
        # Names that no file can have are errors of the system's.
        with contextlib.suppress(OSError, ValueError):
            path = (folder / value).resolve() if isinstance(value, str) else folder
            if path.is_relative_to(folder) and path.is_file():
                return str(path)
        raise Refused(400, f"{key}: there is no file {value} in the folder of --files")

    @staticmethod
    def _forgotten(room: Room) -> bool:
        return room.ended.is_set() and time.monotonic() - room.opened > REMEMBERED_SECONDS

    def drain(self, seconds: float, hurry: threading.Event) -> None:
        """Takes no further rooms, lets those with viewers go on for a while, and ends all."""
        with self.lock:
            self.draining = True
        end = time.monotonic() + seconds
        while any(room.viewers for room in self.living()) and time.monotonic() < end:
            for room in self.living():
                if not room.viewers and room.state == "ready":
                    room.end("the dispatcher ends")
            if hurry.wait(0.5):
                break
        threads = [threading.Thread(target=room.end, args=("the dispatcher ends",)) for room in self.living()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Handler(serving.Handler):
    """One request."""

    server: Dispatcher
    more = {503: {"Retry-After": RETRY_SECONDS}}

    def answer(self, path: str, query: str, body: bytes) -> None:
        route = re.fullmatch(r"/rooms/([^/]+)(/.*)?", path)
        if route and route[2]:
            self._forward(self.server.find(route[1]), route[2] + (f"?{query}" if query else ""), body)
        else:
            self.json(*self._do(path, route[1] if route else None, body))

    def _do(self, path: str, name: str | None, body: bytes) -> tuple[int, Any]:
        match ("GET" if self.command == "HEAD" else self.command, path, name):
            case ("GET", "/health", _):
                return 503 if self.server.draining else 200, self.server.health()
            case ("GET", "/rooms", _):
                return 200, [self.server.describe(room) for room in list(self.server.rooms.values())]
            case ("POST", "/rooms", _):
                # A page of another origin cannot send this type without asking first, and is not answered then.
                if self.headers.get_content_type() != "application/json":
                    raise Refused(415, "send application/json")
                return self.server.open(serving.read_json(body))
            case ("GET", _, str()):
                return 200, self.server.describe(self.server.find(name))
            case ("DELETE", _, str()):
                room = self.server.find(name)
                room.end("somebody ended it")
                return 200, self.server.describe(room)
        raise Refused(404, "not here")

    def _forward(self, room: Room, path: str, body: bytes) -> None:
        """To the room's own server and back; WebRTC's media goes between browser and room directly."""
        if room.state != "ready":
            raise Refused(502, f"room {room.name} is {room.state}: {room.reason}")
        connection = http.client.HTTPConnection("127.0.0.1", room.port, timeout=60)
        try:
            headers = {name: self.headers[name] for name in ("Content-Type",) if name in self.headers}
            connection.request(self.command, path, body or None, headers)
            reply = connection.getresponse()
            data, more = reply.read(), {}
        except http.client.InvalidURL as error:
            raise Refused(400, str(error)) from error
        except (http.client.HTTPException, OSError) as error:
            raise Refused(502, f"room {room.name}: {error!r}") from error
        finally:
            connection.close()
        if place := reply.headers.get("Location"):
            more["Location"] = f"/rooms/{room.name}{place}"
        if self.command == "HEAD" and (length := reply.headers.get("Content-Length")):
            more["Content-Length"] = length
        self.reply(reply.status, reply.headers.get("Content-Type", "application/octet-stream"), data, more)


def main() -> int:
    parser = Parser(description="Opens rooms with a live head each")
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"), help="address that is listened on")
    parser.add_argument("--port", type=whole(0, 65535), default=os.environ.get("PORT", "8090"), help="TCP port; 0 = any")
    parser.add_argument("--url", help="how browsers reach this dispatcher, as in https://heads.example.org")
    parser.add_argument("--rooms", type=whole(1), default=os.cpu_count() or 1, help="most rooms at a time; one a core unless said")
    parser.add_argument("--memory", type=whole(1), default=1500, help="most MB of a room; a room that takes more is ended")
    parser.add_argument("--idle", type=seconds, default=300, help="seconds without viewers that end a room; 0 = never")
    parser.add_argument("--patience", type=seconds, default=60, help="seconds that a room may take to start")
    parser.add_argument("--drain", type=seconds, default=60, help="seconds that rooms with viewers go on after SIGTERM")
    parser.add_argument("--files", type=pathlib.Path, help="folder of the photos and recordings that rooms may ask for")
    parser.add_argument("program", nargs="*", default=[str(WEBRTC)], help="what a room runs; else the head for browsers")
    arguments = parser.parse_args()
    if arguments.files is not None and not arguments.files.is_dir():
        parser.error(f"--files: there is no folder {arguments.files}")
    try:
        server = Dispatcher(arguments)
    except (OSError, UnicodeError) as error:
        print(f"error: cannot listen on {arguments.host}:{arguments.port}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 1
    told, hurry, polite = threading.Event(), threading.Event(), threading.Event()

    def stop(number: int, _: object) -> None:
        if number == signal.SIGTERM and not told.is_set():
            polite.set()
        else:
            hurry.set()
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"rooms at http://{arguments.host}:{server.server_port}/rooms", flush=True)
    # The system may give a signal to another thread, and its handler runs here: now and then this one wakes.
    while not told.wait(0.5):
        pass
    server.drain(arguments.drain if polite.is_set() else 0, hurry)
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
