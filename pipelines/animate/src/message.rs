// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the elements say of a failure, in one line.

use gst::prelude::*;

use crate::source::{Files, Kind};

/// What sources, parsers and demuxers say when somebody behind them failed, who may have said more.
const INTERNAL: [&str; 2] = ["Internal data stream error.", "Internal data flow error."];

/// Errors of one failure: the first that tells something counts.
#[derive(Default)]
pub struct Failure {
    told: Option<String>,
    untold: Option<String>,
}

impl Failure {
    /// Takes an error's words.
    pub fn add(&mut self, error: &gst::message::Error, files: &Files) {
        let words = Words::of(error.error().message(), error.debug().as_deref());
        let source = error.src();
        let name = source.map(|source| source.name()).unwrap_or_default();
        if INTERNAL.contains(&words.text.as_str()) {
            let reason =
                words.detail.rsplit_once("reason ").map_or(words.detail.as_str(), |(_, reason)| reason);
            self.untold.get_or_insert(format!("{name} cannot go on: {reason}"));
        } else if error.error().matches(gst::CoreError::MissingPlugin)
            && let Some((file, kind)) = files.of(source)
        {
            self.told.get_or_insert(format!("{}: {}", file.display(), missing(&words.detail, kind)));
        } else {
            self.told.get_or_insert(words.line(source, files));
        }
    }

    /// Whether a later error could not tell more.
    pub fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// The line.
    pub fn line(self) -> String {
        self.told.or(self.untold).unwrap_or_else(|| "the pipeline does not run".to_owned())
    }
}

/// One line for a warning.
pub fn warning(warning: &gst::message::Warning, files: &Files) -> String {
    Words::of(warning.error().message(), warning.debug().as_deref()).line(warning.src(), files)
}

struct Words {
    text: String,
    /// What elements tell behind the place in their source, such as a file's name.
    detail: String,
}

impl Words {
    fn of(text: &str, debug: Option<&str>) -> Self {
        let detail = debug.and_then(|debug| debug.split_once('\n')).map_or("", |(_, detail)| detail);
        Self { text: one_line(text), detail: one_line(detail) }
    }

    fn line(self, source: Option<&gst::Object>, files: &Files) -> String {
        let Self { text, detail } = self;
        let line = match detail {
            detail if detail.is_empty() || detail == text => text,
            detail if detail.contains('/') => detail,
            detail => format!("{text} ({detail})"),
        };
        match files.named(source) {
            Some(file) => format!("{}: {line}", file.display()),
            None => line,
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What decodebin could not decode: `no suitable plugins found: Missing decoder: NAME (CAPS) …`. Whatever it is asked for, it
/// misses decoders of all that is in a file.
fn missing(detail: &str, kind: Kind) -> String {
    let mut all = detail.split("Missing decoder: ").skip(1).map(str::trim).peekable();
    if all.peek().is_none() {
        return detail.to_owned();
    }
    let other: &[&str] = match kind {
        Kind::Sound => &["(video/", "(image/", "(text/"],
        Kind::Pictures => &["(audio/", "(text/"],
    };
    match all.find(|what| !other.iter().any(|other| what.contains(other))) {
        Some(wanted) => {
            let name = wanted.split_once(" (").map_or(wanted, |(name, _)| name);
            format!("GStreamer has no decoder of {name}")
        }
        None => kind.missing().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::VIDEO;

    #[test]
    fn a_file_of_pictures_alone_misses_no_decoder() {
        let video = "no suitable plugins found: Missing decoder: H.264 (High Profile) (video/x-h264, level=(string)1)";
        assert_eq!(missing(video, Kind::Sound), "there is no sound in it");
        let both = format!("{video} Missing decoder: Monkey's Audio (audio/x-ape)");
        assert_eq!(missing(&both, Kind::Sound), "GStreamer has no decoder of Monkey's Audio");
        assert_eq!(missing(&both, Kind::Pictures), "GStreamer has no decoder of H.264");
        assert_eq!(missing("something else", Kind::Sound), "something else");
    }

    fn error_of(
        source: &gst::Element,
        code: impl gst::MessageErrorDomain,
        text: &str,
        debug: &str,
    ) -> gst::Message {
        gst::message::Error::builder(code, text).src(source).debug(debug).build()
    }

    #[test]
    fn the_error_that_tells_something_counts() {
        gst::init().unwrap();
        let element = gst::ElementFactory::make("fakesrc").name("reader").build().unwrap();
        let flow = "gstx.c(1): loop (): /GstPipeline:p:\nstreaming stopped, reason not-negotiated (-4)";
        let internal = error_of(&element, gst::StreamError::Failed, "Internal data stream error.", flow);
        let own = error_of(&element, gst::StreamError::Format, "width=63 cannot be had", "x.rs(1): f ()");
        let file = error_of(
            &element,
            gst::ResourceError::Read,
            "Cannot read.",
            "x.rs(1): f ()\ncannot read\n/a/b.png",
        );
        let files = Files { recording: "a.wav".into(), video: Some("b.mp4".into()), output: "c.mp4".into() };
        let line = |messages: &[&gst::Message]| {
            let mut failure = Failure::default();
            for message in messages {
                if let gst::MessageView::Error(error) = message.view() {
                    failure.add(error, &files);
                }
            }
            failure.line()
        };
        assert_eq!(line(&[&internal, &own]), "width=63 cannot be had");
        assert_eq!(line(&[&own, &internal]), "width=63 cannot be had");
        assert_eq!(line(&[&internal]), "reader cannot go on: not-negotiated (-4)");
        assert_eq!(line(&[&file]), "cannot read /a/b.png");
        assert_eq!(line(&[]), "the pipeline does not run");
        let full = gst::ElementFactory::make("filesink").build().unwrap();
        let full = error_of(&full, gst::ResourceError::NoSpaceLeft, "No space left on the resource.", "");
        assert_eq!(line(&[&full]), "c.mp4: No space left on the resource.");
        // What decodes tells nothing of its file.
        for (name, expected) in [("any", "a.wav: broken"), (VIDEO, "b.mp4: broken")] {
            let decoder = gst::ElementFactory::make("decodebin").name(name).build().unwrap();
            let broken = error_of(&decoder, gst::StreamError::Decode, "broken", "");
            assert_eq!(line(&[&broken]), expected);
        }
    }
}
