# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reads what rides on the pictures, from Python, and holds it against what the elements put in.

Run: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m unittest discover --start-directory tests/python
Needs the distribution's python3-gi and gir1.2-gst-plugins-base-1.0, nothing else.
"""

from __future__ import annotations

import array
import pathlib
import sys
import unittest

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
EMOTIONS = ["neutral", "happy", "sad", "surprise", "fear", "angry", "disgust", "contempt"]
METAS = {
    "PortraitEmotionMeta": 8,
    "PortraitFaceMeta": 7,
    "PortraitLandmarksMeta": 478 * 3,
    "PortraitPoseMeta": 7,
    "PortraitBreathMeta": 1,
    "PortraitLatentsMeta": None,
    "PortraitPictureLandmarksMeta": 478 * 3,
}
TIMEOUT = 120 * Gst.SECOND


def floats(buffer: Gst.Buffer) -> array.array:
    """The little-endian float32 numbers of a buffer."""
    numbers = array.array("f", buffer.extract_dup(0, buffer.get_size()))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def meta(buffer: Gst.Buffer, name: str) -> array.array | None:
    """The tensor in a custom metadata, None where the buffer has none."""
    custom = buffer.get_custom_meta(name)
    if custom is None:
        return None
    structure = custom.get_structure()
    assert structure.get_string("type") == "float32", structure.to_string()
    assert structure.get_string("dims-order") == "row-major", structure.to_string()
    return floats(structure.get_value("data"))


class Metadata(unittest.TestCase):
    """One second of speech through the stages, a converter and a scaler."""

    seen: dict[str, dict[int, dict[str, array.array]]]

    @classmethod
    def setUpClass(cls) -> None:
        Gst.init(None)
        cls.seen = {"speech": {}, "latents": {}, "picture": {}}
        pipeline = Gst.parse_launch(
            f"filesrc location={DATA}/speech-af_heart.wav ! wavparse ! audioconvert ! audioresample"
            " ! audiofeatures ! speech2landmarks name=speech emotion=happy emotion-intensity=0.75 gaze-yaw=5 mouth-gain=0.5"
            f" ! landmarks2latents name=latents eye-contact=0 ! facesynth name=synth portrait={DATA}/portrait-grace-hopper.jpg"
            " ! videoconvert ! videoscale ! video/x-raw,format=I420,width=256,height=256 ! fakesink name=picture"
        )
        for name, pad in (("speech", "src"), ("latents", "src"), ("picture", "sink")):
            probed = pipeline.get_by_name(name).get_static_pad(pad)
            probed.add_probe(Gst.PadProbeType.BUFFER, cls.look, name)
        pipeline.set_state(Gst.State.PAUSED)
        bus = pipeline.get_bus()
        wanted = Gst.MessageType.ASYNC_DONE | Gst.MessageType.ERROR
        cls.check(bus.timed_pop_filtered(TIMEOUT, wanted))
        pipeline.seek(
            1.0, Gst.Format.TIME, Gst.SeekFlags.FLUSH, Gst.SeekType.SET, 0, Gst.SeekType.SET, Gst.SECOND
        )
        pipeline.set_state(Gst.State.PLAYING)
        cls.check(bus.timed_pop_filtered(TIMEOUT, Gst.MessageType.EOS | Gst.MessageType.ERROR))
        pipeline.set_state(Gst.State.NULL)

    @staticmethod
    def check(message: Gst.Message | None) -> None:
        """Raises what the pipeline reported."""
        assert message is not None, "the pipeline hangs"
        if message.type == Gst.MessageType.ERROR:
            error, debug = message.parse_error()
            raise AssertionError(f"{error.message} ({debug})")

    @classmethod
    def look(cls, _pad: Gst.Pad, info: Gst.PadProbeInfo, name: str) -> Gst.PadProbeReturn:
        """Keeps payload (of tensors) and metadata of a frame."""
        buffer = info.get_buffer()
        entry = {key: numbers for key in METAS if (numbers := meta(buffer, key)) is not None}
        if name != "picture":
            entry["payload"] = floats(buffer)
        else:
            entry["synthetic"] = buffer.get_custom_meta("PortraitSyntheticMeta") is not None
        cls.seen[name][buffer.pts] = entry
        return Gst.PadProbeReturn.OK

    def frames(self):
        """Picture, speech and latents entries of each frame."""
        pictures = self.seen["picture"]
        self.assertGreaterEqual(len(pictures), 24)
        for pts, picture in sorted(pictures.items()):
            yield pts, picture, self.seen["speech"][pts], self.seen["latents"][pts]

    def test_every_picture_has_every_metadata_in_its_size(self) -> None:
        for pts, picture, _, _ in self.frames():
            for name, count in METAS.items():
                self.assertIn(name, picture, f"frame at {pts}")
                if count is not None:
                    self.assertEqual(len(picture[name]), count, f"{name} at {pts}")
            self.assertTrue(picture["synthetic"], f"frame at {pts} is not marked as synthetic")

    def test_landmarks_are_those_of_speech2landmarks(self) -> None:
        for pts, picture, speech, _ in self.frames():
            self.assertEqual(picture["PortraitLandmarksMeta"], speech["payload"], f"frame at {pts}")

    def test_latents_are_those_of_landmarks2latents(self) -> None:
        for pts, picture, _, latents in self.frames():
            self.assertEqual(picture["PortraitLatentsMeta"], latents["payload"], f"frame at {pts}")

    def test_pose_is_that_of_landmarks2latents(self) -> None:
        for pts, picture, _, latents in self.frames():
            self.assertEqual(picture["PortraitPoseMeta"], latents["PortraitPoseMeta"], f"frame at {pts}")
            scale = picture["PortraitPoseMeta"][6]
            self.assertTrue(0.05 < scale < 1.0, f"scale {scale} at {pts}")

    def test_emotion_is_the_one_that_was_asked_for(self) -> None:
        for pts, picture, speech, _ in self.frames():
            emotion = picture["PortraitEmotionMeta"]
            self.assertEqual(emotion, speech["PortraitEmotionMeta"], f"frame at {pts}")
            self.assertEqual(emotion[EMOTIONS.index("happy")], 0.75, f"frame at {pts}")
            self.assertEqual(sum(emotion), 0.75, f"frame at {pts}")

    def test_controls_of_the_face_are_those_that_were_asked_for(self) -> None:
        for pts, picture, speech, _ in self.frames():
            face = picture["PortraitFaceMeta"]
            self.assertEqual(face, speech["PortraitFaceMeta"], f"frame at {pts}")
            yaw, pitch, _closure, mouth, *rest = face
            self.assertEqual((yaw, pitch, mouth, rest), (5, 0, 0.5, [1, 1, 0]), f"frame at {pts}")

    def test_landmarks_of_the_picture_lie_in_it(self) -> None:
        for pts, picture, _, _ in self.frames():
            points = picture["PortraitPictureLandmarksMeta"]
            mouth_left, mouth_right, nose = points[3 * 61], points[3 * 291], points[3 * 4]
            self.assertTrue(0 < mouth_left < nose < mouth_right < 1, f"frame at {pts}")

    def test_the_face_moves(self) -> None:
        distinct = {entry["PortraitLandmarksMeta"].tobytes() for entry in self.seen["picture"].values()}
        self.assertGreater(len(distinct), 12)


if __name__ == "__main__":
    unittest.main()
