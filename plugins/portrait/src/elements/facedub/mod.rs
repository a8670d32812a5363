//! `facedub`: a person in a video speaks another voice, in one element.

use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    /// The element `facedub`.
    pub struct FaceDub(ObjectSubclass<imp::FaceDub>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "facedub", gst::Rank::NONE, FaceDub::static_type())
}
