# SPDX-License-Identifier: MIT OR Apache-2.0
"""Real OBS Studio opens the scene collection of `pipelines/obs` and shows the live head, cut out, over its background.

Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover --start-directory tests/python
SCREENSHOTS=FOLDER keeps what OBS showed.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import socket
import tempfile
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

import obs  # noqa: E402
import onair  # noqa: E402
import pictures  # noqa: E402

# Of the scenes' layout: the blue behind the head, and where in the whole picture the head's square is.
BACKDROP = (0x1E, 0x5A, 0xA0)
LEFT, TOP, SIDE_X, SIDE_Y = 780 / 1920, 60 / 1080, 1020 / 1920, 1020 / 1080


# No package of Debian has this plugin; pipelines/obs/README.md says how it is built.
PLUGINS = (
    pathlib.Path("~/.config/obs-studio/plugins/obs-gstreamer/bin/64bit/obs-gstreamer.so").expanduser(),
    *pathlib.Path("/usr/lib").glob("*/obs-plugins/obs-gstreamer.so"),
)


def in_head(x: float, y: float) -> tuple[float, float]:
    """A place in the head's picture as one in the scene."""
    return LEFT + x * SIDE_X, TOP + y * SIDE_Y


def box_in_head(left: float, top: float, right: float, bottom: float) -> pictures.Box:
    return *in_head(left, top), *in_head(right, bottom)


MOUTH = box_in_head(0.38, 0.60, 0.62, 0.76)
FACE = (0.5, 0.5)


def is_backdrop(pixel: tuple[int, int, int, int]) -> bool:
    return all(abs(a - b) <= 12 for a, b in zip(pixel[:3], BACKDROP, strict=True))


class ObsShowsTheHead(unittest.TestCase):
    """One start of OBS for each way."""

    def setUp(self) -> None:
        onair.need_programs("obs", "Xvfb", "dbus-run-session")
        onair.need(importlib.util.find_spec("websocket"), "Python's module websocket")
        Gst.init(None)
        self.home = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))

    def watch(self, client: obs.Obs, scene: str, *programs: onair.Program) -> list[pictures.Picture]:
        """Pictures of a scene, about three a second, from when the head is there."""
        client.request("SetCurrentProgramScene", sceneName=scene)

        def arrived() -> bool:
            return not is_backdrop(client.picture(scene).pixel(*in_head(*FACE)))

        onair.wait_for("head in OBS", arrived, *programs)
        seen = []
        while len(seen) < 10:
            time.sleep(0.3)
            png = client.png(scene)
            if "SCREENSHOTS" in os.environ:
                path = pathlib.Path(os.environ["SCREENSHOTS"]) / f"{scene.replace(' ', '-')}-{len(seen)}.png"
                path.write_bytes(png)
            seen.append(pictures.decode(png))
        return seen

    def wait_for_the_mouth(self, client: obs.Obs, scene: str, *programs: onair.Program) -> None:
        """The mouth moves within a minute: on a busy machine the picture stands still for seconds."""
        first = client.picture(scene)
        onair.wait_for(
            "moving mouth", lambda: pictures.difference(first, client.picture(scene), MOUTH) > 4, *programs
        )

    def assert_cut_out(self, seen: list[pictures.Picture]) -> None:
        for picture in seen:
            self.assertFalse(is_backdrop(picture.pixel(*in_head(*FACE))), "the face is not there")
            # Beside the head, inside of its square.
            for place in ((0.03, 0.03), (0.97, 0.03), (0.03, 0.5), (0.97, 0.5)):
                pixel = picture.pixel(*in_head(*place))
                self.assertTrue(is_backdrop(pixel), f"{place} of the head's square shows {pixel}, not the backdrop")

    def test_alpha_over_tcp(self) -> None:
        port = onair.free_port()
        collection = obs.scenes({"127.0.0.1:9005": f"127.0.0.1:{port}"})
        with onair.running(onair.script("obs"), WAY="alpha", PORT=str(port)) as sender:
            # OBS 29 does not always try again when the very first connection is refused.
            onair.wait_for("listening sender", lambda: onair.is_listening(port), sender)
            with obs.running(self.home, collection) as client:
                seen = self.watch(client, "Head with alpha", sender)
                self.assert_cut_out(seen)
                self.wait_for_the_mouth(client, "Head with alpha", sender)
                alpha = client.picture("Head over TCP").data[3::4]
                self.assertEqual((0, 255), (min(alpha), max(alpha)))

    def test_srt(self) -> None:
        port = onair.free_port(socket.SOCK_DGRAM)
        collection = obs.scenes({"127.0.0.1:9001": f"127.0.0.1:{port}"})
        with onair.running(onair.script("obs"), WAY="srt", PORT=str(port)) as sender:
            onair.wait_for("listening sender", lambda: onair.is_bound(port), sender)
            with obs.running(self.home, collection) as client:
                self.watch(client, "Head over SRT", sender)
                self.wait_for_the_mouth(client, "Head over SRT", sender)

    def test_in_process(self) -> None:
        plugin = next((path for path in PLUGINS if path.exists()), None)
        if plugin is None:
            self.skipTest("OBS has no plugin obs-gstreamer, which Debian does not package: see pipelines/obs/README.md")
        folder = self.home / ".config/obs-studio/plugins/obs-gstreamer/bin/64bit"
        folder.mkdir(parents=True)
        (folder / plugin.name).symlink_to(plugin)
        data = onair.ROOT / "tests/data"
        collection = obs.scenes(
            {
                "/path/to/speech.wav": str(data / "speech-af_heart.wav"),
                "/path/to/photo.jpg": str(data / "portrait-grace-hopper.jpg"),
            }
        )
        with obs.running(self.home, collection) as client:
            seen = self.watch(client, "Head in process")
            self.assert_cut_out(seen)
            self.wait_for_the_mouth(client, "Head in process")
