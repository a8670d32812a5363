# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the tests of the live scenarios share: starting a script of `pipelines/`, and waiting for what it does."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from collections.abc import Callable, Iterator
from typing import TypeVar

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Machines of continuous integration are slow and have few cores; nothing here measures speed.
PATIENCE_SECONDS = 60
# What a film of synthetic pictures says of itself.
SYNTHETIC = b"synthetic: portrait animated by gst-portrait"

T = TypeVar("T")


def need(found: object, what: str) -> None:
    """Skips the test, in so many words, where a program is not installed."""
    if not found:
        raise unittest.SkipTest(f"{what} is missing: `cargo xtask setup --on-air` installs it")


def need_programs(*names: str) -> None:
    """Skips the test where one of the programs is not on the PATH."""
    for name in names:
        need(shutil.which(name), f"the program {name}")


def need_element(name: str) -> None:
    """Skips the test where GStreamer has no element of that name."""
    found = subprocess.run(["gst-inspect-1.0", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    need(found.returncode == 0, f"GStreamer's element {name}")


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_bound(port: int) -> bool:
    """Whether somebody receives datagrams at that port."""
    tables = (pathlib.Path("/proc/net/udp"), pathlib.Path("/proc/net/udp6"))
    lines = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return any(int(line[1].rpartition(":")[2], 16) == port for line in lines)


def is_listening(port: int) -> bool:
    """Whether a program takes connections at that port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def script(folder: str) -> str:
    """The script of a scenario."""
    return str(ROOT / "pipelines" / folder / "run.sh")


class Program:
    """A program in the background, with what it said so far."""

    def __init__(self, process: subprocess.Popen, log: pathlib.Path) -> None:
        self.process = process
        self.log = log

    def said(self) -> str:
        """Its output, for messages of failed tests."""
        return self.log.read_text(errors="replace")[-4000:]


@contextlib.contextmanager
def running(*command: str, **variables: str) -> Iterator[Program]:
    """Runs a program while the test goes on, then ends it and everything that it started."""
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **variables},
            )
        try:
            yield Program(process, log)
        finally:
            for number, seconds in ((signal.SIGINT, 5), (signal.SIGTERM, 2), (signal.SIGKILL, 2)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                if not group_exists(process.pid):
                    break


def group_exists(group: int) -> bool:
    """Whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(what: str, attempt: Callable[[], T | None], *programs: Program) -> T:
    """Tries until it gives something; fails when a program ends before, or after a minute."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        result = attempt()
        if result:
            return result
        for program in programs:
            if program.process.poll() is not None:
                raise AssertionError(f"{program.process.args[0]} ended before {what}: {program.said()}")
        time.sleep(0.2)
    raise AssertionError(f"no {what} after {PATIENCE_SECONDS} s: " + "\n".join(p.said() for p in programs))
