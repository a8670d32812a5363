# SPDX-License-Identifier: MIT OR Apache-2.0
"""The hardest kinds of sound files, each through `animate`; damaged_sound.py runs hundreds.

Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover --start-directory tests/python
"""

from __future__ import annotations

import os
import pathlib
import random
import tempfile
import unittest

import sounds
from damaged_sound import animate

SEED = 7
# Tests run beside others, on small machines.
LIMIT_SECONDS = 120


class Sounds(unittest.TestCase):
    """A whole film each, or one line that says what is wrong."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        self.output = self.work / "output"
        self.output.mkdir()
        self.shop = sounds.Workshop(self.work)

    def run_on(self, ending: str, data: bytes) -> str:
        sound = self.work / f"sound.{ending}"
        sound.write_bytes(data)
        outcome = animate(str(pathlib.Path(os.environ["GST_PLUGIN_PATH"]) / "animate"), sound, self.output, LIMIT_SECONDS)
        self.assertTrue(outcome.right, outcome.seen)
        return outcome.seen

    def film_of(self, ending: str, data: bytes) -> str:
        seen = self.run_on(ending, data)
        self.assertTrue(seen.startswith("film"), seen)
        return seen

    def error_of(self, ending: str, data: bytes) -> None:
        seen = self.run_on(ending, data)
        self.assertTrue(seen.startswith("rc=1"), seen)

    def sound(self, name: str, rate: int, channels: int) -> bytes:
        return self.shop.sound(name, rate, channels, 1.0)

    def test_stitched_mp3_of_two_rates(self) -> None:
        self.film_of("mp3", self.sound("mp3-bare", 44100, 2) + self.sound("mp3-bare", 32000, 1))

    def test_chained_ogg(self) -> None:
        self.film_of("ogg", self.sound("ogg-vorbis", 44100, 1) + self.sound("ogg-vorbis", 22050, 2))

    def test_the_same_file_twice_in_an_ogg_chain(self) -> None:
        two = [self.shop.sound("ogg-opus", 48000, 2, 0.8, 0.0, copy) for copy in range(2)]
        self.film_of("opus", b"".join(two))

    def test_adpcm_with_wrong_timestamps(self) -> None:
        self.film_of("wav", self.sound("wav-adpcm", 16000, 1))

    def test_six_channels_at_96_khz(self) -> None:
        self.film_of("flac", self.sound("flac", 96000, 6))

    def test_8_khz_under_a_wrong_name(self) -> None:
        self.film_of("mp3", self.sound("wav-mulaw", 8000, 1))

    def test_a_cover_picture(self) -> None:
        self.film_of("mp3", self.sound("mp3-tags", 44100, 2))

    def test_the_sound_of_a_video(self) -> None:
        self.film_of("mp4", self.sound("mp4-video", 44100, 2))

    def test_a_truncated_tail(self) -> None:
        self.film_of("ogg", self.sound("ogg-vorbis", 44100, 1)[:-1500])

    def test_a_hole_and_noise_in_vbr(self) -> None:
        damaged = sounds.noisy(random.Random(SEED), self.sound("mp3-vbr", 48000, 2))
        self.film_of("mp3", sounds.cut(random.Random(SEED), damaged))

    def test_floats_that_are_no_numbers(self) -> None:
        sound = bytearray(self.sound("wav-f32", 44100, 2))
        sound[20000:24000] = b"\xff" * 4000
        self.film_of("wav", bytes(sound))

    def test_ten_samples(self) -> None:
        self.film_of("wav", sounds.wav(sounds.speech(1)[:20]))

    def test_every_sample_has_its_picture(self) -> None:
        # Frames of 40 ms are 640 samples here.
        for samples in (641, 13120):
            outcome = self.film_of("wav", sounds.wav(sounds.speech(1)[: 2 * samples]))
            self.assertIn(f"film {-(-samples // 640) * 0.04:.2f} s", outcome)

    def test_no_sample(self) -> None:
        # Several times: whether the muxer comes to complain as well is a race.
        for _ in range(4):
            self.error_of("wav", sounds.wav(b""))

    def test_a_photo_under_a_wrong_name(self) -> None:
        self.error_of("mp3", sounds.COVER.read_bytes())


if __name__ == "__main__":
    unittest.main()
