#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a room runs in tests: a live head that needs no WebRTC. It keeps to what `pipelines/room` asks of a program: it
listens at $HOST:$PORT, says where, and GET /health counts viewers. POST /viewers, /take and /stand-still make it as real
ones can be: watched, too large, or stuck.
"""

from __future__ import annotations

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

taken: list[bytearray] = []
state = {"viewers": 0, "pictures": 0, "stuck": 0}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        while state["stuck"]:
            time.sleep(1)
        body = f'{{"viewers": {state["viewers"]}, "pictures": {state["pictures"]}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        # What came, for tests of the way here.
        body = f'{{"method": "{self.command}", "path": "{self.path}"}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PATCH = do_OPTIONS = do_PUT

    def do_POST(self) -> None:
        number = int(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/viewers":
            state["viewers"] = number
        elif self.path == "/take":
            taken.append(bytearray(os.urandom(1 << 20) * number))
        elif self.path == "/stand-still":
            state["stuck"] = 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "audiotestsrc is-live=true volume=0.1 ! talkinghead name=head processing-deadline=2000000000"
        " ! video/x-raw,width=64,height=64 ! fakesink name=out signal-handoffs=true"
    )
    pipeline.get_by_name("head").set_property("portrait", os.environ["PORTRAIT"])

    def count(*_: object) -> None:
        state["pictures"] += 1

    pipeline.get_by_name("out").connect("handoff", count)
    loop = GLib.MainLoop()

    def failed(_: Gst.Bus, message: Gst.Message) -> None:
        print(f"error: {message.parse_error()[0].message}", flush=True)
        loop.quit()

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", failed)
    server = ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipeline.set_state(Gst.State.PLAYING)
    print(f"open http://{os.environ['HOST']}:{server.server_port}/ with nothing", flush=True)
    loop.run()
    pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()
