// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the user is told once a life of an element.

use gst::prelude::*;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The pose was clamped.
    Clamped,
    /// The pack has fewer styles.
    Style,
    /// No video drives the pose though the mode says so.
    Undriven,
    /// The pack generates no poses though the mode says so.
    NoGenerator,
    /// The pack's face is no landmarks: a video cannot drive all of it that it is to.
    Regions,
}

impl Notice {
    /// As a warning of the element.
    pub fn post(self, element: &impl IsA<gst::Element>) {
        let element = element.upcast_ref::<gst::Element>();
        match self {
            Self::Clamped => gst::element_warning!(
                element,
                gst::StreamError::Failed,
                ("the head was to turn farther than a photo can show: clamped (said once)")
            ),
            Self::Style => gst::element_warning!(
                element,
                gst::ResourceError::Settings,
                ("the pack has fewer styles of head motion than `pose-style` asks for: its last one is taken (said once)")
            ),
            Self::NoGenerator => gst::element_warning!(
                element,
                gst::ResourceError::Settings,
                ("`pose-mode` is generated but the model pack has no stage of the role pose: the head stays still (said once)")
            ),
            Self::Regions => gst::element_warning!(
                element,
                gst::ResourceError::Settings,
                ("`drive` asks for more of the face than this model pack takes from a video: the head's pose and, where its stage landmarks2latents takes `lids`, the lids of `eyes` (said once)")
            ),
            Self::Undriven => gst::element_warning!(
                element,
                gst::ResourceError::Settings,
                ("`pose-mode` is transferred but no face drives the pose: link a facelandmarks to the pad `pose` (said once)")
            ),
        }
    }
}
