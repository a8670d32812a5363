# SPDX-License-Identifier: MIT OR Apache-2.0
"""A room: a process with a live head, watched until it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from typing import Any

#: What a room's program says when it listens.
LISTENS = re.compile(r"^open http://[^/]*:(\d+)/")
WATCH_SECONDS = 1
ANSWER_SECONDS = 5
#: A room that so many times in a row did not answer is ended.
SILENCES = 3
#: Between a polite end and one by force.
GRACE_SECONDS = 5


def megabytes(group: int) -> int:
    """Memory of a group of processes; what they share is counted in parts."""
    kilobytes = 0
    for entry in pathlib.Path("/proc").iterdir():
        # A process may end while it is looked at.
        with contextlib.suppress(OSError, ValueError):
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                text = (entry / "smaps_rollup").read_text()
                kilobytes += int(re.search(r"^Pss: +(\d+)", text, re.MULTILINE)[1])
    return kilobytes // 1024


class Room:
    """Starts its process at once; `settled` is set when it listens or has ended."""

    def __init__(self, name: str, program: list[str], variables: dict[str, str], memory: int, idle: float) -> None:
        self.name, self.memory, self.idle = name, memory, idle
        self.state, self.reason = "starting", ""
        self.port = self.viewers = self.megabytes = 0
        self.opened = self.seen = time.monotonic()
        self.settled, self.ended = threading.Event(), threading.Event()
        # The kernel chooses the port, and the program tells it. A group of its own: all of it can be ended. Its input ends
        # with the dispatcher, however that ends.
        self.process = subprocess.Popen(
            [sys.executable, __file__, *program],
            env={**os.environ, **variables, "HOST": "127.0.0.1", "PORT": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    def describe(self) -> dict[str, Any]:
        """What is told of it."""
        told: dict[str, Any] = {"room": self.name, "state": self.state, "pid": self.process.pid}
        if self.state == "ended":
            return told | {"reason": self.reason}
        seconds = round(time.monotonic() - self.opened, 1)
        return told | {"viewers": self.viewers, "megabytes": self.megabytes, "seconds": seconds}

    def end(self, reason: str) -> None:
        """Ends all of its processes, politely first; returns when they are gone."""
        self.reason = self.reason or reason
        self._signal(signal.SIGTERM)
        if not self.ended.wait(GRACE_SECONDS):
            self._signal(signal.SIGKILL)
            if not self.ended.wait(GRACE_SECONDS):
                # Something that left the group holds the output open.
                self._over()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            print(f"[{self.name}] {line}", end="", flush=True)
            if found := LISTENS.match(line):
                self.port, self.state = int(found[1]), "ready"
                self.seen = time.monotonic()
                self.settled.set()
            elif line.startswith("error: "):
                self.reason = self.reason or line.removeprefix("error: ").strip()
        status = self.process.wait()
        self.reason = self.reason or f"its process ended with status {status}"
        self._over()

    def _over(self) -> None:
        self.state = "ended"
        self.settled.set()
        self.ended.set()

    def _watch(self) -> None:
        silences = 0
        while not self.ended.wait(WATCH_SECONDS):
            if self.process.poll() is not None:
                # What it started would keep its output open.
                self._signal(signal.SIGKILL)
                continue
            self.megabytes = megabytes(self.process.pid)
            if self.megabytes > self.memory:
                self.end(f"it took {self.megabytes} MB, more than the {self.memory} MB of a room")
            if self.state != "ready":
                continue
            try:
                self.viewers = int(self._health()["viewers"])
                silences = 0
            except (OSError, ValueError, KeyError, http.client.HTTPException):
                silences += 1
            if self.viewers:
                self.seen = time.monotonic()
            if silences >= SILENCES:
                self.end(f"it did not answer {SILENCES} times")
            elif self.idle and time.monotonic() - self.seen > self.idle:
                self.end(f"nobody watched it for {self.idle:g} s")

    def _health(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/health")
            return json.load(connection.getresponse())
        finally:
            connection.close()


def guard(program: list[str]) -> int:
    """Runs a room's program until it ends, or until the dispatcher is no more."""
    # Ended by the signal that ends the group, it could not tell the program's status. A handler, because what is ignored
    # would be ignored by the program as well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        child = subprocess.Popen(program, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"error: cannot run {program[0]}: {error.strerror}", flush=True)
        return 127

    def watch() -> None:
        sys.stdin.read()
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.killpg(0, number)
            time.sleep(GRACE_SECONDS)

    threading.Thread(target=watch, daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
