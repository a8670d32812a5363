// SPDX-License-Identifier: MIT OR Apache-2.0
//! The property `analyse`: people are learned from a file before the first frame.
//!
//! The same stages that learn them as a video plays see the file in a pipeline of their own, without a voice; what their
//! mouths have learned is handed over.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::imp::FaceDub;
use crate::elements::facetracker::FaceTracker;
use crate::elements::mouthdub::MouthDub;
use crate::face::find::FaceProperty;
use crate::stream::element::lock;

/// So much of the file is looked at, so many frames a second of it, and it may take so long.
const LONGEST: gst::ClockTime = gst::ClockTime::from_seconds(20);
const RATE: i32 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether it is to end is looked up this often.
const RECHECK: gst::ClockTime = gst::ClockTime::from_mseconds(20);

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
    let path = Path::new(file);
    let why = match path.metadata() {
        // A pipe would keep the start waiting, and is seen once.
        Ok(found) if !found.is_file() => "it is no file".to_owned(),
        Ok(_) => match std::fs::File::open(path) {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    Err(format!("analyse: cannot read {file}: {why}; {REMEDY}"))
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
            let ended = watch(&pipeline, &stopped);
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
        let pipeline = gst::Pipeline::new();
        let make = |name: &str| gst::ElementFactory::make(name).build();
        let (source, decode) = (make("filesrc")?, make("decodebin")?);
        let (flat, rate, convert, filter) =
            (make("deinterlace")?, make("videorate")?, make("videoconvert")?, make("capsfilter")?);
        let sink = make("fakesink")?;
        source.set_property("location", file);
        rate.set_property("drop-only", true);
        rate.set_property("max-rate", RATE);
        filter.set_property("caps", frames_like(caps));
        sink.set_property("sync", false);
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
        let mut row = vec![flat.clone(), rate, convert, filter];
        row.extend(stages);
        row.push(sink);
        pipeline.add_many([&source, &decode])?;
        pipeline.add_many(&row)?;
        source.link(&decode)?;
        gst::Element::link_many(&row)?;
        link_pictures(&decode, &flat);
        Ok((pipeline, pupils))
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

/// Links the first pictures that the decoder finds; a file without any is an error.
fn link_pictures(decode: &gst::Element, to: &gst::Element) {
    let first = to.downgrade();
    decode.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        if caps.structure(0).is_some_and(|s| s.name().starts_with("video/"))
            && let Some(sink) = first.upgrade().and_then(|to| to.static_pad("sink"))
            && !sink.is_linked()
            && let Err(error) = pad.link(&sink)
        {
            gst::warning!(CAT, obj = pad, "{error}");
        }
    });
    let first = to.downgrade();
    decode.connect_no_more_pads(move |decode| {
        if !first.upgrade().and_then(|to| to.static_pad("sink")).is_some_and(|pad| pad.is_linked()) {
            gst::element_error!(decode, gst::StreamError::WrongType, ("there are no pictures in it"));
        }
    });
}

/// How an analysis came to its end.
enum Ended {
    Well,
    Late,
    Failed(String),
}

/// Lets it run until all that is to be looked at was seen.
fn watch(pipeline: &gst::Pipeline, stop: &AtomicBool) -> Ended {
    let begin = Instant::now();
    let Some(bus) = pipeline.bus() else { return Ended::Failed("it has no bus".to_owned()) };
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let failed = pipeline.set_state(gst::State::Playing).is_err();
    let mut told = gst::ClockTime::ZERO;
    loop {
        let wait = if failed { gst::ClockTime::ZERO } else { RECHECK };
        match bus.timed_pop_filtered(wait, &kinds).as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => return Ended::Failed(error.error().message().to_owned()),
            Some(_) => return Ended::Well,
            None if failed => return Ended::Failed("it does not start".to_owned()),
            None => (),
        }
        let time = pipeline.query_position::<gst::ClockTime>().unwrap_or_default();
        if time >= told + gst::ClockTime::SECOND {
            told = time;
            gst::info!(CAT, "analyse: {} s looked at", time.seconds());
        }
        if time >= LONGEST || stop.load(Ordering::Relaxed) {
            return Ended::Well;
        }
        if begin.elapsed() > PATIENCE {
            return Ended::Late;
        }
    }
}

/// Tells the user what came of it.
fn tell(dub: &super::FaceDub, file: &str, frames: u32, ended: Ended) {
    match ended {
        Ended::Failed(why) => {
            let text = format!("analyse: cannot look at {file}: {why}; {REMEDY}");
            gst::element_error!(dub, gst::StreamError::Failed, ("{text}"));
        }
        _ if frames == 0 => {
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
