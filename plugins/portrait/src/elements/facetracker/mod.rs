// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facetracker`: follows a face in a video and writes it on the frames.

use std::sync::LazyLock;

use gst::glib;

use crate::elements::facelandmarks::settings::{Settings, table};
use crate::stream::property::Table;

mod imp;
mod reduced;

pub(crate) use imp::FORMATS;

glib::wrapper! {
    /// The element `facetracker`.
    pub struct FaceTracker(ObjectSubclass<imp::FaceTracker>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// The properties of `facelandmarks`.
pub(crate) fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(table);
    &PROPERTIES
}
