// SPDX-License-Identifier: MIT OR Apache-2.0
//! `face2latents`: the face of a video in, the latent keypoints of a photo that moves as it does out.

use std::sync::LazyLock;

use gst::glib;

mod imp;
mod settings;

#[cfg(test)]
pub(crate) use settings::properties;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "face2latents",
        gst::DebugColorFlags::empty(),
        Some("Latents from the face of a video"),
    )
});

glib::wrapper! {
    /// The element `face2latents`.
    pub struct Face2Latents(ObjectSubclass<imp::Face2Latents>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}
