# SPDX-License-Identifier: MIT OR Apache-2.0
"""What `animate` asks of the program, and what it makes of its answers."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest
from fractions import Fraction
from pathlib import Path
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import gst_portrait  # noqa: E402
from gst_portrait import film  # noqa: E402

# Keeps its table, and reports what it is told to.
PROGRAM = f"""#!{sys.executable}
import os, shutil, sys
folder = os.path.dirname(sys.argv[0])
table, report = sys.argv[sys.argv.index("--jobs") + 1], sys.argv[sys.argv.index("--report") + 1]
shutil.copy(table, os.path.join(folder, "table.jsonl"))
answer = os.path.join(folder, "answer")
if os.path.exists(answer):
    shutil.copy(answer, report)
    sys.exit(0)
sys.exit("error: the program has no CPU to run on")
"""


class Film(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        program = self.folder / "portrait-animate"
        program.write_text(PROGRAM, encoding="utf-8")
        program.chmod(0o755)
        for patch in (
            mock.patch.object(film, "find_program", return_value=program),
            mock.patch.dict(os.environ),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def answer(self, outcome: object) -> None:
        (self.folder / "answer").write_text(json.dumps(outcome) + "\n", encoding="utf-8")

    def test_a_film_is_a_row_with_properties_of_the_head(self) -> None:
        self.answer({"status": "done", "error": None})
        gst_portrait.animate(
            "a.jpg", Path("b, c.wav"), "d.mp4", emotion_intensity=0.5, look_away=True, portrait_open="e.png", reference=Path("f")
        )
        row = json.loads((self.folder / "table.jsonl").read_text(encoding="utf-8"))
        self.assertEqual((row["emotion-intensity"], row["look-away"]), (0.5, True))
        # The table lies elsewhere: paths are whole.
        self.assertEqual(row["voice"], str(Path.cwd() / "b, c.wav"))
        self.assertEqual((row["portrait-open"], row["reference"]), (str(Path.cwd() / "e.png"), str(Path.cwd() / "f")))
        names = {"photo", "voice", "output", "emotion-intensity", "look-away", "portrait-open", "reference"}
        self.assertEqual(set(row), names)
        with self.assertRaisesRegex(ValueError, "yaw=nan is no number"):
            gst_portrait.animate("a.jpg", "b.wav", "d.mp4", yaw=float("nan"))

    def test_numbers_of_any_library_are_numbers(self) -> None:
        self.answer({"status": "done", "error": None})
        numbers = {"yaw": np.float32(3), "seed": np.int64(3), "look_away": np.bool_(True), "roll": Fraction(1, 2), "pitch": np.array(2.5)}
        gst_portrait.animate("a.jpg", "b.wav", "d.mp4", **numbers)
        row = json.loads((self.folder / "table.jsonl").read_text(encoding="utf-8"))
        self.assertEqual((row["yaw"], row["seed"], row["roll"], row["pitch"]), (3.0, 3, 0.5, 2.5))
        self.assertIs(row["look-away"], True)
        with self.assertRaisesRegex(ValueError, "yaw=inf is no number"):
            gst_portrait.animate("a.jpg", "b.wav", "d.mp4", yaw=np.float32("inf"))

    def test_a_folder_that_is_not_there_is_told(self) -> None:
        folder = self.folder / "nowhere"
        said = f"^cannot write {folder}/film.mp4: there is no folder {folder}: make it first$"
        with self.assertRaisesRegex(gst_portrait.FilmError, said):
            gst_portrait.animate("a.jpg", "b.wav", folder / "film.mp4")
        self.assertFalse(folder.exists())

    def test_why_there_is_no_film_is_told(self) -> None:
        self.answer({"status": "failed", "error": "a.jpg shows no face"})
        with self.assertRaisesRegex(gst_portrait.FilmError, "^a.jpg shows no face$"):
            gst_portrait.animate("a.jpg", "b.wav", "c.mp4")
        (self.folder / "answer").unlink()
        with self.assertRaisesRegex(gst_portrait.FilmError, "^the program has no CPU to run on$"):
            gst_portrait.animate("a.jpg", "b.wav", "c.mp4")

    def test_without_the_program_its_package_is_named(self) -> None:
        with (
            mock.patch.object(film, "find_program", return_value=None),
            self.assertRaisesRegex(gst_portrait.MissingError, "install"),
        ):
            gst_portrait.animate("a.jpg", "b.wav", "c.mp4")


if __name__ == "__main__":
    unittest.main()
