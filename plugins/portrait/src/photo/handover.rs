// SPDX-License-Identifier: MIT OR Apache-2.0
//! A new photo while a pipeline plays: how its elements change to it at the same frame.
//!
//! The element that draws prepares the new person and then announces it against the stream, by an upstream event that
//! carries a [`Handover`]. Each element before it prepares its own part in a [`Slot`], beside the stream. The first of them, the
//! one before which nobody needs the photo, leads: it takes the new person with its next frame and from then on marks its
//! frames ([`PHOTO_META`]). The others follow: each changes with the first frame that is so marked, so that frames of
//! the old person that are still on their way, in queues, are drawn as the old person. Where nobody leads, latents come
//! from somewhere else and the one that draws changes at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gst::glib;
use gst::meta::CustomMeta;
use gst::prelude::*;

use super::Photos;
use crate::pack::sync::lock;
use crate::stream::tensor::meta::PHOTO_META;

/// Name of the event against the stream, and of its structure.
const EVENT: &str = "portrait-handover";

/// Number of the next handover.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A person that is to be taken over by the elements of a pipeline.
#[derive(Debug)]
pub struct Handover {
    /// The person's photos.
    pub photos: Photos,
    number: u64,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// An element is going to mark its frames.
    led: bool,
    /// It has begun to, with a frame of that running time.
    begun: Option<Option<gst::ClockTime>>,
    withdrawn: bool,
    /// Why an element cannot take the photos.
    refusal: Option<String>,
}

/// A handover as a GValue.
#[derive(Clone, Debug, glib::Boxed)]
#[boxed_type(name = "GstPortraitHandover")]
struct Boxed(Arc<Handover>);

impl Handover {
    /// To these photos.
    pub fn new(photos: Photos) -> Arc<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { photos, number, progress: Mutex::default() })
    }

    /// Tells the elements before a sink pad; they are ready for it on return.
    pub fn announce(self: &Arc<Self>, sink: &gst::Pad) {
        let structure = gst::Structure::builder(EVENT).field("handover", Boxed(Arc::clone(self))).build();
        sink.push_event(gst::event::CustomUpstream::new(structure));
    }

    /// The handover that an event announces.
    pub fn read(event: &gst::EventRef) -> Option<Arc<Self>> {
        if event.type_() != gst::EventType::CustomUpstream {
            return None;
        }
        let structure = event.structure().filter(|s| s.name() == EVENT)?;
        structure.get::<Boxed>("handover").ok().map(|boxed| boxed.0)
    }

    /// Whether an element is going to mark its frames.
    pub fn is_led(&self) -> bool {
        lock(&self.progress).led
    }

    /// Calls it off; `false` where frames are made for these photos already.
    pub fn withdraw(&self) -> bool {
        let mut progress = lock(&self.progress);
        progress.withdrawn = progress.begun.is_none();
        progress.withdrawn
    }

    /// An element cannot take the photos, and says why.
    pub fn refuse(&self, reason: String) {
        lock(&self.progress).refusal = Some(reason);
    }

    /// Why an element cannot take the photos.
    pub fn refusal(&self) -> Option<String> {
        lock(&self.progress).refusal.clone()
    }

    /// The one that leads takes the person with the frame of that running time; `false` where it was called off.
    fn begin(&self, running: Option<gst::ClockTime>) -> bool {
        let mut progress = lock(&self.progress);
        if progress.withdrawn {
            return false;
        }
        progress.begun = Some(running);
        true
    }

    /// Marks a frame that is made for these photos.
    pub fn mark(&self, buffer: &mut gst::BufferRef) {
        let fill = |structure: &mut gst::StructureRef| {
            structure.set("number", self.number);
            structure.set("location", self.photos.portrait.path.to_string_lossy().as_ref());
        };
        if let Ok(mut old) = CustomMeta::from_mut_buffer(buffer, PHOTO_META) {
            fill(old.mut_structure());
        } else if let Ok(mut meta) = CustomMeta::add(buffer, PHOTO_META) {
            fill(meta.mut_structure());
        }
    }

    /// Whether a frame of that running time is made for these photos. Where something on the way lost the mark, the time tells.
    pub fn made(&self, buffer: &gst::BufferRef, running: Option<gst::ClockTime>) -> bool {
        match marked(buffer) {
            Some(number) => number == self.number,
            None => lock(&self.progress).begun.is_some_and(|begun| begun.is_some() && running >= begun),
        }
    }
}

/// The number of the photo that a frame is marked with.
pub fn marked(buffer: &gst::BufferRef) -> Option<u64> {
    CustomMeta::from_buffer(buffer, PHOTO_META).ok()?.structure().get("number").ok()
}

/// What an element before the one that draws prepared for a new person.
#[derive(Debug)]
pub struct Slot<T>(Mutex<Option<Coming<T>>>);

#[derive(Debug)]
struct Coming<T> {
    handover: Arc<Handover>,
    part: T,
    leads: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Slot<T> {
    /// Waits for the first frame that is made for these photos.
    fn follow(&self, handover: &Arc<Handover>, part: T) {
        *lock(&self.0) = Some(Coming { handover: Arc::clone(handover), part, leads: false });
    }

    /// Leads where no element farther up does: the next frame is the first one.
    fn lead(&self, handover: &Arc<Handover>) {
        let mut slot = lock(&self.0);
        let mut progress = lock(&handover.progress);
        if let Some(coming) = slot.as_mut().filter(|coming| Arc::ptr_eq(&coming.handover, handover))
            && !progress.led
            && progress.refusal.is_none()
        {
            (coming.leads, progress.led) = (true, true);
        }
    }

    /// Follows, and leads where no element before this one does, to which `go_on` takes the event: that must know first.
    pub fn relay(&self, handover: &Arc<Handover>, part: T, go_on: impl FnOnce()) {
        // Before anybody marks a frame.
        self.follow(handover, part);
        go_on();
        self.lead(handover);
    }

    /// What was prepared, if the frame of that running time, as it comes in, is the first one of the new person; with it
    /// the handover, where this element leads and is to mark its frames.
    pub fn take(
        &self,
        frame: &gst::BufferRef,
        running: Option<gst::ClockTime>,
    ) -> Option<(T, Option<Arc<Handover>>)> {
        let mut slot = lock(&self.0);
        let Coming { handover, leads, .. } = slot.as_ref()?;
        if *leads && !handover.begin(running) {
            *slot = None;
            return None;
        }
        if !*leads && !handover.made(frame, running) {
            return None;
        }
        slot.take().map(|coming| (coming.part, coming.leads.then_some(coming.handover)))
    }

    /// Forgets what was prepared.
    pub fn clear(&self) {
        *lock(&self.0) = None;
    }
}
