# SPDX-License-Identifier: MIT OR Apache-2.0
"""The film of `pipelines/lower-third` shows the head, cut out, over its background; cameras name what they lack.

Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover --start-directory tests/python
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import tempfile
import unittest
import wave

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

import onair  # noqa: E402
import pictures  # noqa: E402

SPEECH = onair.ROOT / "tests/data/speech-af_heart.wav"
SECONDS = 2
# Where the script puts the head, in 1280x720, and the bar.
HEAD_LEFT, HEAD_TOP, HEAD_SIDE = 860, 360, 360
BAR = (0x16, 0x21, 0x3E)


class Graphics(unittest.TestCase):
    """Films, looked at."""

    def setUp(self) -> None:
        Gst.init(None)
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def frames(self, film: pathlib.Path) -> list[pictures.Picture]:
        """Every tenth frame of a film."""
        line = (
            f"gst-launch-1.0 --quiet filesrc location={film} ! decodebin ! videoconvert ! videorate"
            f" ! video/x-raw,framerate=5/2 ! pngenc ! multifilesink location={self.folder}/%02d.png"
        )
        subprocess.run(line.split(), check=True, timeout=120)
        return [pictures.decode(path.read_bytes()) for path in sorted(self.folder.glob("*.png"))]

    @staticmethod
    def speak(recording: pathlib.Path, seconds: float) -> None:
        with wave.open(str(SPEECH)) as whole, wave.open(str(recording), "wb") as part:
            part.setparams(whole.getparams())
            part.writeframes(whole.readframes(int(seconds * whole.getframerate())))

    def lower_third(self, variables: dict[str, str]) -> None:
        done = subprocess.run(
            [onair.script("lower-third")], env={**os.environ, **variables}, capture_output=True, text=True, timeout=240
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_a_lower_third_ends_with_the_speech_and_shows_any_name(self) -> None:
        onair.need_element("textoverlay")
        video, recording, film = (self.folder / name for name in ("video.mp4", "speech.wav", "film.mp4"))
        line = f"videotestsrc pattern=black num-buffers=60 ! video/x-raw,framerate=30/1 ! x264enc ! mp4mux ! filesink location={video}"
        subprocess.run(["gst-launch-1.0", "--quiet", *line.split()], check=True)
        self.speak(recording, 0.8)
        for name in ("Smith & Sons", "a < b", "trailing\\", '"Q"  it\'s', "two\nlines", "Ada, countess of a long name, " * 3):
            with self.subTest(name=name):
                self.lower_third({"SOURCE": str(recording), "OUTPUT": str(film), "NAME": name, "VIDEO": str(video)})
                seen = self.frames(film)
                # 0.8 s, of which every tenth picture.
                self.assertEqual(2, len(seen))
                last = seen[-1]

                def lightest(*box: float, picture: pictures.Picture = last) -> int:
                    left, top, right, bottom = box
                    return max(picture.luma((left / 1280, top / 720, right / 1280, bottom / 720)))

                # To its end the film has the head on it and the name, which stays beside the head and within the bar.
                self.assertGreater(lightest(HEAD_LEFT + 100, HEAD_TOP + 60, HEAD_LEFT + 260, HEAD_TOP + 200), 100, "no head")
                self.assertGreater(lightest(80, 575, 400, 645), 120, "no name")
                self.assertLess(lightest(80, 562, HEAD_LEFT - 5, 570), 80)
                self.assertLess(lightest(HEAD_LEFT - 25, 562, HEAD_LEFT - 5, 655), 80)

    def test_lower_third(self) -> None:
        onair.need_element("textoverlay")
        recording, film = self.folder / "speech.wav", self.folder / "film.mp4"
        self.speak(recording, SECONDS)
        variables = {"SOURCE": str(recording), "OUTPUT": str(film), "NAME": "Anna Müller (synthetic)"}
        self.lower_third(variables)
        self.assertIn(onair.SYNTHETIC, film.read_bytes())
        seen = self.frames(film)
        self.assertGreaterEqual(len(seen), SECONDS * 5 // 2)
        for picture in seen:
            self.assertEqual((1280, 720), (picture.width, picture.height))

            def at(x: float, y: float, picture: pictures.Picture = picture) -> tuple[int, ...]:
                return picture.pixel(x / 1280, y / 720)[:3]

            # The gradient is the same along a row: also in the corners of the head's square, above the bar.
            for x in (HEAD_LEFT + 6, HEAD_LEFT + HEAD_SIDE - 6):
                for y in (HEAD_TOP + 6, HEAD_TOP + 100):
                    self.assert_same(at(x, y), at(400, y), 8)
            # On the bar, left of everything; the name is white on it.
            self.assert_same(at(70, 570), tuple(0.85 * bar + 0.15 * v for bar, v in zip(BAR, at(30, 570))), 14)
            self.assertGreater(max(picture.luma((80 / 1280, 570 / 720, 500 / 1280, 650 / 720))), 180, "no name")
            # The face hides the gradient.
            middle = at(HEAD_LEFT + HEAD_SIDE / 2, HEAD_TOP + HEAD_SIDE / 2)
            self.assertGreater(max(middle) - min(middle), 15, f"no face, but {middle}")
        left, top = HEAD_LEFT / 1280, HEAD_TOP / 720
        side_x, side_y = HEAD_SIDE / 1280, HEAD_SIDE / 720
        mouth = (left + 0.38 * side_x, top + 0.6 * side_y, left + 0.62 * side_x, top + 0.76 * side_y)
        moved = max(pictures.difference(seen[0], other, mouth) for other in seen[1:])
        self.assertGreater(moved, 3, "the mouth does not move")

    def assert_same(self, one: tuple[float, ...], other: tuple[float, ...], tolerance: float) -> None:
        self.assertLessEqual(max(abs(a - b) for a, b in zip(one, other, strict=True)), tolerance, f"{one} and {other}")

    def test_v4l2loopback_names_the_module(self) -> None:
        device = self.folder / "video42"
        done = subprocess.run(
            [onair.script("v4l2loopback")],
            env={**os.environ, "DEVICE": str(device)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertNotEqual(0, done.returncode)
        self.assertEqual(1, len(done.stderr.splitlines()), done.stderr)
        self.assertIn("modprobe v4l2loopback", done.stderr)
        self.assertIn(str(device), done.stderr)
