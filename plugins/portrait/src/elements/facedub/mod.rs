// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facedub`: a person in a video speaks another voice, in one element.

use gst::glib;

mod imp;

glib::wrapper! {
    /// The element `facedub`.
    pub struct FaceDub(ObjectSubclass<imp::FaceDub>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}
