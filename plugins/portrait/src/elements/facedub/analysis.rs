// SPDX-License-Identifier: MIT OR Apache-2.0
//! The property `analyse`: people are learned from a file before the first frame.
//!
//! The same stages that learn them as a video plays see the file in a pipeline of their own, without a voice; what their
//! mouths have learned is handed over.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::imp::FaceDub;
use crate::elements::facetracker::FaceTracker;
use crate::elements::mouthdub::MouthDub;
use crate::face::find::FaceProperty;
use crate::stream::element::lock;
use crate::stream::film::{self, Ended, PATIENCE};

/// So many frames a second of the file are looked at.
const RATE: i32 = 8;

/// What makes good for a file that cannot be used.
const REMEDY: &str = "name a video file of the person, or leave the property unset";

/// An analysis that runs.
pub struct Analysis {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Analysis {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The thread itself may hold the element last.
        if let Some(thread) = self.thread.take().filter(|t| t.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

/// Says that an analysis is over, however it ends.
pub struct Done(pub Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Says what is wrong with a file before it is opened.
///
/// # Errors
/// What to tell the user.
pub fn check(file: &str) -> Result<(), String> {
    film::check(Path::new(file)).map_err(|why| format!("analyse: cannot read {file}: {why}; {REMEDY}"))
}

/// Whose mouths are learned, and where that goes.
struct Pupil {
    scratch: MouthDub,
    mouth: MouthDub,
}

impl FaceDub {
    /// Begins to look at the file, for frames of those caps; `done` goes when it is over.
    pub(super) fn analyse(&self, file: String, caps: &gst::CapsRef, done: Done) {
        let begun = self.study(&file, caps);
        let (pipeline, pupils) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                let text = format!("analyse: cannot look at {file}: {error}; {REMEDY}");
                gst::element_imp_error!(self, gst::CoreError::Failed, ("{text}"));
                return;
            }
        };
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, dub) = (Arc::clone(&stop), self.obj().downgrade());
        let thread = std::thread::Builder::new().name("facedub-analyse".into()).spawn(move || {
            let ended = film::watch(&pipeline, &stopped);
            let learned: Vec<_> = pupils.iter().map(|pupil| pupil.scratch.learned()).collect();
            if pipeline.set_state(gst::State::Null).is_err() {
                gst::warning!(CAT, "the analysis does not stop");
            }
            if !stopped.load(Ordering::Relaxed)
                && let Some(dub) = dub.upgrade()
            {
                let frames = learned.iter().flatten().map(|one| one.frames).max().unwrap_or(0);
                for (pupil, learned) in pupils.iter().zip(learned) {
                    if let Some(learned) = learned {
                        pupil.mouth.learn(learned);
                    }
                }
                tell(&dub, &file, frames, ended);
            }
            drop(done);
        });
        match thread {
            Ok(thread) => *lock(&self.analysis) = Some(Analysis { stop, thread: Some(thread) }),
            Err(error) => gst::error!(CAT, imp = self, "no thread for the analysis: {error}"),
        }
    }

    /// A pipeline that looks at the file, with a mouth for each voice.
    fn study(&self, file: &str, caps: &gst::CapsRef) -> Result<(gst::Pipeline, Vec<Pupil>), glib::BoolError> {
        let main = self.main()?;
        let filter = gst::ElementFactory::make("capsfilter").property("caps", frames_like(caps)).build()?;
        let tracker: FaceTracker = glib::Object::new();
        let voices = lock(&self.voices).clone();
        let mut pupils = vec![Pupil { scratch: glib::Object::new(), mouth: main.speaker.mouth.clone() }];
        for voice in voices {
            let scratch: MouthDub = glib::Object::new();
            scratch.draw_for(voice.number);
            let mut face = FaceProperty::default();
            // What cannot be read was said.
            let _ = face.set(Some(voice.pad.property("face")));
            tracker.follow(voice.number, face.choice);
            pupils.push(Pupil { scratch, mouth: voice.speaker.mouth.clone() });
        }
        tracker.claim(self.voice().is_linked());
        tracker.set_property("face", main.tracker.property::<String>("face"));
        let mut stages: Vec<gst::Element> = vec![tracker.upcast()];
        for pupil in &pupils {
            pupil.scratch.study();
            stages.push(pupil.scratch.clone().upcast());
        }
        for stage in &stages {
            for name in ["model-pack", "device", "num-threads"] {
                stage.set_property_from_value(name, &main.tracker.property_value(name));
            }
        }
        stages.insert(0, filter);
        Ok((film::pipeline(Path::new(file), RATE, &stages)?, pupils))
    }
}

/// Caps of frames that a mouth can be drawn from in frames of those caps: of any size, but of the same samples.
fn frames_like(caps: &gst::CapsRef) -> gst::Caps {
    let mut like = gst::Caps::builder("video/x-raw").build();
    let wanted = caps.structure(0).into_iter().flat_map(|s| s.iter());
    let fields = wanted.filter(|(name, _)| ["format", "colorimetry"].contains(&name.as_str()));
    for (name, value) in fields {
        if let Some(like) = like.make_mut().structure_mut(0) {
            like.set_value(name, value.clone());
        }
    }
    like
}

/// Tells the user what came of it.
fn tell(dub: &super::FaceDub, file: &str, frames: u32, ended: Ended) {
    match ended {
        Ended::Failed(why) => {
            let text = format!("analyse: cannot look at {file}: {why}; {REMEDY}");
            gst::element_error!(dub, gst::StreamError::Failed, ("{text}"));
        }
        Ended::Late if frames == 0 => {
            let text = format!(
                "analyse: no face was seen in {file} within {} s, in which not all of it was looked at: the person is learned as \
                 the video plays",
                PATIENCE.as_secs()
            );
            gst::element_warning!(dub, gst::StreamError::Failed, ("{text}"));
        }
        Ended::Well if frames == 0 => {
            let text = format!(
                "analyse: {file} shows no face: the person is learned as the video plays; name a file in which they are seen"
            );
            gst::element_warning!(dub, gst::StreamError::WrongType, ("{text}"));
        }
        Ended::Late => {
            let text = format!(
                "analyse: {file} took longer than {} s: the person is known from {frames} frames of it",
                PATIENCE.as_secs()
            );
            gst::element_warning!(dub, gst::StreamError::Failed, ("{text}"));
        }
        Ended::Well => gst::info!(CAT, obj = dub, "analyse: learned from {frames} frames of {file}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_not_looked_at_to_its_end_is_not_said_to_show_no_face() {
        gst::init().unwrap();
        let dub: super::super::FaceDub = glib::Object::new();
        let bus = gst::Bus::new();
        dub.set_bus(Some(&bus));
        let told = |ended| {
            tell(&dub, "clip.mp4", 0, ended);
            let message = bus.pop_filtered(&[gst::MessageType::Warning]).unwrap();
            let gst::MessageView::Warning(warning) = message.view() else { panic!("{message:?}") };
            warning.error().message().to_owned()
        };
        assert!(told(Ended::Well).contains("shows no face"));
        let late = told(Ended::Late);
        assert!(!late.contains("shows no face") && late.contains("60 s"), "{late}");
        dub.set_bus(None::<&gst::Bus>);
    }
}
