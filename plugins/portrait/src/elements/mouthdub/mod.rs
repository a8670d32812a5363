// SPDX-License-Identifier: MIT OR Apache-2.0
//! `mouthdub`: draws the mouth that a voice says into the face of each frame.

use std::sync::atomic::Ordering;

use gst::glib;
use gst::subclass::prelude::*;

use crate::stream::element::lock;
use crate::stream::tensor::voices::VoiceMeta;

mod amount;
mod draw;
mod fed;
mod imp;
mod settings;
mod voice;
mod whose;

pub(crate) use draw::Learned;
pub(crate) use fed::is_link_to_come;
pub use settings::Silence;
pub(crate) use settings::properties;

glib::wrapper! {
    /// The element `mouthdub`.
    pub struct MouthDub(ObjectSubclass<imp::MouthDub>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

impl MouthDub {
    /// Draws the face that the tracker follows for the voice of that number, from the next start on.
    pub(crate) fn draw_for(&self, number: u32) {
        *lock(&self.imp().whose) = whose::Whose::Voice(VoiceMeta::new(number));
    }

    /// Draws nothing and learns the person of the first shot, from the next start on.
    pub(crate) fn study(&self) {
        self.imp().studies.store(true, Ordering::Relaxed);
    }

    /// What was learned of the person since the start; `None` where no face was seen.
    pub(crate) fn learned(&self) -> Option<Learned> {
        lock(&self.imp().state).as_ref()?.learned()
    }

    /// Goes on with what was learned elsewhere of the same person, until it stops.
    pub(crate) fn learn(&self, learned: Learned) {
        if let Some(state) = lock(&self.imp().state).as_mut() {
            state.learn(learned);
        }
    }

    /// Nobody waits for the voice, nor the voice for frames, until its pad is released.
    pub(crate) fn stop_voice(&self) {
        self.imp().voice.meeting.flush_side(true);
    }

    /// It comes among frames that are over: its voice is not to wait for any.
    pub(crate) fn end_frames(&self) {
        self.imp().voice.meeting.end_main(true);
    }
}
