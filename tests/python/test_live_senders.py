# SPDX-License-Identifier: MIT OR Apache-2.0
"""The live head comes out of `pipelines/srt` and `pipelines/pipewire-camera`, and other programs see it move.

Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover --start-directory tests/python
"""

from __future__ import annotations

import pathlib
import socket
import subprocess
import tempfile
import unittest

import onair

SIDE = 128
FRAMES = 25


class LiveSenders(unittest.TestCase):
    """Each reader is a process of its own, as a viewer's would be."""

    def read(self, source: str, sender: onair.Program, **variables: str) -> list[bytes]:
        """Grey pictures that a reader gets from the sender, tried until it runs."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "pictures"
            line = (
                f"gst-launch-1.0 --quiet {source} ! videoconvert ! videoscale"
                f" ! video/x-raw,format=GRAY8,width={SIDE},height={SIDE}"
                f" ! identity eos-after={FRAMES + 1} ! filesink location={path} buffer-mode=unbuffered"
            )

            def attempt() -> list[bytes]:
                with onair.running(*line.split(), **variables) as reader:
                    try:
                        reader.process.wait(20)
                    except subprocess.TimeoutExpired:
                        pass
                data = path.read_bytes() if path.exists() else b""
                frames = [data[at : at + SIDE * SIDE] for at in range(0, len(data), SIDE * SIDE)]
                return frames if len(frames) >= FRAMES else []

            return onair.wait_for("pictures", attempt, sender)

    def assert_a_head_moves(self, frames: list[bytes]) -> None:
        """Pictures with light and shade, of which neighbours differ."""
        self.assertGreater(max(frames[0]) - min(frames[0]), 100, "the picture is empty")
        self.assertGreater(len(set(frames)), FRAMES // 2, "the picture stands still")

    def test_srt(self) -> None:
        onair.need_element("srtsink")
        port = onair.free_port(socket.SOCK_DGRAM)
        with onair.running(onair.script("srt"), PORT=str(port)) as sender:
            source = f"srtsrc uri=srt://127.0.0.1:{port}?mode=caller ! tsdemux ! h264parse ! avdec_h264"
            self.assert_a_head_moves(self.read(source, sender))

    def test_srt_carries_the_voice(self) -> None:
        onair.need_element("srtsink")
        port = onair.free_port(socket.SOCK_DGRAM)
        with onair.running(onair.script("srt"), PORT=str(port)) as sender, tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "sound"
            # As viewers do: mpegtsmux of GStreamer 1.26 greets them with a table of streams that has only the sound in it, and
            # sends the whole one at once, at which a chain behind one pad of tsdemux ends.
            sound = "audioconvert ! audio/x-raw,format=S16LE,channels=1"
            line = (
                *("gst-launch-1.0", "--quiet", "playbin", f"uri=srt://127.0.0.1:{port}?mode=caller", "video-sink=fakesink"),
                f"audio-sink={sound} ! filesink location={path} buffer-mode=unbuffered",
            )

            def attempt() -> bool:
                with onair.running(*line) as reader:
                    try:
                        reader.process.wait(6)
                    except subprocess.TimeoutExpired:
                        pass
                data = path.read_bytes() if path.exists() else b""
                loud = memoryview(data[: len(data) // 2 * 2]).cast("h")
                return len(loud) > 48_000 and max(loud) > 2_000

            onair.wait_for("sound", attempt, sender)

    def test_a_port_that_is_taken_is_told_in_a_line_and_ends_the_script(self) -> None:
        for name, element, kind, said in (
            ("obs", "avenc_ffv1", socket.SOCK_STREAM, "cannot listen at 127.0.0.1:{}: Address already in use: "),
            ("srt", "srtsink", socket.SOCK_DGRAM, "Could not open resource for writing. (Failed to open SRT: Cannot bind to 0.0.0.0:{} "),
        ):
            onair.need_element(element)
            with self.subTest(script=name), socket.socket(socket.AF_INET, kind) as taken:
                taken.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                port = taken.getsockname()[1]
                with onair.running(onair.script(name), PORT=str(port), WAY="alpha") as sender:
                    self.assertNotEqual(0, sender.process.wait(onair.PATIENCE_SECONDS))
                    lines = [line for line in sender.said().splitlines() if not line.startswith("listening at ")]
                    self.assertEqual(1, len(lines), lines)
                    self.assertTrue(lines[0].startswith("error: " + said.format(port)), lines)

    def test_pipewire_camera(self) -> None:
        onair.need_programs("pipewire", "wireplumber", "dbus-run-session")
        onair.need_element("pipewiresink")
        with tempfile.TemporaryDirectory() as folder:
            # A PipeWire of its own: the user's is left alone, and none is needed.
            private = {"XDG_RUNTIME_DIR": folder, "HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_STATE_HOME": folder}
            private["GST_REGISTRY"] = f"{folder}/registry.bin"
            daemons = ("dbus-run-session", "--", "sh", "-c", "pipewire & sleep 1; wireplumber & wait")
            with onair.running(*daemons, **private) as pipewire:
                onair.wait_for("socket", (pathlib.Path(folder) / "pipewire-0").is_socket, pipewire)
                with onair.running(onair.script("pipewire-camera"), **private) as camera:
                    frames = self.read("pipewiresrc target-object=talkinghead", camera, **private)
                    self.assert_a_head_moves(frames)

    def test_pipewire_camera_names_what_is_missing(self) -> None:
        onair.need_element("pipewiresink")
        with tempfile.TemporaryDirectory() as folder, onair.running(
            onair.script("pipewire-camera"), XDG_RUNTIME_DIR=folder
        ) as camera:
            camera.process.wait(30)
            self.assertIn("error: no PipeWire", camera.said())
            self.assertEqual(1, len(camera.said().splitlines()), camera.said())
