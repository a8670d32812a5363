//! The elements, in the order of the data: from sound to features, landmarks, latents and pictures; landmarks of a video
//! and landmarks drawn; and all of it in one bin.

pub mod audiofeatures;
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

/// Registers every element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    audiofeatures::register(plugin)?;
    speech2landmarks::register(plugin)?;
    landmarks2latents::register(plugin)?;
    facesynth::register(plugin)?;
    facelandmarks::register(plugin)?;
    landmarkoverlay::register(plugin)?;
    talkinghead::register(plugin)?;
    facetracker::register(plugin)?;
    mouthdub::register(plugin)?;
    facedub::register(plugin)
}
