// SPDX-License-Identifier: MIT OR Apache-2.0
//! `mouthdub`: draws the mouth that a voice says into the face of each frame.

use gst::glib;

mod amount;
mod draw;
mod fed;
mod imp;
mod settings;
mod voice;

pub use settings::Silence;
pub(crate) use settings::properties;

glib::wrapper! {
    /// The element `mouthdub`.
    pub struct MouthDub(ObjectSubclass<imp::MouthDub>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}
