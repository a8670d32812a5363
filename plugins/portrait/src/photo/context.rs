// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sharing the photos of a person between the elements of a pipeline: GstContext of the type [`CONTEXT_TYPE`].
//!
//! The order is GStreamer's: an element that needs the photos and was not given one by its own property asks its
//! neighbours ([`from_neighbours`]), then the application and the bins around it ([`ask`]); if nobody has one, it analyses its
//! photo itself and tells everybody ([`announce`]). Elements that have one answer their neighbours' queries ([`answer`]).

use std::path::Path;
use std::sync::{Arc, Mutex};

use gst::glib;
use gst::prelude::*;
use tch::Device;

use super::{PhotoError, Portrait};
use crate::face::find::FaceChoice;
use crate::pack::Pack;
use crate::stream::element::lock;

/// Type of the context. Its structure holds `portrait` and, where there is a second photo, `open` (boxed
/// `GstPortraitPhoto`), and `location` (the portrait's file, a string).
pub const CONTEXT_TYPE: &str = "gst.portrait.photo";

/// The photos of a person, analysed.
#[derive(Clone, Debug)]
pub struct Photos {
    /// The one that is animated.
    pub portrait: Arc<Portrait>,
    /// Another one, with the mouth open.
    pub open: Option<Arc<Portrait>>,
}

impl Photos {
    /// Whether they are the same analyses.
    pub fn same(&self, other: &Self) -> bool {
        let open = match (&self.open, &other.open) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        open && Arc::ptr_eq(&self.portrait, &other.portrait)
    }
}

impl From<Arc<Portrait>> for Photos {
    fn from(portrait: Arc<Portrait>) -> Self {
        Self { portrait, open: None }
    }
}

/// A portrait as a GValue.
#[derive(Clone, Debug, glib::Boxed)]
#[boxed_type(name = "GstPortraitPhoto")]
struct Boxed(Arc<Portrait>);

/// Analyses the chosen face in the photo of an element's property; what the user should know of it goes to the bus.
///
/// # Errors
/// As [`Portrait::analyse_face`].
pub fn analyse(
    element: &impl IsA<gst::Element>,
    path: &str,
    face: FaceChoice,
    pack: &Arc<Pack>,
    device: Device,
) -> Result<Arc<Portrait>, PhotoError> {
    tell(element, Portrait::analyse_face(Path::new(path), face, pack, device))
}

/// The same of a second photo of the person: it may show fewer faces, of which the largest is taken then.
///
/// # Errors
/// As [`analyse`].
pub fn analyse_second(
    element: &impl IsA<gst::Element>,
    path: &str,
    face: FaceChoice,
    pack: &Arc<Pack>,
    device: Device,
) -> Result<Arc<Portrait>, PhotoError> {
    let analysed = match Portrait::analyse_face(Path::new(path), face, pack, device) {
        Err(PhotoError::NoSuchFace { .. }) => Portrait::analyse(Path::new(path), pack, device),
        Err(PhotoError::NotFound { path, .. }) => {
            Err(PhotoError::NotFound { path, property: "portrait-open" })
        }
        analysed => analysed,
    };
    tell(element, analysed)
}

fn tell(
    element: &impl IsA<gst::Element>,
    analysed: Result<Arc<Portrait>, PhotoError>,
) -> Result<Arc<Portrait>, PhotoError> {
    let portrait = analysed?;
    for warning in &portrait.warnings {
        gst::element_warning!(element, gst::StreamError::Decode, ("{warning}"));
    }
    Ok(portrait)
}

/// A context that carries photos.
pub fn make(photos: &Photos) -> gst::Context {
    let mut context = gst::Context::new(CONTEXT_TYPE, true);
    if let Some(context) = context.get_mut() {
        let s = context.structure_mut();
        s.set("portrait", Boxed(Arc::clone(&photos.portrait)));
        s.set("location", photos.portrait.path.to_string_lossy().as_ref());
        if let Some(open) = &photos.open {
            s.set("open", Boxed(Arc::clone(open)));
        }
    }
    context
}

/// The photos in a context, `None` where it is another kind of context.
pub fn read(context: &gst::ContextRef) -> Option<Photos> {
    if !context.has_context_type(CONTEXT_TYPE) {
        return None;
    }
    let photo = |name| context.structure().get::<Boxed>(name).ok().map(|boxed| boxed.0);
    photo("portrait").map(|portrait| Photos { portrait, open: photo("open") })
}

/// Asks the elements downstream, then upstream. To be called without a lock that a query handler takes.
pub fn from_neighbours(element: &impl IsA<gst::Element>) -> Option<Photos> {
    let element = element.as_ref();
    element.src_pads().into_iter().chain(element.sink_pads()).find_map(|pad| {
        let mut query = gst::query::Context::new(CONTEXT_TYPE);
        pad.peer_query(&mut query).then(|| query.context().and_then(read)).flatten()
    })
}

/// Asks the application and the bins around the element. They answer by `set_context`, before this returns, so the
/// element's own `ElementImpl::set_context` has stored the portrait by then.
pub fn ask(element: &impl IsA<gst::Element>) {
    let element = element.as_ref();
    let message = gst::message::NeedContext::builder(CONTEXT_TYPE).src(element).build();
    // An element outside of a pipeline has no bus: then nobody answers.
    let _ = element.post_message(message);
}

/// Tells the application and the bins around the element, which hand it to elements that ask later.
pub fn announce(element: &impl IsA<gst::Element>, photos: &Photos) {
    let element = element.as_ref();
    let message = gst::message::HaveContext::builder(make(photos)).src(element).build();
    let _ = element.post_message(message);
}

/// The photos for an element that has none of its own: of its neighbours, else whatever bins and application put into
/// `slot` (by the element's `set_context`) before or when asked, else what they gave it in an earlier life, which the
/// element forgot at its stop but GStreamer keeps with it.
pub fn find(element: &impl IsA<gst::Element>, slot: &Mutex<Option<Photos>>) -> Option<Photos> {
    let found = from_neighbours(element);
    if found.is_none() && lock(slot).is_none() {
        ask(element);
    }
    let mut slot = lock(slot);
    if found.is_some() {
        *slot = found;
    }
    let kept = || element.as_ref().context(CONTEXT_TYPE).and_then(|context| read(&context));
    slot.clone().or_else(kept)
}

/// The same for an element that does nothing without them.
///
/// # Errors
/// What to do where there are none.
pub fn need(
    element: &impl IsA<gst::Element>,
    slot: &Mutex<Option<Photos>>,
) -> Result<Photos, gst::ErrorMessage> {
    find(element, slot).ok_or_else(|| {
        gst::error_msg!(
            gst::ResourceError::Settings,
            ("no portrait is announced: put a facesynth with its property `portrait` set behind this element")
        )
    })
}

/// Answers a CONTEXT query for the photos; `false` where the query is about something else or there are none yet: then
/// the default handler is to have it.
pub fn answer(query: &mut gst::QueryRef, photos: Option<&Photos>) -> bool {
    let (gst::QueryViewMut::Context(query), Some(photos)) = (query.view_mut(), photos) else {
        return false;
    };
    if query.context_type() != CONTEXT_TYPE {
        return false;
    }
    query.set_context(&make(photos));
    true
}
