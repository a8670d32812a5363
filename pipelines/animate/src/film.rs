// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pipeline from a photo, or a video, and a recording to an MP4 file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;

use crate::message::{self, Failure};
use crate::packages;
use crate::source::{
    Files, Kind, VIDEO, ends_in_a_stub, hold_pipe, link_decoded, place_channels, running_time,
};
use crate::watch::Watch;

/// The plugin's file.
const PLUGIN: &str = "libgstportrait.so";

/// Where it lies, from this program's folder: beside it in a build folder, and as packages have it.
const PLUGIN_FOLDERS: [&str; 2] = [".", "../lib/gstreamer-1.0"];

/// Timestamps that are wrong by less than this, 1 h in ns, are put right by counting samples.
const TOLERANCE: u64 = 3_600_000_000_000;

/// Rate and channels of the film's sound. At 48 kHz the delay of an AAC encoder, 1024 samples, is shorter than a picture;
/// an MP4 file cannot hold sound whose channels change.
const SOUND_RATE: i32 = 48_000;
const SOUND_CHANNELS: i32 = 2;

/// An element that fails makes others fail: so long it is waited for who tells more.
const AFTERMATH: gst::ClockTime = gst::ClockTime::from_mseconds(300);

/// How much longer than a video a voice may be without a word.
const REST: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// A pipeline that does not stop within this is left to the end of the program.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// Who speaks.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    Photo(&'a Path),
    Video(&'a Path),
}

impl<'a> Subject<'a> {
    pub fn file(self) -> &'a Path {
        match self {
            Self::Photo(file) | Self::Video(file) => file,
        }
    }

    /// The same where it is a video.
    pub fn video(self) -> Option<&'a Path> {
        matches!(self, Self::Video(_)).then_some(self.file())
    }
}

/// A pipeline that renders one film.
pub struct Film {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    watch: Watch,
    files: Files,
    /// What elements warned of, each once.
    warnings: Vec<String>,
    /// Ends of the last picture that was drawn and of what the voice has said, ns.
    drawn: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
    /// The element that animates: its properties are set from outside.
    pub head: gst::Element,
}

impl Film {
    /// Puts the pipeline together: a photo speaks the recording, or the person in a video does; `output` is to be called `named`.
    pub fn new(subject: Subject<'_>, audio: &Path, output: &Path, named: &Path) -> Result<Self> {
        let watch = Watch::of_process();
        let pipeline = gst::Pipeline::new();
        let make = |name: &str| -> Result<gst::Element> {
            let element = make(name)?;
            pipeline.add(&element)?;
            Ok(element)
        };

        let source = make("filesrc")?;
        source.set_property("location", path_text(audio)?);
        hold_pipe(audio, &source)?;
        // A video's pictures are not decoded.
        let decode = make("decodebin")?;
        decode.set_property("caps", gst::Caps::builder("audio/x-raw").build());
        decode.set_property("expose-all-streams", false);
        let convert = make("audioconvert")?;
        // Several files in a row are one stream.
        let join = make("identity")?;
        join.set_property("single-segment", true);
        let counted = make("audiorate")?;
        counted.set_property("tolerance", TOLERANCE);
        let tee = make("tee")?;
        if ends_in_a_stub(audio) {
            gst::Element::link_many([&source, &make("queue")?, &decode])?;
        } else {
            source.link(&decode)?;
        }
        // Whole numbers: what is no number, as in a damaged file of floats, is nothing that an AAC encoder takes.
        let resample = make("audioresample")?;
        let whole = gst::Caps::builder("audio/x-raw").field("format", "S32LE").build();
        convert.link_filtered(&resample, &whole)?;
        gst::Element::link_many([&resample, &join, &counted, &tee])?;
        link_decoded(&decode, &convert, Kind::Sound);
        place_channels(&convert);

        let mux = make("mp4mux")?;
        let sink = make("filesink")?;
        sink.set_property("location", path_text(output)?);
        mux.link(&sink)?;

        // Pictures: encoders and players want chroma-subsampled ones of even size.
        let even = gst::IntRange::<i32>::with_step(2, 16_384, 2);
        let playable = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", even)
            .field("height", even)
            .build();
        let head = match subject {
            Subject::Photo(photo) => {
                let head = make("talkinghead")?;
                head.set_property("portrait", path_text(photo)?);
                gst::Element::link_many([&tee, &make("queue")?, &head])?;
                head
            }
            Subject::Video(video) => {
                let head = make("facedub")?;
                let source = make("filesrc")?;
                source.set_property("location", path_text(video)?);
                // Asked for pictures alone it finds no decoder of H.264 (1.22): its sound is decoded, and not linked.
                let decode = self::make("decodebin")?;
                // Nothing that is in a pipeline takes another name.
                decode.set_property("name", VIDEO);
                pipeline.add(&decode)?;
                let (flat, convert) = (make("deinterlace")?, make("videoconvert")?);
                // A telephone's video lies on its side and has a tag that says so, which `mp4mux` does not keep.
                let upright = make("videoflip")?;
                upright.set_property_from_str("video-direction", "auto");
                source.link(&decode)?;
                link_decoded(&decode, &flat, Kind::Pictures);
                flat.link(&convert)?;
                let planes = gst::Caps::builder("video/x-raw").field("format", "I420").build();
                convert.link_filtered(&upright, &planes)?;
                upright.link_pads(Some("src"), &head, Some("video"))?;
                let waiting = make("queue")?;
                tee.link(&waiting)?;
                waiting.link_pads(Some("src"), &head, Some("voice"))?;
                head
            }
        };
        let scale = make("videoscale")?;
        let encode = make("x264enc")?;
        encode.set_property_from_str("speed-preset", "veryfast");
        // The next picture is drawn while the last one is encoded.
        let drawn = make("queue")?;
        gst::Element::link_many([&head, &make("videoconvert")?, &scale])?;
        scale.link_filtered(&drawn, &playable)?;
        drawn.link(&encode)?;
        gst::Element::link_many([&encode, &make("queue")?, &mux])?;

        // Sound: waits, encoded, without limit for the pictures that are being drawn, so that the tee never waits for it.
        // Before the encoder there must be no queue: when the recording's format changes, the tee asks its branches about
        // it, and a queue would answer only when it is empty. An encoder that starts anew asks as well, and is refused.
        let resample = make("audioresample")?;
        let aac = make("avenc_aac")?;
        let refuse = make("identity")?;
        refuse.set_property("drop-allocation", true);
        let waiting = make("queue")?;
        for limit in ["max-size-time", "max-size-bytes", "max-size-buffers"] {
            waiting.set_property_from_str(limit, "0");
        }
        gst::Element::link_many([&tee, &make("audioconvert")?, &resample])?;
        let sound = gst::Caps::builder("audio/x-raw")
            .field("rate", SOUND_RATE)
            .field("channels", SOUND_CHANNELS)
            .build();
        resample.link_filtered(&aac, &sound)?;
        gst::Element::link_many([&aac, &refuse, &waiting, &mux])?;

        let bus = pipeline.bus().context("a pipeline has a bus")?;
        let (drawn, heard) = (count(&head)?, count(&counted)?);
        keep_empty_end(&head, &bus, &drawn)?;
        Ok(Self {
            pipeline,
            bus,
            watch,
            files: Files {
                recording: audio.to_owned(),
                video: subject.video().map(Path::to_owned),
                output: named.to_owned(),
            },
            warnings: Vec::new(),
            drawn,
            heard,
            head,
        })
    }

    /// Starts.
    pub fn play(&self) -> Result<()> {
        if self.pipeline.set_state(gst::State::Playing).is_ok() {
            return Ok(());
        }
        match self.bus.pop_filtered(&[gst::MessageType::Error]) {
            Some(message) => Err(self.failure(&message)),
            None => bail!("the pipeline does not start"),
        }
    }

    /// Waits for so long, or less; true at the end of the film.
    pub fn wait(&mut self, time: gst::ClockTime) -> Result<bool> {
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error, gst::MessageType::Warning];
        let Some(message) = self.bus.timed_pop_filtered(time, &kinds) else { return Ok(false) };
        match message.view() {
            gst::MessageView::Error(_) => Err(self.failure(&message)),
            gst::MessageView::Warning(warning) => {
                let line = message::warning(warning, &self.files);
                if !self.warnings.contains(&line) {
                    self.warnings.push(line);
                }
                Ok(false)
            }
            _ if self.drawn().is_zero() => {
                let Files { recording, video, .. } = &self.files;
                let file = video.as_ref().unwrap_or(recording);
                Err(anyhow!("{}: no picture was drawn for it", file.display()))
            }
            _ => {
                self.warn_of_rest();
                Ok(true)
            }
        }
    }

    /// A video may be shorter than what is said.
    fn warn_of_rest(&mut self) {
        let heard = gst::ClockTime::from_nseconds(self.heard.load(Ordering::Relaxed));
        if let (Some(video), true) = (&self.files.video, heard > self.drawn() + REST) {
            self.warnings.push(format!(
                "{} ends after {:.1} s, and the voice after {:.1} s: the last picture stands still until then (pipelines/dub goes on with \
                 the last ones to and fro)",
                video.display(),
                self.drawn().seconds_f64(),
                heard.seconds_f64()
            ));
        }
    }

    /// What elements warned of so far, each once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// One line for a message of an error and those that follow it.
    fn failure(&self, first: &gst::Message) -> anyhow::Error {
        let mut failure = Failure::default();
        let mut message = Some(first.clone());
        while let Some(gst::MessageView::Error(error)) = message.as_ref().map(|message| message.view()) {
            failure.add(error, &self.files);
            if failure.is_told() {
                break;
            }
            message = self.bus.timed_pop_filtered(AFTERMATH, &[gst::MessageType::Error]);
        }
        anyhow!(failure.line())
    }

    /// How much of the film was drawn.
    pub fn drawn(&self) -> gst::ClockTime {
        gst::ClockTime::from_nseconds(self.drawn.load(Ordering::Relaxed))
    }

    /// Length of the recording, as far as its headers tell.
    pub fn duration(&self) -> Option<gst::ClockTime> {
        self.head.query_duration::<gst::ClockTime>().or_else(|| self.pipeline.query_duration())
    }

    /// A number that changes as long as something moves in the pipeline.
    pub fn moves(&self) -> u64 {
        self.watch.moves()
    }

    /// Where a pipeline stands that does not move.
    pub fn cause(&self) -> String {
        self.watch.cause(&self.pipeline)
    }

    /// Stops; false where an element does not let go.
    pub fn stop(&self) -> bool {
        let (done, stopped) = channel();
        let pipeline = self.pipeline.clone();
        std::thread::spawn(move || {
            let state = pipeline.set_state(gst::State::Null);
            // Nobody listens any more where it took too long.
            let _ = done.send(state.is_ok());
        });
        stopped.recv_timeout(STOP_PATIENCE).is_ok()
    }
}

/// Notes how far a stream has come: the end of its last buffer in ns of the film.
fn count(element: &gst::Element) -> Result<Arc<AtomicU64>> {
    let counted = Arc::<AtomicU64>::default();
    let end = counted.clone();
    let pad = element.static_pad("src").context("the element has no source pad")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(buffer) = info.buffer()
            && let Some(start) = buffer.pts().and_then(|time| running_time(pad, time))
        {
            let until = start + buffer.duration().unwrap_or_default();
            end.fetch_max(until.nseconds(), Ordering::Relaxed);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(counted)
}

/// An end without any picture is told to the bus and goes no further: `mp4mux` complains to the terminal where nothing at all
/// came (1.22).
fn keep_empty_end(head: &gst::Element, bus: &gst::Bus, drawn: &Arc<AtomicU64>) -> Result<()> {
    let (drawn, bus) = (drawn.clone(), bus.downgrade());
    let pad = head.static_pad("src").context("the element has no source pad")?;
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        let is_end = info.event().is_some_and(|event| event.type_() == gst::EventType::Eos);
        if !is_end || drawn.load(Ordering::Relaxed) > 0 {
            return gst::PadProbeReturn::Ok;
        }
        if let Some(bus) = bus.upgrade() {
            // A bus that flushes belongs to a pipeline that stops.
            let _ = bus.post(gst::message::Eos::builder().src(pad).build());
        }
        gst::PadProbeReturn::Handled
    });
    Ok(())
}

/// Makes an element, or says where to get it.
pub fn make(name: &str) -> Result<gst::Element> {
    if let Ok(element) = gst::ElementFactory::make(name).build() {
        return Ok(element);
    }
    if let Some(remedy) = packages::remedy(name) {
        bail!("GStreamer has no element {name}: {remedy}");
    }
    let beside = plugin_beside().with_context(|| {
        format!("GStreamer has no element {name}: set GST_PLUGIN_PATH to the folder that holds {PLUGIN}")
    })?;
    gst::Plugin::load_file(&beside).with_context(|| format!("cannot load {}", beside.display()))?;
    gst::ElementFactory::make(name)
        .build()
        .with_context(|| format!("{} has no element {name}", beside.display()))
}

/// The plugin that came with this program.
fn plugin_beside() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    let files = PLUGIN_FOLDERS.iter().map(|folder| exe.parent().unwrap_or(&exe).join(folder).join(PLUGIN));
    files.into_iter().find(|file| file.is_file())
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
