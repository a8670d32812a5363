// SPDX-License-Identifier: MIT OR Apache-2.0
//! The property `reference`: how a person talks is measured on a video of theirs, or on several photos.
//!
//! A video passes through `facelandmarks` in a pipeline of its own; photos are read as portraits are. At the start that
//! happens before the first frame, while playing on a thread beside the stream. Nothing of it is kept beyond the element's
//! life.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::Speech2Landmarks;
use crate::face::habit::{ALIKE, Faces, Habit};
use crate::face::landmark::COUNT;
use crate::pack::{Pack, PackError};
use crate::photo::{PhotoError, largest_face};
use crate::stream::element::lock;
use crate::stream::film::{self, Ended, LONGEST, PATIENCE};
use crate::stream::settings::ModelSettings;
use crate::stream::tensor::{FrameMeta, buffer, meta};

/// So many frames a second of a video are looked at.
const RATE: i32 = 12;

/// Degrees of yaw from which a face does not show well how its mouth lies.
const PROFILE: f32 = 30.0;

/// Seconds of a face in a video, and photos with a face, with which something is known; most photos that are looked at.
const LEAST_SECONDS: f32 = 1.0;
const LEAST_PHOTOS: usize = 2;
const MOST_PHOTOS: usize = 50;

/// Longest time that a frame of a video stands for: between others nobody was seen.
const LONGEST_FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// What makes good for a reference that cannot be used.
const REMEDY: &str = "set `reference` to a video of the person who talks, best 2 to 6 seconds from the front, or to a folder with \
                      several photos of them";

/// Why a reference cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("cannot read the reference {0:?} ({1}): {REMEDY}")]
    Unreadable(PathBuf, String),
    #[error("cannot look at the reference {0:?}: {1}; {REMEDY}")]
    NoVideo(PathBuf, String),
    #[error("the reference {0:?} shows no face that looks towards the camera: {REMEDY}")]
    NoFace(PathBuf),
    #[error(
        "the reference {0:?} shows a face for {1:.1} s, too short to tell how the person talks: {REMEDY}"
    )]
    TooShort(PathBuf, f32),
    #[error(
        "the reference {path:?} holds {found} photos with a face that looks towards the camera{why}: {REMEDY}"
    )]
    FewPhotos { path: PathBuf, found: usize, why: String },
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error("the reference {0:?} is no longer wanted")]
    Outdated(PathBuf),
}

impl Fault {
    /// The same as an element error.
    pub fn to_message(&self) -> gst::ErrorMessage {
        match self {
            Self::Pack(error) => crate::stream::settings::pack_error_message(error),
            Self::Unreadable(..) => gst::error_msg!(gst::ResourceError::OpenRead, ("{self}")),
            Self::NoVideo(..) => gst::error_msg!(gst::StreamError::WrongType, ("{self}")),
            _ => gst::error_msg!(gst::ResourceError::Settings, ("{self}")),
        }
    }
}

/// Measures the person in a video file or in the photos of a folder; the text is what the user should know of it.
///
/// # Errors
/// Where it cannot be read, or shows too little.
pub fn read(path: &Path, model: &ModelSettings, stop: &AtomicBool) -> Result<(Habit, Option<String>), Fault> {
    let _threads = model.limit_threads();
    let (faces, warning) = if path.is_dir() {
        photos(path, model, stop)?
    } else {
        film::check(path).map_err(|why| Fault::Unreadable(path.to_owned(), why))?;
        video(path, model, stop)?
    };
    if stop.load(Ordering::Relaxed) {
        return Err(Fault::Outdated(path.to_owned()));
    }
    let habit = faces.habit().ok_or_else(|| Fault::NoFace(path.to_owned()))?;
    Ok((habit, warning))
}

/// The faces of a folder's photos, in the order of their names.
fn photos(folder: &Path, model: &ModelSettings, stop: &AtomicBool) -> Result<(Faces, Option<String>), Fault> {
    let failed = |error: std::io::Error| Fault::Unreadable(folder.to_owned(), error.to_string());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    files.sort();
    let (pack, device) = model.open()?;
    let (mut faces, mut found, mut why) = (Faces::default(), 0, String::new());
    for file in files.iter().take(MOST_PHOTOS) {
        if stop.load(Ordering::Relaxed) {
            return Err(Fault::Outdated(folder.to_owned()));
        }
        match largest_face(file, &pack, device) {
            Ok((face, pose)) if pose.yaw.abs() <= PROFILE => {
                faces.look(&face, 1.0);
                found += 1;
            }
            Ok((_, pose)) if why.is_empty() => {
                why = format!("; {file:?} is turned by {:.0} degrees", pose.yaw.abs());
            }
            Err(PhotoError::Pack { source, .. }) => return Err(source.into()),
            Err(error) if why.is_empty() => why = format!("; {error}"),
            Ok(_) | Err(_) => (),
        }
    }
    if found < LEAST_PHOTOS {
        return Err(Fault::FewPhotos { path: folder.to_owned(), found, why });
    }
    let left_out = files.len() - found;
    let warning = (left_out > 0).then(|| {
        let all = files.len();
        format!("reference: {left_out} of {all} files in {folder:?} are left out{why}")
    });
    Ok((faces, warning))
}

/// Faces of a video, one after the other: cuts may show several people.
#[derive(Default)]
struct People {
    shown: Vec<Faces>,
    last: Option<gst::ClockTime>,
}

impl People {
    /// A frame as `facelandmarks` tells of it.
    fn look(&mut self, frame: &gst::BufferRef) {
        let Some(time) = frame.pts().filter(|time| *time < LONGEST) else { return };
        let before = self.last.replace(time);
        if frame.flags().contains(gst::BufferFlags::GAP) {
            return;
        }
        if self.shown.is_empty() || frame.flags().contains(gst::BufferFlags::MARKER) {
            self.shown.push(Faces::default());
        }
        let yaw = meta::read(frame, FrameMeta::Pose).and_then(|pose| pose.data.first().copied());
        let mut face = vec![[0.0; 3]; COUNT];
        let read = buffer::read_f32(frame, face.as_flattened_mut());
        if let (Some(faces), Ok(()), Some(yaw)) = (self.shown.last_mut(), read, yaw)
            && yaw.abs() <= PROFILE
        {
            let first = gst::ClockTime::SECOND / RATE as u64;
            let time = before.map_or(first, |before| time.saturating_sub(before).min(LONGEST_FRAME));
            faces.look(&face, time.nseconds() as f32 / 1e9 / ALIKE);
        }
    }

    /// The one who is seen longest.
    fn longest(self) -> Faces {
        self.shown.into_iter().max_by(|a, b| a.weight().total_cmp(&b.weight())).unwrap_or_default()
    }
}

fn video(file: &Path, model: &ModelSettings, stop: &AtomicBool) -> Result<(Faces, Option<String>), Fault> {
    let no_video = |why: String| Fault::NoVideo(file.to_owned(), why);
    let missing = |error: glib::BoolError| no_video(error.to_string());
    let tracker = gst::ElementFactory::make("facelandmarks").build().map_err(missing)?;
    tracker.set_property("model-pack", &model.model_pack);
    tracker.set_property("device", &model.device);
    tracker.set_property("num-threads", model.num_threads);
    let people = Arc::new(Mutex::new(People::default()));
    if let Some(pad) = tracker.static_pad("src") {
        let seen = Arc::clone(&people);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(frame) = info.buffer() {
                lock(&seen).look(frame);
            }
            gst::PadProbeReturn::Ok
        });
    }
    let pipeline = film::pipeline(file, RATE, &[tracker]).map_err(missing)?;
    let ended = film::watch(&pipeline, stop);
    // Nobody looks at frames any more after that.
    pipeline.set_state(gst::State::Null).map_err(|error| no_video(error.to_string()))?;
    let faces = std::mem::take(&mut *lock(&people)).longest();
    let warning = match ended {
        Ended::Failed(why) => return Err(no_video(why)),
        Ended::Late if faces.weight() <= 0.0 => {
            let why = format!(
                "no face was seen in it within {} s, in which not all of it was looked at",
                PATIENCE.as_secs()
            );
            return Err(no_video(why));
        }
        Ended::Late => Some(format!(
            "reference: {file:?} took longer than {} s: the person is known from a part of it",
            PATIENCE.as_secs()
        )),
        Ended::Well => None,
    };
    let seconds = faces.weight() * ALIKE;
    if faces.weight() <= 0.0 {
        return Err(Fault::NoFace(file.to_owned()));
    }
    if seconds < LEAST_SECONDS {
        return Err(Fault::TooShort(file.to_owned(), seconds));
    }
    Ok((faces, warning))
}

/// References that are set while playing, from start to stop of the element.
#[derive(Default)]
pub struct References(Mutex<Desk>);

#[derive(Default)]
struct Desk {
    /// The element has started with a pack that can follow one.
    open: bool,
    /// The one that frames are made with.
    used: Option<String>,
    /// Nobody wants any more what the worker looks at.
    outdated: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl References {
    /// The element starts with this one.
    pub fn start(&self, used: Option<String>) {
        let mut desk = lock(&self.0);
        (desk.open, desk.used) = (true, used);
    }

    /// The element stops. Waits for no more than a photo, or a pass of a network.
    pub fn stop(&self) {
        let desk = std::mem::take(&mut *lock(&self.0));
        desk.outdated.store(true, Ordering::Relaxed);
        join(desk.worker);
    }

    /// One was set: a thread looks at it, once the one before has given up.
    pub fn ask(&self, element: &super::Speech2Landmarks) -> std::io::Result<()> {
        let mut desk = lock(&self.0);
        if !desk.open {
            return Ok(());
        }
        desk.outdated.store(true, Ordering::Relaxed);
        let outdated = Arc::new(AtomicBool::new(false));
        desk.outdated = Arc::clone(&outdated);
        let (before, element) = (desk.worker.take(), element.downgrade());
        let thread = std::thread::Builder::new().name("portrait:reference".to_owned());
        desk.worker = Some(thread.spawn(move || {
            join(before);
            if let Some(element) = element.upgrade() {
                element.imp().look_at_reference(&outdated);
            }
        })?);
        Ok(())
    }
}

fn join(worker: Option<JoinHandle<()>>) {
    // The worker itself may hold the element last.
    if let Some(worker) = worker.filter(|worker| worker.thread().id() != std::thread::current().id()) {
        let _ = worker.join();
    }
}

impl Speech2Landmarks {
    /// The reference that the element starts with, if the pack can follow one.
    pub(super) fn first_reference(&self, pack: &Pack) -> Result<Option<Arc<Habit>>, Fault> {
        let settings = lock(&self.settings).clone();
        if !pack.manifest().says_landmarks() {
            return Ok(None);
        }
        let read = |path: &String| self.read_reference(path, &settings.model, &AtomicBool::new(false));
        let habit = settings.reference.as_ref().map(read).transpose()?;
        self.references.start(settings.reference);
        Ok(habit)
    }

    fn read_reference(
        &self,
        path: &str,
        model: &ModelSettings,
        stop: &AtomicBool,
    ) -> Result<Arc<Habit>, Fault> {
        let (habit, warning) = read(Path::new(path), model, stop)?;
        if let Some(warning) = warning {
            gst::element_imp_warning!(self, gst::StreamError::Decode, ("{warning}"));
        }
        Ok(Arc::new(habit))
    }

    /// On the thread: looks at the reference that is asked for, and has it come with the next frames.
    fn look_at_reference(&self, outdated: &AtomicBool) {
        let settings = lock(&self.settings).clone();
        let asked = settings.reference;
        let used = || lock(&self.references.0).used.clone();
        if outdated.load(Ordering::Relaxed) || asked == used() {
            return;
        }
        let read =
            asked.as_ref().map(|path| self.read_reference(path, &settings.model, outdated)).transpose();
        if outdated.load(Ordering::Relaxed) {
            return;
        }
        match read.and_then(|habit| self.adopt(habit).map_err(Fault::from)) {
            Ok(()) => lock(&self.references.0).used = asked,
            Err(fault) => {
                let back = used();
                let mut settings = lock(&self.settings);
                let ours = settings.reference == asked;
                if ours {
                    settings.reference = back;
                }
                drop(settings);
                let text = format!("{fault}; the reference in use stays");
                gst::element_imp_warning!(self, gst::ResourceError::Settings, ("{text}"));
                if ours {
                    self.obj().notify("reference");
                }
            }
        }
    }
}
