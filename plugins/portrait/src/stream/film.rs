// SPDX-License-Identifier: MIT OR Apache-2.0
//! A film file that is looked at beside the stream, in a pipeline of its own: how it is opened, and how long it is watched.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("portrait-film", gst::DebugColorFlags::empty(), Some("Films beside the stream"))
});

/// So much of a film is looked at, and it may take so long.
pub const LONGEST: gst::ClockTime = gst::ClockTime::from_seconds(20);
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether it is to end is looked up this often.
const RECHECK: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// How a look at a film came to its end.
#[derive(Debug)]
pub enum Ended {
    /// All that is to be looked at was seen, or nobody wants it any more.
    Well,
    /// [`PATIENCE`] is over.
    Late,
    /// Why it cannot be seen.
    Failed(String),
}

/// Says why a file cannot be read, before it is opened.
///
/// # Errors
/// What is wrong with it.
pub fn check(file: &Path) -> Result<(), String> {
    match file.metadata() {
        // A pipe would keep the start waiting, and is seen once.
        Ok(found) if !found.is_file() => Err("it is no file".to_owned()),
        Ok(_) => std::fs::File::open(file).map(drop).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// A pipeline in which the pictures of the file pass through a row of elements, at most `rate` of them a second.
///
/// # Errors
/// Where an element is missing or the row does not fit together.
pub fn pipeline(file: &Path, rate: i32, row: &[gst::Element]) -> Result<gst::Pipeline, glib::BoolError> {
    let pipeline = gst::Pipeline::new();
    let make = |name: &str| gst::ElementFactory::make(name).build();
    let (source, decode) = (make("filesrc")?, make("decodebin")?);
    let (flat, fewer, convert) = (make("deinterlace")?, make("videorate")?, make("videoconvert")?);
    let sink = make("fakesink")?;
    source.set_property("location", file);
    fewer.set_property("drop-only", true);
    fewer.set_property("max-rate", rate);
    sink.set_property("sync", false);
    let mut all = vec![flat.clone(), fewer, convert];
    all.extend_from_slice(row);
    all.push(sink);
    pipeline.add_many([&source, &decode])?;
    pipeline.add_many(&all)?;
    source.link(&decode)?;
    gst::Element::link_many(&all)?;
    link_pictures(&decode, &flat);
    Ok(pipeline)
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

/// Lets it run until all that is to be looked at was seen, or `stop` says that nobody wants it any more. The pipeline is left
/// as it is then.
pub fn watch(pipeline: &gst::Pipeline, stop: &AtomicBool) -> Ended {
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
            gst::info!(CAT, obj = pipeline, "{} s looked at", time.seconds());
        }
        if time >= LONGEST || stop.load(Ordering::Relaxed) {
            return Ended::Well;
        }
        if begin.elapsed() > PATIENCE {
            return Ended::Late;
        }
    }
}
