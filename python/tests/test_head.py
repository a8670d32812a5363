# SPDX-License-Identifier: MIT OR Apache-2.0
"""A head with the plugin of a build. Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover python/tests"""

from __future__ import annotations

import asyncio
import sys
import threading
import unittest
import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

import gst_portrait  # noqa: E402
from gst_portrait.head import _samples, _Track  # noqa: E402

DATA = ROOT / "tests" / "data"
PHOTO = str(DATA / "portrait-grace-hopper.jpg")


def speech(seconds: float) -> tuple[int, bytes]:
    """Rate, and 16-bit samples from where the bundled recording is loud."""
    with wave.open(str(DATA / "speech-af_heart.wav")) as recording:
        rate = recording.getframerate()
        recording.setpos(rate // 2)
        return rate, recording.readframes(int(rate * seconds))


class Sound(unittest.TestCase):
    def test_sound_is_kept_by_its_time(self) -> None:
        track = _Track(10, 1)
        track.add(2, np.array([[1], [2], [3]], np.int16))
        track.add(7, np.array([[4], [5]], np.int16))
        self.assertEqual(track.take(0, 4).ravel().tolist(), [0, 0, 1, 2])
        self.assertEqual(track.take(4, 8).ravel().tolist(), [3, 0, 0, 4])
        self.assertEqual(track.take(8, 10).ravel().tolist(), [5, 0])
        track.add(10, np.array([[6], [7], [8]], np.int16))
        track.cut(11)
        self.assertEqual(track.take(10, 13).ravel().tolist(), [6, 0, 0])

    def test_sound_of_any_kind_is_16_bit(self) -> None:
        self.assertEqual(_samples(b"\x01\x00\xff\xff", 1).ravel().tolist(), [1, -1])
        self.assertEqual(_samples(np.array([0.5, -2.0, np.nan]), 1).ravel().tolist(), [16383, -32767, 0])
        self.assertEqual(_samples(np.zeros(6, np.int16), 2).shape, (3, 2))
        with self.assertRaises(ValueError):
            _samples(np.zeros(5, np.int16), 2)
        with self.assertRaises(TypeError):
            _samples(np.zeros(5, np.int32), 1)


class Films(unittest.TestCase):
    def test_every_sample_comes_back_with_the_pictures_in_order(self) -> None:
        rate, voice = speech(1.0)
        turns: list[gst_portrait.Utterance] = []
        with gst_portrait.Head(PHOTO, rate=rate, emotion="happy", on_utterance=turns.append) as head:
            # In pieces that are no frames.
            for at in range(0, len(voice), 1234):
                head.push(voice[at : at + 1234])
            head.finish()
            pictures = list(head)
        self.assertEqual(len(pictures), 25)
        self.assertEqual(b"".join(picture.audio.tobytes() for picture in pictures), voice)
        for number, picture in enumerate(pictures):
            self.assertAlmostEqual(picture.time, number / 25)
            self.assertEqual(picture.image.shape, (512, 512, 3))
        self.assertEqual(pictures[3].metadata["pose"].shape, (7,))
        self.assertGreater(pictures[20].metadata["emotion"][1], 0.5)
        self.assertEqual([turn.state for turn in turns], ["started", "ended"])

    def test_an_odd_size_with_alpha_is_whole(self) -> None:
        rate, voice = speech(0.2)
        with gst_portrait.Head(
            PHOTO, rate=rate, width=198, height=150, format="RGBA", background="transparent"
        ) as head:
            head.push(voice)
            head.finish()
            picture = next(iter(head))
        self.assertEqual(picture.image.shape, (150, 198, 4))
        self.assertEqual(int(picture.image[..., 3].max()), 255)
        self.assertEqual(int(picture.image[0, 0, 3]), 0)

    def test_a_finished_utterance_does_not_wait_for_the_next_one(self) -> None:
        rate, voice = speech(0.4)
        with gst_portrait.Head(PHOTO, rate=rate) as head:
            head.push(voice)
            head.flush()
            pictures = iter(head)
            heard = b"".join(next(pictures).audio.tobytes() for _ in range(10))
        self.assertEqual(heard, voice)

    def test_in_asyncio_others_go_on(self) -> None:
        async def film() -> tuple[int, int]:
            rate, voice = speech(0.4)
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0)

            ticking = asyncio.create_task(tick())
            count = 0
            async with gst_portrait.Head(PHOTO, rate=rate) as head:
                head.push(voice)
                head.finish()
                async for _ in head:
                    count += 1
            ticking.cancel()
            return count, ticks

        count, ticks = asyncio.run(film())
        self.assertEqual(count, 10)
        self.assertGreater(ticks, 10)


class Live(unittest.TestCase):
    def test_it_idles_speaks_and_is_interrupted(self) -> None:
        rate, voice = speech(3.0)
        started, ended = threading.Event(), threading.Event()
        turns: list[gst_portrait.Utterance] = []

        def turn(told: gst_portrait.Utterance) -> None:
            turns.append(told)
            (started if told.state == "started" else ended).set()

        with gst_portrait.Head(PHOTO, rate=rate, live=True, on_utterance=turn) as head:
            pictures = iter(head)
            # Without sound.
            idle = next(pictures)
            self.assertFalse(idle.audio.any())
            head.push(voice)
            while not started.is_set():
                next(pictures)
            head.interrupt()
            while not ended.is_set():
                next(pictures)
            head.set(emotion="sad")
            # What was on its way in time is still heard.
            last = [next(pictures) for _ in range(20)]
        self.assertFalse(last[-1].audio.any())
        self.assertTrue(turns[1].interrupted)


class Failures(unittest.TestCase):
    def test_what_is_wrong_is_named(self) -> None:
        with self.assertRaisesRegex(gst_portrait.HeadError, "/no/such.jpg"):
            gst_portrait.Head("/no/such.jpg")
        with self.assertRaisesRegex(ValueError, "no property colour"):
            gst_portrait.Head(PHOTO, colour="red")
        with self.assertRaisesRegex(ValueError, "format"):
            gst_portrait.Head(PHOTO, format="YUV")  # type: ignore[arg-type]

    def test_after_the_end_there_is_nothing(self) -> None:
        head = gst_portrait.Head(PHOTO)
        head.close()
        head.close()
        self.assertEqual(list(head), [])


if __name__ == "__main__":
    unittest.main()
