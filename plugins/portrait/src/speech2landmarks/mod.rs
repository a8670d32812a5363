//! `speech2landmarks`: features in, normalised landmarks out.

use gst::glib;
use gst::prelude::*;

mod blink;
mod imp;

pub(crate) use imp::param_specs;

glib::wrapper! {
    /// The element `speech2landmarks`.
    pub struct Speech2Landmarks(ObjectSubclass<imp::Speech2Landmarks>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "speech2landmarks", gst::Rank::NONE, Speech2Landmarks::static_type())
}
