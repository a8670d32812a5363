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


if __name__ == "__main__":
    unittest.main()
