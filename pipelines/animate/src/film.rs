//! The pipeline from a photo and a recording to an MP4 file.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use gst::prelude::*;

/// Debian's package of each element that is used here.
const PACKAGES: [(&str, &str); 12] = [
    ("filesrc", "libgstreamer1.0-0"),
    ("filesink", "libgstreamer1.0-0"),
    ("tee", "libgstreamer1.0-0"),
    ("queue", "libgstreamer1.0-0"),
    ("decodebin", "gstreamer1.0-plugins-base"),
    ("audioconvert", "gstreamer1.0-plugins-base"),
    ("audioresample", "gstreamer1.0-plugins-base"),
    ("videoconvert", "gstreamer1.0-plugins-base"),
    ("videoscale", "gstreamer1.0-plugins-base"),
    ("mp4mux", "gstreamer1.0-plugins-good"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("avenc_aac", "gstreamer1.0-libav"),
];

/// The plugin's file, which lies beside this program in a build folder.
const PLUGIN: &str = "libgstportrait.so";

/// A pipeline that renders one film.
pub struct Film {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    /// The element that animates: its properties are set from outside.
    pub head: gst::Element,
}

impl Film {
    /// Puts the pipeline together.
    pub fn new(audio: &Path, output: &Path) -> Result<Self> {
        let pipeline = gst::Pipeline::new();
        let make = |name: &str| -> Result<gst::Element> {
            let element = make(name)?;
            pipeline.add(&element)?;
            Ok(element)
        };

        let source = make("filesrc")?;
        source.set_property("location", path_text(audio)?);
        let decode = make("decodebin")?;
        let convert = make("audioconvert")?;
        let tee = make("tee")?;
        gst::Element::link(&source, &decode)?;
        gst::Element::link_many([&convert, &make("audioresample")?, &tee])?;
        link_decoded_audio(&decode, &convert);

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
        let head = make("talkinghead")?;
        let scale = make("videoscale")?;
        let encode = make("x264enc")?;
        encode.set_property_from_str("speed-preset", "veryfast");
        gst::Element::link_many([&tee, &make("queue")?, &head, &make("videoconvert")?, &scale])?;
        scale.link_filtered(&encode, &playable)?;
        gst::Element::link_many([&encode, &make("queue")?, &mux])?;

        // Sound: waits without limit for the pictures that are being drawn, so that the tee never blocks for it. At
        // 48 kHz the delay of an AAC encoder, 1024 samples, is shorter than a picture.
        let waiting = make("queue")?;
        for limit in ["max-size-time", "max-size-bytes", "max-size-buffers"] {
            waiting.set_property_from_str(limit, "0");
        }
        let resample = make("audioresample")?;
        let aac = make("avenc_aac")?;
        gst::Element::link_many([&tee, &waiting, &make("audioconvert")?, &resample])?;
        let rate = gst::Caps::builder("audio/x-raw").field("rate", 48_000).build();
        resample.link_filtered(&aac, &rate)?;
        aac.link(&mux)?;

        let bus = pipeline.bus().context("a pipeline has a bus")?;
        Ok(Self { pipeline, bus, head })
    }

    /// Starts.
    pub fn play(&self) -> Result<()> {
        if self.pipeline.set_state(gst::State::Playing).is_ok() {
            return Ok(());
        }
        match self.bus.pop_filtered(&[gst::MessageType::Error]) {
            Some(message) => Err(error_of(&message)),
            None => bail!("the pipeline does not start"),
        }
    }

    /// Waits for so long; true at the end of the film.
    pub fn wait(&self, time: gst::ClockTime) -> Result<bool> {
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        match self.bus.timed_pop_filtered(time, &kinds) {
            Some(message) if message.type_() == gst::MessageType::Error => Err(error_of(&message)),
            Some(_) => Ok(true),
            None => Ok(false),
        }
    }

    /// How much of the film was drawn.
    pub fn position(&self) -> Option<gst::ClockTime> {
        self.head.query_position()
    }

    /// Length of the recording.
    pub fn duration(&self) -> Option<gst::ClockTime> {
        self.head.query_duration::<gst::ClockTime>().or_else(|| self.pipeline.query_duration())
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        // Nothing is left to do about a pipeline that does not stop.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Makes an element, or says where to get it.
fn make(name: &str) -> Result<gst::Element> {
    if let Ok(element) = gst::ElementFactory::make(name).build() {
        return Ok(element);
    }
    if let Some((_, package)) = PACKAGES.iter().find(|(element, _)| *element == name) {
        bail!("GStreamer has no element {name}: install the Debian package {package}");
    }
    let beside = std::env::current_exe().ok().map(|exe| exe.with_file_name(PLUGIN)).filter(|p| p.is_file());
    let beside = beside.with_context(|| {
        format!("GStreamer has no element {name}: set GST_PLUGIN_PATH to the folder that holds {PLUGIN}")
    })?;
    gst::Plugin::load_file(&beside).with_context(|| format!("cannot load {}", beside.display()))?;
    gst::ElementFactory::make(name)
        .build()
        .with_context(|| format!("{} has no element {name}", beside.display()))
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Links the first sound that the decoder finds; a recording without any is an error.
fn link_decoded_audio(decode: &gst::Element, convert: &gst::Element) {
    let to = convert.downgrade();
    decode.connect_pad_added(move |decode, pad| {
        let is_audio = pad
            .current_caps()
            .unwrap_or_else(|| pad.query_caps(None))
            .structure(0)
            .is_some_and(|s| s.name().starts_with("audio/"));
        if let (true, Some(sink)) = (is_audio, to.upgrade().and_then(|c| c.static_pad("sink")))
            && !sink.is_linked()
            && let Err(error) = pad.link(&sink)
        {
            gst::element_error!(decode, gst::CoreError::Pad, ["cannot link the sound: {error}"]);
        }
    });
    let to = convert.downgrade();
    decode.connect_no_more_pads(move |decode| {
        let linked = to.upgrade().and_then(|c| c.static_pad("sink")).is_some_and(|pad| pad.is_linked());
        if !linked {
            gst::element_error!(decode, gst::StreamError::WrongType, ["the recording holds no sound"]);
        }
    });
}

/// One line that says what is wrong: elements tell the details, such as a file's name, in the debug text, behind the
/// place in their source.
fn error_of(message: &gst::Message) -> anyhow::Error {
    let gst::MessageView::Error(error) = message.view() else { return anyhow!("unknown error") };
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let debug = error.debug().unwrap_or_default();
    let detail = one_line(debug.split_once('\n').map_or("", |(_, detail)| detail));
    let text = one_line(error.error().message());
    if detail.is_empty() {
        anyhow!("{text}")
    } else if detail.contains('/') {
        anyhow!("{detail}")
    } else {
        anyhow!("{text} ({detail})")
    }
}
