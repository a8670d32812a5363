// SPDX-License-Identifier: MIT OR Apache-2.0
//! Another photo while playing: analysed beside the stream by a thread of the element's own, shown between two frames.
//!
//! The thread begins with the first such photo and ends when the element stops. It prepares a renderer, tells the elements before
//! this one ([`Handover`]), and lets go of the old renderer: the streaming thread exchanges the two and does no more. Of
//! photos that are set one after another the newest counts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;

use super::formats::{self, Sizes};
use super::imp::FaceSynth;
use super::person::Person;
use super::settings::{Paths, Settings};
use super::{Background, source};
use crate::pack::CallOff;
use crate::photo::handover::Handover;
use crate::photo::{PhotoError, Photos, context};
use crate::render::RenderError;
use crate::stream::element::{lock, time_segment};

/// Why photos cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("no photo: set the property `portrait` to an image file")]
    NoPhoto,
    #[error(transparent)]
    Photo(#[from] PhotoError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(
        "the picture of {0:?} would be {1} x {2} pixels large, which downstream does not take while it plays: put a videoscale and \
         caps behind this element, or set `portrait` in READY"
    )]
    Size(String, i32, i32),
    #[error("{0:?} cannot be used: {1}")]
    Other(String, String),
}

impl Fault {
    /// The same as an element error.
    pub fn to_message(&self) -> gst::ErrorMessage {
        match self {
            Self::Photo(error) => error.to_message(),
            Self::Render(error) => source::render_error_message(error),
            _ => gst::error_msg!(gst::ResourceError::Settings, ("{self}")),
        }
    }
}

/// People who are to come, from start to stop of the element.
#[derive(Default)]
pub struct Newcomers {
    desk: Mutex<Desk>,
    woken: Condvar,
    /// What is being prepared is for nothing: the element stopped, or newer photos were set.
    outdated: Arc<AtomicBool>,
}

#[derive(Default)]
struct Desk {
    /// The element has started.
    open: bool,
    /// Other photos were set, and nobody has looked at them yet.
    asked: bool,
    /// The photos that are used: in the pictures already, or announced.
    used: Paths,
    ready: Option<Ready>,
    /// The one before, and who came.
    gone: Vec<(Person, Photos)>,
    worker: Option<JoinHandle<()>>,
}

/// A person who is announced.
struct Ready {
    handover: Arc<Handover>,
    person: Person,
    /// Nobody marks frames: the next one is the first.
    at_once: bool,
}

/// What the thread does next.
enum Task {
    Look,
    Tidy(Vec<(Person, Photos)>),
    End,
}

impl Newcomers {
    /// The element starts with these photos.
    pub fn start(&self, used: Paths) {
        let mut desk = lock(&self.desk);
        (desk.open, desk.used) = (true, used);
    }

    /// The element stops. Waits for no more than a pass of a network.
    pub fn stop(&self) {
        let mut old = {
            let mut desk = lock(&self.desk);
            self.outdated.store(true, Ordering::Relaxed);
            std::mem::take(&mut *desk)
        };
        self.woken.notify_all();
        if let Some(worker) = old.worker.take()
            && worker.thread().id() != std::thread::current().id()
        {
            // It catches panics.
            let _ = worker.join();
        }
    }

    /// Photos were set.
    fn ask(self: &Arc<Self>, element: &super::FaceSynth) -> std::io::Result<()> {
        let mut desk = lock(&self.desk);
        if !desk.open {
            return Ok(());
        }
        desk.asked = true;
        self.outdated.store(true, Ordering::Relaxed);
        self.woken.notify_all();
        if desk.worker.is_none() {
            let (own, element) = (Arc::clone(self), element.downgrade());
            let thread = std::thread::Builder::new().name("portrait:newcomer".to_owned());
            desk.worker = Some(thread.spawn(move || own.work(&element))?);
        }
        Ok(())
    }

    fn work(&self, element: &glib::WeakRef<super::FaceSynth>) {
        let _watch = CallOff::watch(&self.outdated);
        loop {
            match self.next() {
                Task::End => return,
                Task::Tidy(gone) => {
                    if let (Some(element), Some((_, photos))) = (element.upgrade(), gone.last()) {
                        context::announce(&element, photos);
                    }
                }
                Task::Look => {
                    let Some(element) = element.upgrade() else { return };
                    if catch_unwind(AssertUnwindSafe(|| element.imp().look())).is_err() {
                        element.imp().post_panic();
                    }
                }
            }
        }
    }

    fn next(&self) -> Task {
        let mut desk = lock(&self.desk);
        loop {
            if !desk.open {
                return Task::End;
            }
            if !desk.gone.is_empty() {
                return Task::Tidy(std::mem::take(&mut desk.gone));
            }
            if std::mem::take(&mut desk.asked) {
                self.outdated.store(false, Ordering::Relaxed);
                return Task::Look;
            }
            desk = self.wait(desk);
        }
    }

    fn wait<'a>(&self, desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
        self.woken.wait(desk).unwrap_or_else(PoisonError::into_inner)
    }

    fn is_outdated(&self) -> bool {
        self.outdated.load(Ordering::Relaxed)
    }

    /// Whether nothing is to be done for these photos, as they are announced or, with nobody else on the way, `shown`.
    fn has(&self, photos: &Photos, shown: Option<&Photos>, paths: &Paths) -> bool {
        let mut desk = lock(&self.desk);
        let before = match &desk.ready {
            Some(ready) if ready.handover.photos.same(photos) => None,
            Some(ready) if shown.is_some_and(|s| s.same(photos)) && ready.handover.withdraw() => {
                desk.ready.take()
            }
            None if shown.is_some_and(|s| s.same(photos)) => None,
            _ => return false,
        };
        desk.used = paths.clone();
        drop(desk);
        drop(before);
        true
    }

    /// Puts a person where the streaming thread finds it, once the one before is in the pictures or called off. `false` where
    /// that is for nothing by now.
    fn put(&self, ready: Ready) -> bool {
        let mut desk = lock(&self.desk);
        while desk.open && !desk.asked {
            if desk.ready.as_ref().is_none_or(|before| before.handover.withdraw()) {
                let before = desk.ready.replace(ready);
                drop(desk);
                drop(before);
                return true;
            }
            desk = self.wait(desk);
        }
        false
    }

    /// Everybody was told.
    fn announced(&self, handover: &Arc<Handover>, paths: Paths) -> Result<(), Fault> {
        let mut desk = lock(&self.desk);
        if let Some(reason) = handover.refusal() {
            handover.withdraw();
            let own = |ready: &mut Ready| Arc::ptr_eq(&ready.handover, handover);
            drop(desk.ready.take_if(own));
            return Err(Fault::Other(paths.portrait.unwrap_or_default(), reason));
        }
        if let Some(ready) = desk.ready.as_mut().filter(|ready| Arc::ptr_eq(&ready.handover, handover)) {
            ready.at_once = !handover.is_led();
        }
        desk.used = paths;
        Ok(())
    }

    /// The person who is announced, if these latents are the first that are made for it.
    fn due(&self, latents: &gst::BufferRef, running: Option<gst::ClockTime>) -> Option<(Person, Photos)> {
        let first = |ready: &mut Ready| ready.at_once || ready.handover.made(latents, running);
        let ready = lock(&self.desk).ready.take_if(first)?;
        Some((ready.person, ready.handover.photos.clone()))
    }

    /// The streaming thread has exchanged the two.
    fn tidy(&self, gone: Person, came: Photos) {
        lock(&self.desk).gone.push((gone, came));
        self.woken.notify_all();
    }
}

impl FaceSynth {
    /// Photos were set; looks at them where the element has started.
    pub(super) fn ask_for_photos(&self) {
        if let Err(error) = self.newcomers.ask(&self.obj()) {
            gst::element_imp_warning!(self, gst::CoreError::Thread, ("cannot start a thread: {error}"));
        }
    }

    /// Analyses photos.
    pub(super) fn read_photos(&self, settings: &Settings) -> Result<Photos, Fault> {
        let path = settings.portrait.as_deref().ok_or(Fault::NoPhoto)?;
        let (pack, device) = settings.model.open().map_err(RenderError::from)?;
        let (element, face) = (&*self.obj(), settings.face.choice);
        let portrait = context::analyse(element, path, face, &pack, device)?;
        let open = settings.portrait_open.as_deref();
        let open = open.map(|path| context::analyse_second(element, path, face, &pack, device));
        if let Some(warning) = &portrait.gaping {
            gst::element_imp_warning!(self, gst::StreamError::Decode, ("{warning}"));
        }
        Ok(Photos { portrait, open: open.transpose()? })
    }

    /// On the thread: looks at the photos that are asked for.
    fn look(&self) {
        let settings = lock(&self.settings).clone();
        let _threads = settings.model.limit_threads();
        if let Err(fault) = self.prepare(&settings)
            && !self.newcomers.is_outdated()
        {
            self.refuse(&settings.paths(), &fault);
        }
    }

    fn prepare(&self, settings: &Settings) -> Result<(), Fault> {
        let (newcomers, paths) = (&self.newcomers, settings.paths());
        let photos = self.read_photos(settings)?;
        let shown = lock(&self.photos).clone();
        if newcomers.is_outdated() || newcomers.has(&photos, shown.as_ref(), &paths) {
            return Ok(());
        }
        let (pack, device) = settings.model.open().map_err(RenderError::from)?;
        let sizes = source::sizes(&photos.portrait, settings.framing);
        let info = self.foresee(sizes, settings)?;
        let mut person = Person::new(photos.clone(), &pack, device)?;
        if let Some(info) = info {
            person
                .set_output(&info, settings.look, settings.framing, (&pack, device))
                .map_err(|error| Fault::Other(paths.portrait.clone().unwrap_or_default(), error))?;
        }
        let handover = Handover::new(photos);
        if newcomers.put(Ready { handover: Arc::clone(&handover), person, at_once: false }) {
            handover.announce(self.obj().sink_pad());
            newcomers.announced(&handover, paths)?;
        }
        Ok(())
    }

    /// What pictures of those sizes are going to be; `None` before the first frame.
    fn foresee(&self, sizes: Sizes, settings: &Settings) -> Result<Option<gst_video::VideoInfo>, Fault> {
        let element = self.obj();
        let (latents, now) = (element.sink_pad().current_caps(), element.src_pad().current_caps());
        let (Some(latents), Some(now)) = (latents, now) else { return Ok(None) };
        if lock(&self.terms).as_ref().is_some_and(|terms| terms.sizes == sizes) {
            return Ok(gst_video::VideoInfo::from_caps(&now).ok());
        }
        let transparent = settings.look.background == Background::Transparent;
        let offer = formats::at_rates(&latents, &formats::offer(sizes, transparent));
        let taken = element.src_pad().peer_query_caps(Some(&offer));
        let common = offer.intersect_with_mode(&taken, gst::CapsIntersectMode::First);
        let rate = latents.structure(0).and_then(|s| s.get("framerate").ok());
        let [width, height] = sizes.best;
        if common.is_empty() {
            return Err(Fault::Size(settings.portrait.clone().unwrap_or_default(), width, height));
        }
        Ok(rate.and_then(|rate| gst_video::VideoInfo::from_caps(&formats::fixate(common, sizes, rate)).ok()))
    }

    /// Goes back to the photos in use, and says why.
    fn refuse(&self, asked: &Paths, fault: &Fault) {
        let used = lock(&self.newcomers.desk).used.clone();
        let mut settings = lock(&self.settings);
        let back = settings.paths() == *asked;
        if back {
            (settings.portrait, settings.portrait_open) = (used.portrait, used.open);
        }
        drop(settings);
        gst::element_imp_warning!(self, gst::ResourceError::Settings, ("{fault}; the photo in use stays"));
        if back {
            let element = self.obj();
            ["portrait", "portrait-open"].into_iter().for_each(|name| element.notify(name));
        }
    }

    fn post_panic(&self) {
        let asked = lock(&self.settings).paths();
        let reason = "the analysis failed unexpectedly; please report it with the photo".to_owned();
        self.refuse(&asked, &Fault::Other(asked.portrait.clone().unwrap_or_default(), reason));
    }

    /// On the streaming thread, before the picture of these latents: changes to the person that they are made for.
    pub(super) fn meet(&self, latents: &gst::BufferRef) -> Result<(), gst::FlowError> {
        let running = time_segment(self.obj().upcast_ref()).to_running_time(latents.pts());
        let Some((person, photos)) = self.newcomers.due(latents, running) else { return Ok(()) };
        let (gone, sizes) = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            (state.replace(person), state.sizes())
        };
        *lock(&self.photos) = Some(photos.clone());
        let resized = lock(&self.terms)
            .as_mut()
            .is_some_and(|terms| std::mem::replace(&mut terms.sizes, sizes) != sizes);
        self.newcomers.tidy(gone, photos);
        if resized {
            self.obj().reconfigure_src();
            if !self.obj().reconfigure() {
                return Err(gst::FlowError::NotNegotiated);
            }
        }
        Ok(())
    }
}
