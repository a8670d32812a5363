# SPDX-License-Identifier: MIT OR Apache-2.0
"""Python's lines of README.md and of the wheel's description, as they stand: a film, and pictures with their sound.

stream.py PHOTO SPEECH README writes lines-N.py for mypy and photo.jpg, speech.wav and film.mp4 for the lines into this folder.
"""

import importlib.metadata
import re
import shutil
import sys
import wave
from pathlib import Path

import gst_portrait

photo, speech, readme = sys.argv[1:]
shutil.copy(photo, "photo.jpg")
shutil.copy(speech, "speech.wav")
with wave.open(speech) as recording:
    rate, voice = recording.getframerate(), recording.readframes(recording.getnframes())

description = importlib.metadata.metadata("gst-portrait").get_payload()
for number, text in enumerate((Path(readme).read_text(), description)):
    lines = re.search(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE).group(1)
    Path(f"lines-{number}.py").write_text(
        "import numpy as np\nfrom numpy.typing import NDArray\n\npcm = b''\n\n\n"
        f"def show(image: NDArray[np.uint8]) -> None: ...\n\n\n{lines}"
    )
    Path("film.mp4").unlink(missing_ok=True)
    shown = []
    exec(compile(lines, readme, "exec"), {"pcm": voice, "show": shown.append})
    assert Path("film.mp4").stat().st_size > 100_000, "film.mp4"
    assert len(shown) >= 50 and shown[0].shape == (512, 512, 3), len(shown)
    print(f"the lines of {'README.md' if not number else 'the wheel'}: film.mp4 and {len(shown)} pictures")

try:
    gst_portrait.animate("photo.jpg", "no.wav", "no.mp4", emotion="happy")
    raise AssertionError("a film of no recording")
except gst_portrait.FilmError as error:
    assert "no.wav" in str(error), error
with gst_portrait.Head(photo, rate=rate, emotion="happy") as head:
    head.push(voice)
    head.finish()
    pictures = list(head)
heard = b"".join(picture.audio.tobytes() for picture in pictures)
assert heard[: len(voice)] == voice, "the sound is not that of the recording"
assert pictures[10].metadata["landmarks"].shape == (478 * 3,)
print(f"{len(pictures)} pictures of {pictures[0].image.shape}, {len(heard)} bytes of sound")
