// SPDX-License-Identifier: MIT OR Apache-2.0
//! A film file that is looked at beside the stream, in a pipeline of its own: how it is opened, and how long it is watched.

use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;

use super::bin::stage_pad;
use crate::photo::looks_like_photo;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("portrait-film", gst::DebugColorFlags::empty(), Some("Films beside the stream"))
});

/// So much of a film is looked at, and it may take so long.
pub const LONGEST: gst::ClockTime = gst::ClockTime::from_seconds(20);
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pictures that nobody has found after so long do not come: where a demuxer fails at once, as of a file that is cut off,
/// `decodebin` may lose its error and wait for ever (GStreamer up to 1.24).
const UNFOUND: Duration = Duration::from_secs(10);

/// Name of the element that the decoder's pictures come to.
const PICTURES: &str = "pictures";

/// Whether it is to end is looked up this often.
const RECHECK: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// So many bytes tell what a file is.
const HEAD: u64 = 64;

/// How a GIF begins.
const GIF: &[u8] = b"GIF8";

/// How long a picture lasts of which nobody says it: those of a film of changing rate.
const UNTOLD: gst::ClockTime = gst::ClockTime::from_mseconds(40);

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
        Ok(_) => {
            let mut head = Vec::new();
            let read = std::fs::File::open(file).and_then(|file| file.take(HEAD).read_to_end(&mut head));
            read.map_err(|error| error.to_string())?;
            match head {
                head if head.starts_with(GIF) => Err(format!(
                    "it is a GIF, whose pictures GStreamer gives no times: make a video of it, as with `ffmpeg -i {} -pix_fmt yuv420p video.mp4`",
                    file.display()
                )),
                head if looks_like_photo(&head, file) => Err("it is a photo".to_owned()),
                _ => Ok(()),
            }
        }
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
    flat.set_property("name", PICTURES);
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
    give_lengths(&flat)?;
    Ok(pipeline)
}

/// Pictures that last untold long end the process in `videorate`; those that nobody gives a time, as of a GIF, are shown in no
/// order that would end.
fn give_lengths(flat: &gst::Element) -> Result<(), glib::BoolError> {
    stage_pad(flat, "sink")?.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
        let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
        if buffer.pts().is_none() {
            if let Some(element) = pad.parent_element() {
                gst::element_error!(
                    element,
                    gst::StreamError::Format,
                    ("its pictures have no times: make a video of it, as with ffmpeg")
                );
            }
            return gst::PadProbeReturn::Handled;
        }
        if buffer.duration().is_none() {
            buffer.make_mut().set_duration(UNTOLD);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
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
    watch_for(pipeline, stop, UNFOUND)
}

/// The same; pictures are to be found within that time.
fn watch_for(pipeline: &gst::Pipeline, stop: &AtomicBool, unfound: Duration) -> Ended {
    let pictures = pipeline.by_name(PICTURES).and_then(|first| first.static_pad("sink"));
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
        if begin.elapsed() > unfound && !pictures.as_ref().is_some_and(gst::Pad::is_linked) {
            return Ended::Failed("nothing in it can be read: it may be cut off or damaged".to_owned());
        }
        if begin.elapsed() > PATIENCE {
            return Ended::Late;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_check::Harness;

    /// Pictures without a length would end the process in `videorate`.
    #[test]
    fn pictures_get_a_length_and_those_without_a_time_are_an_error() {
        gst::init().unwrap();
        let flat = gst::ElementFactory::make("identity").build().unwrap();
        give_lengths(&flat).unwrap();
        let bus = gst::Bus::new();
        flat.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&flat, Some("sink"), Some("src"));
        harness.set_src_caps_str("video/x-raw");
        let mut push = |time: Option<gst::ClockTime>| {
            let mut buffer = gst::Buffer::new();
            buffer.make_mut().set_pts(time);
            harness.push(buffer).unwrap();
            harness.try_pull().map(|buffer| (buffer.pts(), buffer.duration()))
        };
        let second = Some(gst::ClockTime::SECOND);
        assert_eq!(push(second), Some((second, Some(UNTOLD))));
        assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_none());
        assert_eq!(push(None), None);
        let message = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = message.view() else { panic!("{message:?}") };
        assert!(error.error().message().contains("have no times"), "{error:?}");
    }

    /// As where `decodebin` lost the demuxer's error.
    #[test]
    fn a_film_in_which_nothing_is_found_cannot_be_read() {
        gst::init().unwrap();
        let (pipeline, patience) = (gst::Pipeline::new(), Duration::from_millis(100));
        let (pictures, sink) = ("identity", "fakesink");
        let [pictures, sink] = [pictures, sink].map(|name| gst::ElementFactory::make(name).build().unwrap());
        pictures.set_property("name", PICTURES);
        pipeline.add_many([&pictures, &sink]).unwrap();
        pictures.link(&sink).unwrap();
        let begin = Instant::now();
        let ended = watch_for(&pipeline, &AtomicBool::new(false), patience);
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(matches!(&ended, Ended::Failed(why) if why.contains("cut off")), "{ended:?}");
        assert!(begin.elapsed() < PATIENCE / 4);
    }

    #[test]
    fn what_is_no_film_is_told_before_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let said = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            check(&path).err()
        };
        assert_eq!(said("a.mp4", b"\x89PNG\r\n\x1a\n").as_deref(), Some("it is a photo"));
        assert!(
            said("b", b"GIF89a").is_some_and(|why| why.contains("is a GIF") && why.contains("ffmpeg -i /"))
        );
        assert_eq!(said("c", b"\0\0\0\x20ftypisom\0\0\x02\0isom"), None);
        assert!(check(dir.path()).is_err() && check(&dir.path().join("none")).is_err());
    }
}
