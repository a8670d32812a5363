# SPDX-License-Identifier: MIT OR Apache-2.0
"""`pipelines/room` opens rooms, each a process with a head, within its limits, and ends them.

Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover --start-directory tests/python
"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import unittest
from typing import Any

import onair

DISPATCHER = str(onair.ROOT / "pipelines" / "room" / "dispatcher.py")
PLAIN_HEAD = str(pathlib.Path(__file__).with_name("plain_head.py"))
PHOTO = str(onair.ROOT / "tests" / "data" / "portrait-grace-hopper.jpg")
# Of a room: a debug build's head takes some 250.
MEGABYTES = 900


# Watches with a browser whose page was closed before it connected, and tells whether it was forgotten.
NEVER_CONNECTS = f"""
import sys, threading, time
sys.path.insert(0, {str(onair.ROOT / "pipelines" / "webrtc")!r})
import head
from gi.repository import GLib, Gst
Gst.init(None)
head.CONNECTING_SECONDS = 1
loop = GLib.MainLoop()
threading.Thread(target=loop.run, daemon=True).start()
one = head.Head("audiotestsrc is-live=true wave=silence ! audioconvert".split(), sys.argv[1], print)
one.play()
viewer = head.Viewer(one)
viewer.answer("\\r\\n".join([
    "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "c=IN IP4 0.0.0.0", "a=rtpmap:96 VP8/90000", "a=mid:0", "a=recvonly", "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=fingerprint:sha-256 " + ":".join(["AA"] * 32), "a=setup:actpass",
    "a=rtcp-mux", "",
]))
end = time.monotonic() + 20
while not viewer.left and time.monotonic() < end:
    time.sleep(0.1)
print(viewer.left)
one.stop()
"""


class Room(unittest.TestCase):
    """A dispatcher for each test: its rooms are processes of their own anyway."""

    def start(self, *arguments: str, program: tuple[str, ...] = (PLAIN_HEAD,)) -> onair.Program:
        command = ("/usr/bin/python3", DISPATCHER, "--port", "0", "--memory", str(MEGABYTES), *arguments, "--", *program)
        dispatcher = self.enterContext(onair.running(*command, PORTRAIT=PHOTO, OMP_NUM_THREADS="1"))
        pattern = re.compile(r"^rooms at http://127\.0\.0\.1:(\d+)/", re.MULTILINE)
        self.port = int(onair.wait_for("server", lambda: pattern.search(dispatcher.said()), dispatcher)[1])
        self.dispatcher = dispatcher
        return dispatcher

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> tuple[int, Any, Any]:
        """Status, JSON and headers of a reply."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": kind})
            reply = connection.getresponse()
            data = reply.read()
            return reply.status, json.loads(data) if data.startswith((b"{", b"[")) else data, reply.headers
        finally:
            connection.close()

    def open(self, name: str) -> dict[str, Any]:
        status, told, _ = self.call("POST", "/rooms", {"room": name})
        self.assertEqual(201, status, told)
        return told

    def pictures(self, name: str) -> int:
        return self.call("GET", f"/rooms/{name}/health")[1]["pictures"]

    def ended(self, name: str) -> str:
        """Waits for its end and returns why."""

        def attempt() -> str | None:
            told = self.call("GET", f"/rooms/{name}")[1]
            return told["reason"] if told["state"] == "ended" else None

        return onair.wait_for(f"end of {name}", attempt, self.dispatcher)

    def assert_it_makes_pictures(self, name: str) -> None:
        before = self.pictures(name)
        onair.wait_for("pictures", lambda: self.pictures(name) > before, self.dispatcher)

    def assert_nothing_is_left(self, group: int) -> None:
        # What lost its parent is taken away by the system, when it comes to that.
        onair.wait_for(f"end of process group {group}", lambda: not onair.group_exists(group))

    def test_one_of_two_rooms_dies_and_the_other_goes_on(self) -> None:
        self.start("--rooms", "2")
        first, second = self.open("first"), self.open("second")
        self.assertNotEqual(first["pid"], second["pid"])
        self.assertEqual(f"http://127.0.0.1:{self.port}/rooms/first/", first["url"])
        for name in ("first", "second"):
            self.assert_it_makes_pictures(name)
        # The one that is there is found, and a third has no place.
        status, again, _ = self.call("POST", "/rooms", {"room": "first"})
        self.assertEqual((200, first["pid"]), (status, again["pid"]))
        status, told, headers = self.call("POST", "/rooms", {"room": "third"})
        self.assertEqual((503, {"error": "all 2 rooms are taken"}), (status, told))
        self.assertEqual("5", headers["Retry-After"])

        os.kill(first["pid"], signal.SIGKILL)
        self.assertIn("status -9", self.ended("first"))
        self.assert_nothing_is_left(first["pid"])
        self.assert_it_makes_pictures("second")
        self.assertEqual(1, self.call("GET", "/health")[1]["rooms"])
        self.assertNotEqual(first["pid"], self.open("first")["pid"])

        self.assertEqual("somebody ended it", self.call("DELETE", "/rooms/second")[1]["reason"])
        self.assert_nothing_is_left(second["pid"])
        self.assertEqual(404, self.call("GET", "/rooms/nobody")[0])

    def test_a_room_that_takes_too_much_or_does_not_answer_is_ended(self) -> None:
        self.start("--rooms", "2")
        for name, path, number, reason in (
            ("large", "take", MEGABYTES, f"more than the {MEGABYTES} MB of a room"),
            ("stuck", "stand-still", 1, "did not answer 3 times"),
        ):
            pid = self.open(name)["pid"]
            self.call("POST", f"/rooms/{name}/{path}", number)
            self.assertIn(reason, self.ended(name))
            self.assert_nothing_is_left(pid)

    def test_a_drain_waits_for_rooms_with_viewers(self) -> None:
        dispatcher = self.start("--rooms", "2", "--drain", "600")
        watched, unwatched = self.open("watched"), self.open("unwatched")
        self.call("POST", "/rooms/watched/viewers", 1)
        onair.wait_for("viewer", lambda: self.call("GET", "/rooms/watched")[1]["viewers"], dispatcher)
        dispatcher.process.send_signal(signal.SIGTERM)
        self.assertEqual("the dispatcher ends", self.ended("unwatched"))
        self.assert_nothing_is_left(unwatched["pid"])
        status, told, _ = self.call("GET", "/health")
        self.assertEqual((503, "draining", 1), (status, told["status"], told["rooms"]))
        self.assertEqual(503, self.call("POST", "/rooms", {"room": "late"})[0])
        self.assert_it_makes_pictures("watched")
        self.call("POST", "/rooms/watched/viewers", 0)
        self.assertEqual(0, dispatcher.process.wait(onair.PATIENCE_SECONDS), dispatcher.said())
        self.assert_nothing_is_left(watched["pid"])

    def test_nothing_outlives_a_dispatcher_that_is_killed(self) -> None:
        dispatcher = self.start("--rooms", "1")
        pid = self.open("orphan")["pid"]
        dispatcher.process.kill()
        self.assert_nothing_is_left(pid)

    def test_what_cannot_be_done_is_refused_with_a_reason(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.start("--rooms", "1", "--files", folder, program=("sh", "-c", "echo error: no head today; exit 3"))
            for body, status, said in (
                ({}, 400, "say a room"),
                ({"room": "../a"}, 400, "say a room"),
                ([], 400, "say a room"),
                ({"room": None}, 400, "say a room"),
                ({"room": 5}, 400, "say a room"),
                ({"room": "a", "portrait": None}, 400, "no file None in the folder"),
                ({"room": "a", "portrait": "a\0"}, 400, "in the folder"),
                ({"room": "a", "portrait": "a" * 5000}, 400, "in the folder"),
                ({"room": "a", "photo": "b.jpg"}, 400, "a room takes portrait, source, not photo"),
                ({"room": "a", "portrait": "/etc/passwd"}, 400, "no file /etc/passwd in the folder"),
                ({"room": "a", "source": "../b.wav"}, 400, "no file ../b.wav in the folder"),
                ({"room": "a"}, 502, "room a ended: no head today"),
            ):
                answer = self.call("POST", "/rooms", body)
                self.assertEqual(status, answer[0], answer[1])
                self.assertIn(said, answer[1]["error"])
        self.assertEqual(415, self.call("POST", "/rooms", {"room": "a"}, "text/plain")[0])
        self.assertEqual(404, self.call("GET", "/rooms/nobody/health")[0])
        self.assertEqual(502, self.call("GET", "/rooms/a/health")[0])

    def test_any_method_goes_to_the_room_and_a_query_is_no_part_of_the_path(self) -> None:
        self.start("--rooms", "1")
        self.open("a")
        for method in ("PUT", "PATCH", "OPTIONS"):
            told = self.call(method, "/rooms/a/x/y?z=1")[:2]
            self.assertEqual((200, {"method": method, "path": "/x/y?z=1"}), told)
        status, body, headers = self.call("HEAD", "/rooms/a/health")
        self.assertEqual((200, b""), (status, body))
        self.assertGreater(int(headers["Content-Length"]), 0)
        for path in ("/health?x", "/rooms?x", "/rooms/a?x"):
            self.assertEqual(200, self.call("GET", path)[0], path)
            self.assertEqual((200, b""), self.call("HEAD", path)[:2], path)
        self.assertEqual(404, self.call("PUT", "/rooms")[0])

    def raw(self, request: bytes, answered: bool = True) -> str:
        """What is answered to bytes of any kind; or nothing, and the client is gone before."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as client:
            client.sendall(request)
            if not answered:
                # It ends with a reset.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return ""
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()

    def test_requests_that_are_none_and_clients_that_vanish_leave_no_trace(self) -> None:
        dispatcher = self.start("--rooms", "1")
        post = b"POST /rooms HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n"
        nested = b"[" * 100_000
        for request, said in (
            (post % b"abc", "Content-Length: abc is no number of bytes"),
            (post % b"-5", "Content-Length: -5 is no number of bytes"),
            (post % str(len(nested)).encode() + nested, "it is nested too deeply"),
            (post % b"1" + b"{", "the body is no JSON"),
            (post.replace(b"Content-Length: %s", b"Transfer-Encoding: chunked"), "say a Content-Length"),
        ):
            answer = self.raw(request)
            self.assertRegex(answer, "^HTTP/1.0 4")
            self.assertIn(said, json.loads(answer.partition("\r\n\r\n")[2])["error"])
        for _ in range(10):
            self.raw(post % b"100" + b"abc", answered=False)
            self.raw(b"GET /rooms HTTP/1.1\r\n\r\n", answered=False)
        self.assertEqual(200, self.call("GET", "/health")[0])
        self.assertEqual(1, len(dispatcher.said().splitlines()), dispatcher.said())

    def test_options_that_are_none_are_told_in_a_line(self) -> None:
        for arguments, said in (
            (("--port", "99999"), "--port: 99999 is no whole number from 0 to 65535"),
            (("--rooms", "0"), "--rooms: 0 is no whole number from 1 on"),
            (("--idle", "never"), "--idle: never is no number of seconds from 0 on"),
            (("--files", "/no/such"), "--files: there is no folder /no/such"),
        ):
            done = subprocess.run(["/usr/bin/python3", DISPATCHER, *arguments], capture_output=True, text=True, timeout=20)
            self.assertEqual((2, f"error: {said}\n"), (done.returncode, done.stderr))
        done = subprocess.run(
            ["/usr/bin/python3", DISPATCHER], env={**os.environ, "PORT": "abc"}, capture_output=True, text=True, timeout=20
        )
        self.assertEqual((2, "error: --port: abc is no whole number from 0 to 65535\n"), (done.returncode, done.stderr))

    def test_no_room_is_opened_that_memory_has_no_place_for(self) -> None:
        self.start("--rooms", "9", "--memory", "99999999")
        status, told, _ = self.call("POST", "/rooms", {"room": "a"})
        self.assertEqual(503, status)
        self.assertRegex(told["error"], r"^\d+ MB are left, and a room may take 99999999$")

    def test_a_room_is_the_head_for_browsers(self) -> None:
        onair.need_element("nicesink")
        bindings = ["/usr/bin/python3", "-c", "import gi; gi.require_version('GstWebRTC', '1.0')"]
        onair.need(subprocess.run(bindings, stderr=subprocess.DEVNULL).returncode == 0, "gir1.2-gst-plugins-bad-1.0")
        self.start("--rooms", "1", program=(onair.script("webrtc"),))
        self.open("a")
        self.assertIn(b"fetch('whep'", self.call("GET", "/rooms/a/")[1])
        controls = {control["name"]: control for control in self.call("GET", "/rooms/a/properties")[1]}
        self.assertEqual("neutral", controls["emotion"]["default"])
        self.assertIn("contempt", controls["emotion"]["choices"])
        change = {"name": "emotion", "value": "happy"}
        self.assertEqual((200, change), self.call("POST", "/rooms/a/properties", change)[:2])
        self.assertEqual({"viewers": 0}, self.call("GET", "/rooms/a/health")[1])
        self.assertEqual(400, self.call("POST", "/rooms/a/whep", "hello", "application/sdp")[0])
        for body in ([], "a", {"value": 1}):
            status, told, _ = self.call("POST", "/rooms/a/properties", body)
            self.assertEqual((400, 'send {"name": NAME, "value": VALUE}'), (status, told["error"]))
        status, told, _ = self.call("POST", "/rooms/a/properties", {"name": "pose-style", "value": 1.5})
        self.assertEqual((400, "pose-style=1.5 is no whole number from 0 to 63"), (status, told["error"]))
        for path in ("", "?x", "health?x"):
            self.assertEqual((200, b""), self.call("HEAD", f"/rooms/a/{path}")[:2])

    def test_a_viewer_that_never_connects_is_forgotten(self) -> None:
        onair.need_element("nicesink")
        bindings = ["/usr/bin/python3", "-c", "import gi; gi.require_version('GstWebRTC', '1.0')"]
        onair.need(subprocess.run(bindings, stderr=subprocess.DEVNULL).returncode == 0, "gir1.2-gst-plugins-bad-1.0")
        done = subprocess.run(["/usr/bin/python3", "-c", NEVER_CONNECTS, PHOTO], capture_output=True, text=True, timeout=60)
        self.assertEqual((0, "True"), (done.returncode, done.stdout.strip()), done.stderr)


if __name__ == "__main__":
    unittest.main()
