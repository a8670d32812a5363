# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the scripts in `pipelines/` say of what goes wrong, what they make of names, and how Ctrl-C and SIGTERM end them.

Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover --start-directory tests/python
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import wave
from collections.abc import Iterator

import gi
import onair

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

DATA = onair.ROOT / "tests" / "data"
PHOTO = str(DATA / "portrait-astronaut.png")
PIPELINES = onair.ROOT / "pipelines"
# Each of them meant something else to gst-launch-1.0.
NAMES = (r"a\b", '5" disc', '"my voice"', "it's 100% ü", "a back\\slash at the end\\")
# Until a script that is told to end has ended.
END_SECONDS = 15


def launch(line: str) -> None:
    subprocess.run(["gst-launch-1.0", "--quiet", *line.split()], check=True)


def seconds(film: pathlib.Path, pad: str) -> float:
    """When the last of a Matroska film's sound or pictures begins."""
    Gst.init(None)
    line = Gst.parse_launch(f"filesrc name=file ! matroskademux name=d d.{pad} ! queue ! appsink name=out sync=false")
    line.get_by_name("file").set_property("location", str(film))
    line.set_state(Gst.State.PLAYING)
    sink, last = line.get_by_name("out"), 0
    while sample := sink.emit("try-pull-sample", onair.PATIENCE_SECONDS * Gst.SECOND):
        last = max(last, sample.get_buffer().pts)
    line.set_state(Gst.State.NULL)
    return last / Gst.SECOND


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
    def speak(path: str, times: int, seconds: float = 1) -> None:
        with wave.open(str(DATA / "speech-af_heart.wav")) as recording, wave.open(path, "wb") as written:
            written.setparams(recording.getparams())
            sound = recording.readframes(int(seconds * recording.getframerate()) if times == 1 else recording.getnframes())
            for _ in range(times):
                written.writeframes(sound)

    def setUp(self) -> None:
        self.work = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def finished(self, script: str, folder: pathlib.Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """A script, run in a folder; behind it stand arguments."""
        name, *arguments = script.split(" ")
        return subprocess.run(
            [PIPELINES / name, *arguments],
            env={**os.environ, **variables},
            cwd=folder or self.work,
            capture_output=True,
            text=True,
            timeout=onair.PATIENCE_SECONDS,
        )

    def run_script(self, script: str, **variables: str) -> tuple[int, list[str]]:
        """Exit status, and the lines on stderr."""
        done = self.finished(script, **variables)
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
        for script in ("emotions/run.sh", "video-avatar/run.sh", "file-to-mp4/run.sh"):
            self.assert_one_error(f"{self.empty} has no sound", script, **clip | {"SOURCE": self.empty})
        self.assert_one_error("SMILE=wide is no number", "edit-landmarks-python/run.py", SOURCE=self.voice, SMILE="wide")
        for intensity in ("2", "-.1", "half"):
            said = f"INTENSITY={intensity} is no number from 0 to 1"
            self.assert_one_error(said, "emotions/run.sh", SOURCE=self.voice, INTENSITY=intensity)

    def test_what_is_no_whole_number_is_told_before_anything_starts(self) -> None:
        for script, variable, wrong in (
            ("emotions", "SIZE", ("99.5", "8", "0128")),
            ("srt", "PORT", ("9001.5", "70000")),
            ("srt", "LATENCY", ("1.5", "-1")),
            ("srt", "BITRATE", ("2000.5", "fast")),
            ("obs", "PORT", ("abc", "0", "9005.0")),
        ):
            for text in wrong:
                done = self.finished(f"{script}/run.sh", SOURCE=self.voice, **{variable: text})
                said = (done.returncode, done.stdout, done.stderr.partition(" from")[0])
                self.assertEqual((1, "", f"error: {variable}={text} is no whole number"), said)

    def test_a_camera_with_a_name_that_is_none_is_told(self) -> None:
        self.assert_one_error("NODE=my head is no name of letters", "pipewire-camera/run.sh", NODE="my head")

    def test_a_gif_is_an_error_where_a_video_is_meant(self) -> None:
        gif = self.folder / "wave.gif"
        gif.write_bytes(b"GIF89a")
        voice = {"SOURCE": self.voice, "OUTPUT": "film.mp4"}
        self.assert_one_error(f"{gif} is a GIF: ", "pose-transfer/run.sh", DRIVER=str(gif), **voice)
        onair.need_element("textoverlay")
        self.assert_one_error(f"{gif} is a GIF: ", "lower-third/run.sh", VIDEO=str(gif), **voice)

    def test_landmarks_edited_in_rust_say_what_is_missing(self) -> None:
        for said, change in (
            ("cannot read nobody.jpg", {"PORTRAIT": "nobody.jpg"}),
            ("cannot read nothing.wav", {"SOURCE": "nothing.wav"}),
            (f"{PHOTO} has no sound", {"SOURCE": PHOTO}),
            (f"{self.empty} has no sound", {"SOURCE": self.empty}),
            (f'"{self.voice}" is not a PNG, JPEG or WebP', {"PORTRAIT": self.voice}),
            ("cannot write OUTPUT=nowhere/film.mp4: there is no folder", {"OUTPUT": "nowhere/film.mp4"}),
        ):
            variables = {"SOURCE": self.voice, "OUTPUT": "film.mp4"} | change
            self.assert_one_error(said, "edit-landmarks-rust/run.sh", **variables)

    def test_names_of_files_and_folders_may_hold_anything(self) -> None:
        for name in NAMES:
            with self.subTest(name=name):
                folder = self.work / f"folder {name}"
                folder.mkdir()
                voice, photo, film = (folder / f"{name}{ending}" for ending in (".wav", ".png", ""))
                self.speak(str(voice), 1, 0.3)
                shutil.copy(PHOTO, photo)
                # OUTPUT is relative: its first letter is the name's.
                names = {"SOURCE": str(voice), "PORTRAIT": str(photo), "OUTPUT": name}
                done = self.finished("file-to-mp4/run.sh", folder, **names)
                self.assertEqual((0, f"wrote {name}\n", ""), (done.returncode, done.stdout, done.stderr))
                self.assertIn(b"moov", film.read_bytes())

    def test_a_live_voice_is_kept_in_a_folder_of_any_name(self) -> None:
        for name in NAMES[2:4]:
            with self.subTest(name=name):
                folder = self.work / f"folder {name}"
                folder.mkdir()
                film = f"{name}.mkv"
                variables = {"CLIP": self.film, "SOURCE": self.voice, "OUTPUT": film, "SECONDS_LONG": "2"}
                done = self.finished("video-avatar/run.sh", folder, TMPDIR=str(folder), **variables)
                self.assertEqual((0, ""), (done.returncode, done.stderr))
                # Its sound and its pictures came, and nothing is left beside it.
                self.assertEqual([film], os.listdir(folder))
                self.assertGreater((folder / film).stat().st_size, 5_000)

    def test_a_live_voice_ends_when_it_is_told_however_long_it_is(self) -> None:
        film = self.work / "film.mkv"
        variables = {"CLIP": self.film, "SOURCE": str(DATA / "speech-af_heart.wav"), "OUTPUT": str(film), "SECONDS_LONG": "3"}
        done = self.finished("video-avatar/run.sh", **variables)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        sound, pictures = (seconds(film, pad) for pad in ("audio_0", "video_0"))
        self.assertTrue(0.5 < sound < 3.5, sound)
        self.assertAlmostEqual(sound, pictures, delta=0.5)

    def test_a_text_of_several_words_is_spoken(self) -> None:
        onair.need_element("espeak")
        text, film = 'Say "hello" & it\'s done', self.work / "film.mkv"
        for script, variables in (("microphone-live", {}), ("video-avatar", {"CLIP": self.film, "SECONDS_LONG": "2"})):
            done = self.finished(f"{script}/run.sh", TEXT=text, OUTPUT=str(film), **variables)
            self.assertEqual((0, ""), (done.returncode, done.stderr), script)
            self.assertGreater(film.stat().st_size, 5_000, script)

    def test_a_film_of_many_heads_says_that_it_is_synthetic(self) -> None:
        short, film = str(self.folder / "short.wav"), self.work / "film.mp4"
        self.speak(short, 1, 0.4)
        done = self.finished("emotions/run.sh", SOURCE=short, OUTPUT=str(film), SIZE="64")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(onair.SYNTHETIC, film.read_bytes())

    def test_a_film_is_written_through_a_link(self) -> None:
        film, link = self.work / "film.mp4", self.work / "link.mp4"
        link.symlink_to(film.name)
        for script, before in (("keyframes/run.py", None), ("keyframes/run.py", "of before"), ("edit-landmarks-rust/run.sh", "of before")):
            with self.subTest(script=script, before=before):
                if before is not None:
                    film.write_text(before)
                self.assertEqual((0, []), self.run_script(script, SOURCE=self.voice, OUTPUT=str(link)))
                self.assertTrue(link.is_symlink())
                self.assertIn(b"moov", film.read_bytes())
                self.assertEqual({film, link}, set(self.work.iterdir()))

    #: Scripts that write a film, with the variables that name what they read.
    WRITERS = {
        "file-to-mp4/run.sh": ("PORTRAIT", "SOURCE"),
        "emotions/run.sh": ("PORTRAIT", "SOURCE"),
        "microphone-live/run.sh": ("PORTRAIT", "SOURCE"),
        "lower-third/run.sh": ("PORTRAIT", "SOURCE", "VIDEO"),
        "pose-transfer/run.sh": ("PORTRAIT", "SOURCE", "DRIVER"),
        "video-drives-photo/run.sh": ("PORTRAIT", "SOURCE"),
        "webcam-drives-photo/run.sh": ("PORTRAIT", "SOURCE", "VOICE"),
        "edit-landmarks-rust/run.sh": ("PORTRAIT", "SOURCE"),
        "edit-landmarks-python/run.py": ("PORTRAIT", "SOURCE"),
        "keyframes/run.py": ("PORTRAIT", "SOURCE"),
        "dub/run.sh": ("PORTRAIT", "SOURCE", "FILM", "SPEAKERS"),
        "video-avatar/run.sh": ("PORTRAIT", "SOURCE", "CLIP"),
    }

    def writers(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Those that can run here, each with what it reads."""
        Gst.init(None)
        for script, names in self.WRITERS.items():
            if script == "lower-third/run.sh" and not Gst.ElementFactory.find("textoverlay"):
                continue
            filmed = ("video-drives-photo/run.sh", "webcam-drives-photo/run.sh")
            read = {name: self.film for name in names} | {"PORTRAIT": PHOTO, "SOURCE": self.voice, "VOICE": self.voice}
            read |= {"SOURCE": self.film} if script in filmed else {}
            yield script, {name: read[name] for name in names if name != "SPEAKERS"}

    def test_a_film_that_fails_leaves_the_one_of_before(self) -> None:
        film = self.work / "film.mp4"
        film.write_text("of before")
        for script, read in self.writers():
            with self.subTest(script=script):
                # Of the voice of a clip, or of a dubbed film, the photo is not looked at.
                wrong = {"CLIP": self.voice} if "CLIP" in read else {"FILM": self.voice} if "FILM" in read else {"PORTRAIT": self.voice}
                status, lines = self.run_script(script, **read | wrong, OUTPUT=str(film))
                self.assertNotEqual(0, status)
                self.assertEqual(1, len(lines), lines)
                self.assertRegex(lines[0], f"^error: .*{re.escape(self.voice)}")
                self.assertEqual("of before", film.read_text())
                self.assertEqual([film], list(self.work.iterdir()))

    def test_what_a_film_is_made_of_is_not_overwritten(self) -> None:
        link = self.work / "link"
        for script, read in self.writers():
            with self.subTest(script=script):
                for name in self.WRITERS[script]:
                    mine = self.work / "mine.mp4"
                    shutil.copy(read.get(name, self.voice), mine)
                    before = mine.read_bytes()
                    link.unlink(missing_ok=True)
                    link.symlink_to(mine)
                    for output in (mine, link)[: 2 if name == "PORTRAIT" else 1]:
                        done = self.finished(script, **read | {name: str(mine)}, OUTPUT=str(output))
                        said = f"error: OUTPUT={output} would overwrite {name}={mine}: choose another\n"
                        self.assertEqual((1, said), (done.returncode, done.stderr))
                        self.assertEqual(before, mine.read_bytes())
                        self.assertEqual({mine, link}, set(self.work.iterdir()))

    def test_where_no_film_can_be_it_is_told_in_a_line(self) -> None:
        for script, read in self.writers():
            with self.subTest(script=script):
                said = "cannot write OUTPUT=nowhere/film.mp4: there is no folder "
                self.assert_one_error(said, script, **read, OUTPUT="nowhere/film.mp4")
        for script in ("file-to-mp4/run.sh", "keyframes/run.py"):
            for output in (str(self.folder), "film.mp4/"):
                self.assert_one_error(f"OUTPUT={output} is a folder, not a file", script, SOURCE=self.voice, OUTPUT=output)
            theirs = self.work / ".film.mp4.part"
            theirs.mkdir()
            said = ["error: cannot write OUTPUT=film.mp4: a folder .film.mp4.part is in the way"]
            self.assertEqual((1, said), self.run_script(script, SOURCE=self.voice, OUTPUT="film.mp4"))
            theirs.rmdir()

    def test_what_is_no_file_is_written_as_it_is(self) -> None:
        for script in ("file-to-mp4/run.sh", "keyframes/run.py"):
            done = self.finished(script, SOURCE=self.voice, OUTPUT="/dev/null")
            self.assertEqual((0, "wrote /dev/null\n", ""), (done.returncode, done.stdout, done.stderr))
        self.assertFalse(pathlib.Path("/dev/null").is_file())

    def test_a_recording_that_is_broken_off_is_kept_and_named(self) -> None:
        film, part = self.work / "film.mkv", self.work / ".film.mkv.part"
        film.write_text("of before")
        variables = {"CLIP": self.film, "SOURCE": self.voice, "OUTPUT": str(film), "SECONDS_LONG": "20"}
        # Files may grow to 300 kB, as on a disk that is full.
        limited = ("bash", "-c", f"ulimit -f 300; exec {onair.script('video-avatar')}")
        with onair.running(*limited, **variables) as program:
            self.assertEqual(1, program.process.wait(onair.PATIENCE_SECONDS))
            self.assertRegex(program.said(), f"error: .*: what was recorded until then is {re.escape(str(part))}\n$")
        kept = part.read_bytes()
        self.assertGreater(len(kept), 100_000)
        # Nor does the next one take its place.
        status, lines = self.run_script("video-avatar/run.sh", **variables)
        self.assertEqual((1, 1), (status, len(lines)))
        self.assertTrue(lines[0].startswith(f"error: {part} holds a recording "), lines)
        self.assertEqual((kept, "of before"), (part.read_bytes(), film.read_text()))

    def test_arguments_are_told_of_and_help_is_the_readme(self) -> None:
        scripts = sorted(PIPELINES.glob("*/run.sh")) + [PIPELINES / name / "run.py" for name in ("keyframes", "edit-landmarks-python")]
        self.assertGreater(len(scripts), 14)
        for script in scripts:
            name = str(script.relative_to(PIPELINES))
            with self.subTest(script=name):
                for word in ("--help", "-h"):
                    done = self.finished(f"{name} {word}")
                    self.assertEqual((0, script.with_name("README.md").read_text()), (done.returncode, done.stdout))
                self.assert_one_error(f"{script.name} takes no arguments but variables, as in ", f"{name} photo.jpg")

    def test_a_folder_where_a_file_is_meant_is_told_in_a_line(self) -> None:
        folder, film, voice = str(self.folder), {"SOURCE": self.film}, {"SOURCE": self.voice}
        for script, variables in (
            ("file-to-mp4", {"PORTRAIT": folder}),
            ("file-to-mp4", {"SOURCE": folder}),
            ("dub", {"FILM": folder, **voice}),
            ("video-avatar", {"CLIP": folder, **voice, "OUTPUT": "film.mkv"}),
            ("pose-transfer", {"DRIVER": folder, **voice}),
            ("webcam-drives-photo", {"VOICE": folder, **film}),
            ("srt", {"SOURCE": folder}),
        ):
            self.assert_one_error(f"cannot read {folder}: it is a folder", f"{script}/run.sh", **variables)
        for variables in ({"PORTRAIT": folder, **voice}, {"SOURCE": folder}):
            status, lines = self.run_script("keyframes/run.py", **variables)
            self.assertEqual((1, 1), (status, len(lines)), lines)
            self.assertIn(folder, lines[0])

    def test_a_choice_that_is_none_is_told_with_the_choices(self) -> None:
        voice, film = {"SOURCE": self.voice}, {"SOURCE": self.film, "OUTPUT": "film.mp4"}
        for said, script, variables in (
            ("EMOTION=joy is none of neutral, happy, sad, ", "file-to-mp4", voice | {"EMOTION": "joy"}),
            ("FRAMING=wide is none of crop, full", "file-to-mp4", voice | {"FRAMING": "wide"}),
            ("DRIVE=nose is none of auto, pose, ", "pose-transfer", voice | {"DRIVE": "pose+nose"}),
            ("DRIVE=nose is none of auto, pose, ", "webcam-drives-photo", film | {"DRIVE": "nose"}),
            (f"{PHOTO} has no sound", "webcam-drives-photo", film | {"VOICE": PHOTO}),
            (f"{self.voice} shows no pictures", "pose-transfer", voice | {"DRIVER": self.voice}),
        ):
            self.assert_one_error(said, f"{script}/run.sh", **variables)
        for smile in ("0.31", "nan"):
            said = f"SMILE={smile} is no number from -0.3 to 0.3"
            self.assert_one_error(said, "edit-landmarks-python/run.py", SOURCE=self.voice, SMILE=smile)

    def test_errors_of_gst_launch_are_a_line_and_others_words_are_passed_on(self) -> None:
        play = f"source {PIPELINES}/common.sh; OUTPUT=film.mp4 part=.film.mp4.part;"
        for said, line in (
            ('error: no element "nosuch"\n', "play fakesrc ! nosuch"),
            ('error: could not set property "emotion" in element "talkinghead" to "joy"\n', "play talkinghead emotion=joy ! fakesink"),
            # The half film is called by the film's name.
            ('error: Resource not found. (No such file "film.mp4")\n', 'play filesrc location="$part" ! fakesink'),
            ("0:00:01 of GST_DEBUG\nerror: text (detail)\nGLib-CRITICAL\n", "words"),
            ("ERROR: pipeline doesn't want to preroll.\n", "unsaid"),
        ):
            program = f"""{play}
            words() {{ errors <<'END'
ERROR: from element /GstPipeline:pipeline0/GstX:x: text
0:00:01 of GST_DEBUG
Additional debug info:
x.c(1): x (): /GstPipeline:pipeline0/GstX:x:
detail
ERROR: pipeline doesn't want to preroll.
ERROR: from element /GstPipeline:pipeline0/GstY:y: another text
Additional debug info:
y.c(1): y (): /GstPipeline:pipeline0/GstY:y:
what follows from it
GLib-CRITICAL
Failed to set pipeline to PAUSED.
END
            }}
            unsaid() {{ errors <<<"ERROR: pipeline doesn't want to preroll."; }}
            {line}"""
            done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=onair.PATIENCE_SECONDS)
            self.assertEqual(said, done.stderr)

    def test_a_variable_that_is_empty_is_as_if_it_were_not_set(self) -> None:
        for empty in ({"PORTRAIT": "", "SOURCE": self.voice}, {"PORTRAIT": PHOTO, "SOURCE": ""}):
            done = self.finished("keyframes/run.py", **empty, OUTPUT="/dev/null")
            self.assertEqual((0, ""), (done.returncode, done.stderr))

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
        long, film, part = str(self.folder / "long.wav"), self.work / "film.mp4", self.work / ".film.mp4.part"
        self.speak(long, 30)
        film.write_text("of before")
        with onair.running(onair.script("file-to-mp4"), SOURCE=long, OUTPUT=str(film)) as program:
            onair.wait_for("film", lambda: part.exists() and part.stat().st_size > 20_000, program)
            self.assertEqual("of before", film.read_text())
            os.killpg(program.process.pid, signal.SIGINT)
            self.assertEqual(0, program.process.wait(onair.PATIENCE_SECONDS))
            self.assertEqual(f"wrote {film}\n", program.said())
        # What plays has its table of contents.
        self.assertIn(b"moov", film.read_bytes())
        self.assertEqual([film], list(self.work.iterdir()))

    def test_a_script_that_is_told_to_end_ends_what_it_started(self) -> None:
        long, film, scratch = str(self.folder / "long.wav"), self.work / "film.mkv", self.work / "scratch"
        self.speak(long, 30)
        scratch.mkdir()
        part = film.with_name(f".{film.name}.part")
        finished, none = (0, True), (143, False)
        for script, grows, (status, whole), variables in (
            ("file-to-mp4", part, finished, {}),
            ("video-avatar", part, finished, {"CLIP": self.film}),
            ("dub", part, none, {"FILM": self.film}),
            ("edit-landmarks-rust", part, none, {}),
            # Told while it makes a driving video, it does not begin with the film.
            ("pose-transfer", scratch, none, {}),
        ):
            # A terminal and systemd tell all of it, of which none may take that as told twice.
            for all_of_it in (False, True)[: 1 + whole]:
                with self.subTest(script=script, all_of_it=all_of_it):
                    variables |= {"SOURCE": long, "OUTPUT": str(film), "TMPDIR": str(scratch)}
                    with onair.running(onair.script(script), **variables) as program:
                        files = lambda: [f for f in (grows.glob("*/*.mp4") if grows == scratch else [grows]) if f.exists()]  # noqa: E731
                        onair.wait_for("film", lambda: any(f.stat().st_size > 1_000 for f in files()), program)
                        (os.killpg if all_of_it else os.kill)(program.process.pid, signal.SIGTERM)
                        self.assertEqual(status, program.process.wait(END_SECONDS), program.said())
                        onair.wait_for("end of all of it", lambda: not onair.group_exists(program.process.pid))
                        self.assertNotIn("error", program.said())
                    self.assertEqual([film] * whole + [scratch], sorted(self.work.iterdir()))
                    self.assertEqual([], list(scratch.iterdir()))
                    if whole:
                        # Of a film that was broken off these are missing.
                        launch(f"filesrc location={film} ! decodebin ! fakesink")
                        self.assertIn(b"moov" if script == "file-to-mp4" else b"\x1c\x53\xbb\x6b", film.read_bytes())
                        film.unlink()

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
