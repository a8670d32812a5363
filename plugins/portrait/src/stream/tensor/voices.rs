// SPDX-License-Identifier: MIT OR Apache-2.0
//! What frames tell of a further face of a video that speaks with a voice of its own: one metadata a voice, which has all that
//! [`super::marks`] and the landmarks have of the first.

use std::collections::BTreeSet;
use std::sync::Mutex;

use gst::meta::CustomMeta;

use super::marks::{Drawn, TrackMark, fill};
use super::meta::{self, FrameMeta};
use crate::pack::sync::lock;

/// The metadata of a voice with a number.
#[derive(Clone, Debug)]
pub struct VoiceMeta {
    name: String,
}

impl VoiceMeta {
    /// Registers it with GStreamer, once a process: `PortraitVoiceNMeta`, where N is the number.
    pub fn new(number: u32) -> Self {
        static KNOWN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
        let name = format!("PortraitVoice{number}Meta");
        if lock(&KNOWN).insert(number) {
            meta::register_placed(&name);
        }
        Self { name }
    }

    /// Puts on a frame where the face is, `[N, 3]` landmarks in parts of the picture; none where it is not found.
    pub fn attach_face(&self, buffer: &mut gst::BufferRef, mark: TrackMark, picture: Option<&[[f32; 3]]>) {
        fill(buffer, &self.name, &mark.fields());
        match picture {
            Some(picture) => self.attach_landmarks(buffer, picture),
            None => {
                if let Ok(mut meta) = CustomMeta::from_mut_buffer(buffer, &self.name) {
                    meta.mut_structure().remove_fields(["dims", "data"]);
                }
            }
        }
    }

    /// Puts landmarks on a frame, in the place of those that it has.
    pub fn attach_landmarks(&self, buffer: &mut gst::BufferRef, picture: &[[f32; 3]]) {
        let payload = super::buffer::from_f32(picture.as_flattened());
        let dims = gst::Array::new([picture.len() as i32, 3]);
        if let Ok(mut meta) = CustomMeta::from_mut_buffer(buffer, &self.name) {
            meta::fill(meta.mut_structure(), FrameMeta::PictureLandmarks, dims, payload);
        }
    }

    /// Puts on a frame what became of the mouth, as [`super::marks::attach_drawn`].
    pub fn attach_drawn(&self, buffer: &mut gst::BufferRef, drawn: Drawn, amount: f64) {
        fill(buffer, &self.name, &drawn.fields(amount));
    }

    /// What the tracker said; `None` where it said nothing.
    pub fn mark(&self, buffer: &gst::BufferRef) -> Option<TrackMark> {
        TrackMark::of(CustomMeta::from_buffer(buffer, &self.name).ok()?.structure())
    }

    /// The landmarks; `None` where there are none.
    pub fn landmarks(&self, buffer: &gst::BufferRef) -> Option<Vec<f32>> {
        Some(meta::read_named(buffer, &self.name)?.data)
    }

    /// What became of the mouth; `None` where nobody said.
    pub fn drawn(&self, buffer: &gst::BufferRef) -> Option<(Drawn, f64)> {
        Drawn::of(CustomMeta::from_buffer(buffer, &self.name).ok()?.structure())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_voice_has_its_own_and_a_lost_face_has_no_landmarks() {
        gst::init().unwrap();
        let voices = [VoiceMeta::new(7), VoiceMeta::new(8), VoiceMeta::new(7)];
        let mut buffer = gst::Buffer::new();
        let b = buffer.get_mut().unwrap();
        assert_eq!((voices[0].mark(b), voices[0].landmarks(b), voices[0].drawn(b)), (None, None, None));
        let mark = |turn| TrackMark { found: true, covered: false, turn };
        voices[0].attach_face(b, mark(1), Some(&[[0.1; 3]; 2]));
        voices[1].attach_face(b, mark(2), Some(&[[0.2; 3]; 2]));
        voices[1].attach_drawn(b, Drawn::Voice, 0.5);
        assert_eq!((voices[2].mark(b), voices[2].landmarks(b)), (Some(mark(1)), Some(vec![0.1; 6])));
        assert_eq!((voices[2].drawn(b), voices[1].drawn(b)), (None, Some((Drawn::Voice, 0.5))));
        voices[0].attach_landmarks(b, &[[0.3; 3]]);
        assert_eq!(voices[0].landmarks(b), Some(vec![0.3; 3]));
        voices[0].attach_face(b, TrackMark { found: false, ..mark(1) }, None);
        assert_eq!(voices[0].landmarks(b), None);
        assert_eq!(voices[1].landmarks(&buffer.copy()), Some(vec![0.2; 6]));
    }
}
