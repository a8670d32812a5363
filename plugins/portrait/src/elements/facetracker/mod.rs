// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facetracker`: follows a face in a video and writes it on the frames.

use std::sync::LazyLock;

use gst::glib;
use gst::subclass::prelude::*;

use crate::elements::facelandmarks::settings::{Settings, table};
use crate::face::find::FaceChoice;
use crate::stream::property::Table;

mod imp;
mod reduced;

pub(crate) use imp::FORMATS;

glib::wrapper! {
    /// The element `facetracker`.
    pub struct FaceTracker(ObjectSubclass<imp::FaceTracker>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

impl FaceTracker {
    /// Follows a further face from the next frame on; [`crate::stream::tensor::voices`] tells of it under that number.
    pub(crate) fn follow(&self, number: u32, choice: FaceChoice) {
        self.imp().follow(number, choice);
    }

    /// Whether the face of the property is not to be one of the further ones.
    pub(crate) fn claim(&self, claims: bool) {
        self.imp().claim(claims);
    }

    /// Follows that face no longer.
    pub(crate) fn leave(&self, number: u32) {
        self.imp().leave(number);
    }
}

/// The properties of `facelandmarks`.
pub(crate) fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(table);
    &PROPERTIES
}
