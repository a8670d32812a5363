# SPDX-License-Identifier: MIT OR Apache-2.0
"""The lines of README.md: pictures as numpy arrays, with their sound."""

import sys
import wave

import gst_portrait

photo, speech = sys.argv[1:]
with wave.open(speech) as recording:
    rate, voice = recording.getframerate(), recording.readframes(recording.getnframes())
with gst_portrait.Head(photo, rate=rate, emotion="happy") as head:
    head.push(voice)
    head.finish()
    pictures = list(head)
heard = b"".join(picture.audio.tobytes() for picture in pictures)
assert len(pictures) >= 50, len(pictures)
assert pictures[0].image.shape == (512, 512, 3), pictures[0].image.shape
assert heard[: len(voice)] == voice, "the sound is not that of the recording"
assert pictures[10].metadata["landmarks"].shape == (478 * 3,)
print(f"{len(pictures)} pictures of {pictures[0].image.shape}, {len(heard)} bytes of sound")
