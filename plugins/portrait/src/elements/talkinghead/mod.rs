// SPDX-License-Identifier: MIT OR Apache-2.0
//! `talkinghead`: the four stages in one element.

use gst::glib;

mod imp;

glib::wrapper! {
    /// The element `talkinghead`.
    pub struct TalkingHead(ObjectSubclass<imp::TalkingHead>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}
