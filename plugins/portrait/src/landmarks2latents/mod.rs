//! `landmarks2latents`: normalised landmarks in, posed and turned into the renderer's latent keypoints.

use gst::glib;
use gst::prelude::*;

mod imp;
mod motion;

pub(crate) use imp::param_specs;

glib::wrapper! {
    /// The element `landmarks2latents`.
    pub struct Landmarks2Latents(ObjectSubclass<imp::Landmarks2Latents>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "landmarks2latents",
        gst::Rank::NONE,
        Landmarks2Latents::static_type(),
    )
}
