# SPDX-License-Identifier: MIT OR Apache-2.0
"""A head with the plugin of a build. Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover python/tests"""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
import threading
import unittest
import wave
from fractions import Fraction
from pathlib import Path
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

import gst_portrait  # noqa: E402
from gst_portrait._sound import Track, samples  # noqa: E402

Gst = gst_portrait._plugin.gstreamer()
from gi.repository import GLib  # noqa: E402

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
        track = Track(10, 1)
        track.add(2, np.array([[1], [2], [3]], np.int16))
        track.add(7, np.array([[4], [5]], np.int16))
        self.assertEqual(track.take(0, 4).ravel().tolist(), [0, 0, 1, 2])
        self.assertEqual(track.take(4, 8).ravel().tolist(), [3, 0, 0, 4])
        self.assertEqual(track.take(8, 10).ravel().tolist(), [5, 0])
        track.add(10, np.array([[6], [7], [8]], np.int16))
        track.cut(11)
        self.assertEqual(track.take(10, 13).ravel().tolist(), [6, 0, 0])

    def test_sound_of_any_kind_is_16_bit(self) -> None:
        self.assertEqual(samples(b"\x01\x00\xff\xff", 1).ravel().tolist(), [1, -1])
        self.assertEqual(samples(np.array([0.5, -2.0, np.nan]), 1).ravel().tolist(), [16383, -32767, 0])
        self.assertEqual(samples(np.array([1.0, -0.5], np.float16), 1).ravel().tolist(), [32767, -16383])
        for array in (np.zeros(6, np.int16), np.zeros((3, 2), np.int16)):
            self.assertEqual(samples(array, 2).shape, (3, 2))
        self.assertEqual(samples(np.zeros((9, 1)), 1).shape, (9, 1))
        for shape, channels in (((9, 2), 1), ((2, 9), 2), ((2, 3, 2), 2), ((), 1)):
            with self.assertRaisesRegex(ValueError, rf"sound of shape {re.escape(str(shape))} is neither"):
                samples(np.zeros(shape, np.int16), channels)
        with self.assertRaises(ValueError):
            samples(np.zeros(5, np.int16), 2)
        with self.assertRaises(TypeError):
            samples(np.zeros(5, np.int32), 1)
        with self.assertRaisesRegex(TypeError, "bytes or an array of numpy's, not list"):
            samples([0] * 9, 1)  # type: ignore[arg-type]
        with self.assertRaisesRegex(ValueError, "3 bytes are no whole number of 16-bit samples"):
            samples(b"abc", 1)


class Films(unittest.TestCase):
    def test_pictures_come_at_any_rate(self) -> None:
        rate, voice = speech(0.4)
        rates = ("30000/1001", 30000 / 1001), (29.97, 29.97), (Fraction(25, 2), 12.5), (np.float32(25), 25), (np.int64(25), 25)
        for framerate, wanted in rates:
            with gst_portrait.Head(PHOTO, rate=rate, framerate=framerate) as head:
                head.push(voice)
                head.finish()
                durations = [picture.duration for picture in head]
            self.assertGreater(len(durations), 3)
            self.assertAlmostEqual(durations[0], 1 / wanted, 4)

    def test_why_a_head_takes_no_more_sound_is_said(self) -> None:
        rate, voice = speech(0.2)
        head = gst_portrait.Head(PHOTO, rate=rate)
        head.finish()
        with self.assertRaisesRegex(gst_portrait.HeadError, r"no more sound: finish\(\) was called"):
            head.push(voice)
        head.close()
        with self.assertRaisesRegex(gst_portrait.HeadError, "no more sound: it was closed"):
            head.push(voice)

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

    def test_an_interrupted_voice_leaves_no_hole(self) -> None:
        # The elements' steps are 40 ms: other pictures begin with the next one.
        for rate, framerate, hole in ((16_000, 25, 0.0), (22_050, 25, 0.0), (22_050, 30, 0.04)):
            with gst_portrait.Head(PHOTO, rate=rate, framerate=framerate) as head:
                head.push(np.full(4 * rate, 9, np.int16))
                pictures = iter(head)
                before = [next(pictures) for _ in range(5)]
                head.interrupt()
                head.push(np.full(rate // 2, 7, np.int16))
                head.finish()
                after = list(pictures)
            end = before[-1].time + before[-1].duration
            self.assertTrue(-1e-6 <= after[0].time - end <= hole + 1e-6, (end, after[0].time))
            self.assertEqual({9}, set(np.concatenate([picture.audio for picture in before]).ravel().tolist()))
            heard = np.concatenate([picture.audio for picture in after]).ravel().tolist()
            self.assertEqual([7] * (rate // 2), heard[: rate // 2])

    def test_a_listener_that_fails_is_told_and_the_head_goes_on(self) -> None:
        def turn(_: gst_portrait.Utterance) -> None:
            raise RuntimeError("of the listener")

        rate, voice = speech(0.4)
        with mock.patch.object(sys, "excepthook") as hook:
            with gst_portrait.Head(PHOTO, rate=rate, on_utterance=turn) as head:
                head.push(voice)
                head.finish()
                self.assertEqual(len(list(head)), 10)
                # Without an answer GStreamer would complain as well.
                what = "portrait-utterance, state=started, running-time=(guint64)0, interrupted=false"
                message = Gst.Message.new_element(head._source, Gst.Structure.new_from_string(what))
                answer = head._sync(None, message)
                self.assertEqual(answer, Gst.BusSyncReply.DROP)
        self.assertIn("of the listener", [str(call.args[1]) for call in hook.call_args_list])

    def test_a_listener_may_close_the_head(self) -> None:
        rate, voice = speech(0.4)
        for live in (False, True):
            heard = threading.Event()

            def turn(_: gst_portrait.Utterance) -> None:
                head.close()
                # Again, as whoever does not know that it is closed.
                head.close()
                heard.set()

            head = gst_portrait.Head(PHOTO, rate=rate, live=live, on_utterance=turn)
            head.push(voice)
            # The pictures end as well.
            self.assertLess(sum(1 for _ in head), 100)
            self.assertTrue(heard.wait(30))
            head.close()
            self.assertEqual(head._pipeline.get_state(0)[1], Gst.State.NULL)

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

    def test_what_a_property_cannot_be_is_refused_with_what_it_takes(self) -> None:
        for properties, said in (
            ({"emotion": "joy"}, "emotion=joy is none of neutral, happy, "),
            ({"emotion": 17}, "emotion=17 is none of neutral, happy, "),
            ({"look_ahead": "fast"}, "look-ahead=fast is none of quality, low, minimal"),
            ({"drive": "pose+nose"}, "drive=nose is none of auto, pose, "),
            ({"emotion_intensity": "half"}, "emotion-intensity=half is no number from 0 to 1"),
            ({"yaw": 200}, "yaw=200 is beyond its range, -90 to 90"),
            ({"yaw": float("nan")}, "yaw=nan is beyond its range"),
            ({"pose_style": 1.5}, "pose-style=1.5 is no whole number from 0 to 63"),
            ({"look_away": "maybe"}, "look-away=maybe is neither true nor false"),
            ({"face": "middle"}, "face=middle names no face: write largest, left, "),
            ({"emotion_mix": "joy=1"}, "emotion-mix=joy=1 is no mix: "),
            ({"stats": 1}, "talkinghead has no property stats"),
            ({"rate": 0}, "rate=0 is no whole number from 1 to 2147483647"),
            ({"channels": 64}, "channels=64 is no whole number from 1 to 63"),
            ({"width": 0.5}, "width=0.5 is no whole number from 1 to 32767"),
            ({"framerate": 300}, "framerate=300 is no rate from 1 to 240"),
            ({"framerate": "25/0"}, "framerate=25/0 is no rate from 1 to 240"),
            ({"framerate": "fast"}, "framerate=fast is no rate from 1 to 240"),
        ):
            with self.assertRaisesRegex(ValueError, f"^{re.escape(said)}"):
                gst_portrait.Head(PHOTO, **properties).close()  # type: ignore[arg-type]
        with gst_portrait.Head(
            Path(PHOTO),
            reference=None,
            drive="pose+mouth",
            emotion=np.int64(1),
            look_away=np.bool_(True),
            face=1,
            scale=np.float32(0.8),
            width=np.int64(64),
        ) as head:
            for properties, said in (
                ({"emotion": "joy"}, "emotion=joy is none of neutral, happy, "),
                ({"yaw": 200}, "yaw=200 is beyond its range, -90 to 90"),
                ({"face": "left"}, "face cannot change while talkinghead plays: give it at the start"),
            ):
                with self.assertRaisesRegex(ValueError, f"^{re.escape(said)}"):
                    head.set(**properties)  # type: ignore[arg-type]

    def test_what_an_element_warns_of_is_a_warning(self) -> None:
        rate, voice = speech(0.6)
        with self.assertWarnsRegex(gst_portrait.HeadWarning, "fewer styles of head motion") as told:
            with gst_portrait.Head(PHOTO, rate=rate, pose_style=63) as head:
                head.push(voice)
                head.finish()
                self.assertEqual(len(list(head)), 15)
        # It is told of the line that took the pictures.
        self.assertEqual(Path(told.filename).name, Path(__file__).name)
        with self.assertWarnsRegex(gst_portrait.HeadWarning, "/no/such.jpg"):
            with gst_portrait.Head(PHOTO, rate=rate) as head:
                head.set(portrait="/no/such.jpg")
                # The photo is looked at beside the stream.
                for _ in range(50):
                    head.push(voice)
                    next(iter(head))

    def test_an_error_stays(self) -> None:
        with gst_portrait.Head(PHOTO) as head:
            error = Gst.Message.new_error(head._source, GLib.Error("broken"), "at.c(1): f ():\nby a test")
            head._bus.post(error)
            for _ in range(2):
                with self.assertRaisesRegex(gst_portrait.HeadError, r"^broken \(by a test\)$"):
                    next(iter(head))

    def test_tensors_have_their_shapes(self) -> None:
        rate, voice = speech(0.5)
        with gst_portrait.Head(PHOTO, rate=rate, width=128.0, height=128) as head:  # type: ignore[arg-type]
            head.push(voice)
            head.finish()
            picture = next(iter(head))
        found = {name: tensor.shape for name, tensor in picture.metadata.items()}
        self.assertEqual((found["landmarks"], found["picture_landmarks"], found["pose"]), ((478, 3), (478, 3), (7,)))
        self.assertEqual((found["latents"][1:], found["loudness"]), ((3,), (2,)))
        # Row by row.
        chin, forehead = picture.metadata["picture_landmarks"][[152, 10], 1]
        self.assertGreater(chin, forehead)

    def test_a_head_that_is_let_go_of_ends(self) -> None:
        head = gst_portrait.Head(PHOTO)
        head.push(speech(0.5)[1])
        next(iter(head))
        pipeline = head._pipeline
        del head
        gc.collect()
        self.assertEqual(pipeline.get_state(0)[1], Gst.State.NULL)

    def test_a_program_may_end_while_a_head_speaks(self) -> None:
        program = f"""
import sys
sys.path.insert(0, {str(ROOT / "python")!r})
import gst_portrait
head = gst_portrait.Head({PHOTO!r}, live=LIVE, on_utterance=print)
head.push(bytes(64_000))
pictures = iter(head)
for _ in range(5):
    next(pictures)
"""
        for live in ("False", "True"):
            done = subprocess.run(
                [sys.executable, "-c", program.replace("LIVE", live)], capture_output=True, text=True, timeout=120, check=False
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_after_the_end_there_is_nothing(self) -> None:
        head = gst_portrait.Head(PHOTO)
        head.close()
        head.close()
        self.assertEqual(list(head), [])


if __name__ == "__main__":
    unittest.main()
