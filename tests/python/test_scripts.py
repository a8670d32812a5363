# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the scripts in `pipelines/` say of what goes wrong, and how Ctrl-C ends them.

Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover --start-directory tests/python
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import tempfile
import unittest
import wave

import onair

DATA = onair.ROOT / "tests" / "data"
PHOTO = str(DATA / "portrait-astronaut.png")
PIPELINES = onair.ROOT / "pipelines"
# Until a script that is told to end has ended.
END_SECONDS = 15


def launch(line: str) -> None:
    subprocess.run(["gst-launch-1.0", "--quiet", *line.split()], check=True)


class Scripts(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.voice = str(cls.folder / "voice.wav")
        cls.speak(cls.voice, 1)
        # A film in which nobody is, and one of a person.
        cls.empty, cls.film = (str(cls.folder / f"{name}.mp4") for name in ("empty", "film"))
        end = "video/x-raw,format=I420,framerate=25/1 ! x264enc speed-preset=ultrafast ! mp4mux ! filesink location="
        launch(f"videotestsrc pattern=gradient num-buffers=25 ! {end}{cls.empty}")
        launch(f"filesrc location={PHOTO} ! pngdec ! videoconvert ! imagefreeze num-buffers=10 ! {end}{cls.film}")

    @staticmethod
    def speak(path: str, times: int) -> None:
        with wave.open(str(DATA / "speech-af_heart.wav")) as recording, wave.open(path, "wb") as written:
            written.setparams(recording.getparams())
            sound = recording.readframes(recording.getframerate() if times == 1 else recording.getnframes())
            for _ in range(times):
                written.writeframes(sound)

    def setUp(self) -> None:
        self.work = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def run_script(self, script: str, **variables: str) -> tuple[int, list[str]]:
        """Exit status, and the lines on stderr."""
        done = subprocess.run(
            [PIPELINES / script],
            env={**os.environ, **variables},
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=onair.PATIENCE_SECONDS,
        )
        return done.returncode, done.stderr.splitlines()

    def assert_one_error(self, said: str, script: str, **variables: str) -> None:
        status, lines = self.run_script(script, **variables)
        self.assertNotEqual(0, status)
        self.assertEqual([f"error: {said}"], [line[: len(said) + 7] for line in lines])
        self.assertEqual([], list(self.work.iterdir()))

    def test_what_is_no_film_no_voice_and_no_choice_is_told_in_a_line(self) -> None:
        film = {"FILM": self.film, "SOURCE": self.voice}
        for said, change in (
            ("face=middle names no face: write largest, ", {"FACE": "middle"}),
            ("silence=loud is none of original, shut", {"SILENCE": "loud"}),
            ("--tail: -1 is no number of seconds", {"TAIL": "-1"}),
            (f"{PHOTO} has no sound", {"SOURCE": PHOTO}),
            (f"{self.voice} shows no pictures", {"FILM": self.voice}),
        ):
            self.assert_one_error(said, "dub/run.sh", **film | change)
        clip = {"CLIP": self.film, "SOURCE": self.voice, "OUTPUT": "film.mkv", "SECONDS_LONG": "1"}
        for said, change in (
            ("face=middle names no face: write largest, ", {"FACE": "middle"}),
            ("silence=loud is none of original, shut", {"SILENCE": "loud"}),
            ("--seconds: long is no number of seconds", {"SECONDS_LONG": "long"}),
            (f"{self.voice} shows no pictures", {"CLIP": self.voice}),
        ):
            self.assert_one_error(said, "video-avatar/run.sh", **clip | change)
        self.assert_one_error(f"{PHOTO} has no sound", "keyframes/run.py", SOURCE=PHOTO)
        self.assert_one_error("SMILE=wide is no number", "edit-landmarks-python/run.py", SOURCE=self.voice, SMILE="wide")
        for intensity in ("2", "-.1", "half"):
            said = f"INTENSITY={intensity} is no number from 0 to 1"
            self.assert_one_error(said, "emotions/run.sh", SOURCE=self.voice, INTENSITY=intensity)

    def test_a_warning_is_printed_once(self) -> None:
        tracker, landmarks = (f"warning: {name} finds no face in the video: " for name in ("facetracker", "facelandmarks0"))
        for script, said, variables in (
            # A language of the system's own does not hide it.
            ("video-drives-photo/run.sh", landmarks, {"SOURCE": self.empty, "OUTPUT": "out.mp4", "LANGUAGE": "de"}),
            ("dub/run.sh", tracker, {"FILM": self.empty, "SOURCE": self.voice, "OUTPUT": "out.mp4"}),
            ("video-avatar/run.sh", tracker, {"CLIP": self.empty, "OUTPUT": "out.mkv", "SECONDS_LONG": "2"}),
        ):
            status, lines = self.run_script(script, **variables)
            self.assertEqual((0, [said]), (status, [line[: len(said)] for line in lines]), lines)

    def test_ctrl_c_finishes_what_gst_launch_writes(self) -> None:
        long, film = str(self.folder / "long.wav"), self.work / "film.mp4"
        self.speak(long, 30)
        with onair.running(onair.script("file-to-mp4"), SOURCE=long, OUTPUT=str(film)) as program:
            onair.wait_for("film", lambda: film.exists() and film.stat().st_size > 20_000, program)
            os.killpg(program.process.pid, signal.SIGINT)
            self.assertEqual(0, program.process.wait(onair.PATIENCE_SECONDS))
            self.assertEqual(f"wrote {film}\n", program.said())
        # What plays has its table of contents.
        self.assertIn(b"moov", film.read_bytes())

    def test_ctrl_c_leaves_no_half_film(self) -> None:
        long = str(self.folder / "long.wav")
        self.speak(long, 30)
        for number, command in (
            (signal.SIGINT, ("keyframes/run.py",)),
            (signal.SIGTERM, ("keyframes/run.py",)),
            (signal.SIGINT, ("edit-landmarks-python/run.py",)),
            (signal.SIGINT, ("dub/dub.py", "--film", self.film, "--voice", long, "--output", str(self.work / "film.mp4"))),
        ):
            with self.subTest(command=command[0], number=number):
                film = self.work / "film.mp4"
                film.write_text("of before")
                script, *arguments = command
                line = ("/usr/bin/python3", str(PIPELINES / script), *arguments)
                with onair.running(*line, SOURCE=long, OUTPUT=str(film)) as program:
                    part = self.work / ".film.mp4.part"
                    onair.wait_for("film", lambda: part.exists() and part.stat().st_size, program)
                    program.process.send_signal(number)
                    self.assertEqual(-number, program.process.wait(END_SECONDS))
                    self.assertEqual("", program.said())
                self.assertEqual([film], list(self.work.iterdir()))
                self.assertEqual("of before", film.read_text())


if __name__ == "__main__":
    unittest.main()
