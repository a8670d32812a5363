//! `talkinghead`: the four stages in one element.

use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    /// The element `talkinghead`.
    pub struct TalkingHead(ObjectSubclass<imp::TalkingHead>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "talkinghead", gst::Rank::NONE, TalkingHead::static_type())
}
