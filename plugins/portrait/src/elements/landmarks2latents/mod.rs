// SPDX-License-Identifier: MIT OR Apache-2.0
//! `landmarks2latents`: normalised landmarks in, posed and turned into the renderer's latent keypoints.

use std::sync::LazyLock;

use gst::glib;

mod breath;
mod contact;
mod drive;
mod ease;
mod head;
mod imp;
mod lids;
mod motion;
pub(crate) mod notice;
pub(crate) mod settings;
mod sight;
pub(crate) mod state;
mod track;
mod transfer;

pub(crate) use settings::properties;
pub use settings::{Drive, PoseMode};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "landmarks2latents",
        gst::DebugColorFlags::empty(),
        Some("Latents from landmarks"),
    )
});

/// The template of the pad `pose`.
pub(crate) fn pose_template() -> Option<gst::PadTemplate> {
    crate::stream::side::template(track::NAME)
}

glib::wrapper! {
    /// The element `landmarks2latents`.
    pub struct Landmarks2Latents(ObjectSubclass<imp::Landmarks2Latents>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}
