// SPDX-License-Identifier: MIT OR Apache-2.0
//! The elements, in the order of the data: from sound to features, landmarks, latents and pictures; landmarks and latents of
//! a video, and landmarks drawn; and all of it in one bin.
#![allow(clippy::type_complexity, reason = "the table of elements is one of names and types")]

pub mod audiofeatures;
pub mod face2latents;
pub mod facedub;
pub mod facelandmarks;
pub mod facesynth;
pub mod facetracker;
pub mod landmarkoverlay;
pub mod landmarks2latents;
pub mod mouthdub;
pub mod speech2landmarks;
pub mod talkinghead;

use gst::glib;
use gst::prelude::*;

/// What gives the type of an element.
pub type Class = fn() -> glib::Type;

/// Name and type of every element.
pub const ELEMENTS: [(&str, Class); 11] = [
    ("audiofeatures", audiofeatures::AudioFeatures::static_type),
    ("speech2landmarks", speech2landmarks::Speech2Landmarks::static_type),
    ("landmarks2latents", landmarks2latents::Landmarks2Latents::static_type),
    ("facesynth", facesynth::FaceSynth::static_type),
    ("facelandmarks", facelandmarks::FaceLandmarks::static_type),
    ("landmarkoverlay", landmarkoverlay::LandmarkOverlay::static_type),
    ("talkinghead", talkinghead::TalkingHead::static_type),
    ("facetracker", facetracker::FaceTracker::static_type),
    ("mouthdub", mouthdub::MouthDub::static_type),
    ("facedub", facedub::FaceDub::static_type),
    ("face2latents", face2latents::Face2Latents::static_type),
];

/// Registers every element. None is chosen by itself.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    ELEMENTS
        .into_iter()
        .try_for_each(|(name, class)| gst::Element::register(Some(plugin), name, gst::Rank::NONE, class()))
}
