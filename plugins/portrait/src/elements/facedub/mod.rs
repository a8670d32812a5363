// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facedub`: people in a video speak other voices, in one element.

use std::sync::LazyLock;

use gst::glib;

mod analysis;
mod awaits;
mod imp;
mod pad;
mod speaker;
mod voices;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "facedub",
        gst::DebugColorFlags::empty(),
        Some("Another voice for a person in a video"),
    )
});

glib::wrapper! {
    /// The element `facedub`.
    pub struct FaceDub(ObjectSubclass<imp::FaceDub>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

glib::wrapper! {
    /// A pad `voice_%u` of it.
    pub struct FaceDubPad(ObjectSubclass<pad::FaceDubPad>)
        @extends gst::GhostPad, gst::ProxyPad, gst::Pad, gst::Object;
}
