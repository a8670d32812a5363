// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files that a film is made of: checked, decoded, and known by name where their decoders complain.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gst::prelude::*;

/// Name of the decoder of the video.
pub const VIDEO: &str = "video-decoder";

/// Elements that read the recording.
const OF_RECORDING: [&str; 2] = ["decodebin", "audiofeatures"];

/// So many bytes tell what a file is.
const HEAD: u64 = 12;

/// How photos begin, and what GStreamer plays without an end.
const JPEG: &[u8] = b"\xff\xd8\xff";
const PNG: &[u8] = b"\x89PNG";
const WEBP: (&[u8], &[u8]) = (b"RIFF", b"WEBP");
const GIF: &[u8] = b"GIF8";

/// How a recording in chunks begins, and how long the header of a chunk is.
const WAVE: (&[u8], &[u8]) = (b"RIFF", b"WAVE");
const CHUNK_HEAD: u64 = 8;

/// What is decoded, for messages.
pub struct Files {
    pub recording: PathBuf,
    pub video: Option<PathBuf>,
    /// The film as it is to be called.
    pub output: PathBuf,
}

/// What a decoder was to find in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sound,
    Pictures,
}

impl Files {
    /// The file that an element reads or writes.
    pub fn named(&self, source: Option<&gst::Object>) -> Option<&Path> {
        let writes = source
            .and_then(|source| source.downcast_ref::<gst::Element>()?.factory())
            .is_some_and(|factory| factory.name() == "filesink");
        if writes { Some(&self.output) } else { self.of(source).map(|(file, _)| file) }
    }

    /// The file that an element reads, or one that it is inside of: elements that decode do not say of which they speak.
    pub fn of(&self, source: Option<&gst::Object>) -> Option<(&Path, Kind)> {
        std::iter::successors(source.cloned(), gst::Object::parent).find_map(|object| {
            let element = object.downcast_ref::<gst::Element>()?;
            if element.name() == VIDEO {
                return self.video.as_deref().map(|video| (video, Kind::Pictures));
            }
            let is_of_recording = OF_RECORDING.contains(&element.factory()?.name().as_str());
            is_of_recording.then_some((self.recording.as_path(), Kind::Sound))
        })
    }
}

impl Kind {
    /// What begins the name of the media type.
    fn media(self) -> &'static str {
        match self {
            Self::Sound => "audio/",
            Self::Pictures => "video/",
        }
    }

    /// What is wrong with a file that has none.
    pub fn missing(self) -> &'static str {
        match self {
            Self::Sound => "there is no sound in it",
            Self::Pictures => "there are no pictures in it",
        }
    }
}

/// Says in one line why a file cannot be read.
pub fn check_readable(file: &Path) -> Result<()> {
    if file.is_dir() {
        bail!("{} is a folder, not a file", file.display());
    }
    let named = || format!("cannot read {}", file.display());
    // What is said into a pipe is heard once.
    if file.metadata().with_context(named)?.is_file() {
        File::open(file).with_context(named)?;
    }
    Ok(())
}

/// Says what a file is that is no video, where its first bytes tell.
pub fn check_video(file: &Path) -> Result<()> {
    let named = || format!("cannot read {}", file.display());
    // What a pipe says is heard once.
    if !file.metadata().with_context(named)?.is_file() {
        return Ok(());
    }
    let mut head = Vec::new();
    File::open(file).with_context(named)?.take(HEAD).read_to_end(&mut head).with_context(named)?;
    let bare =
        file.extension().is_some_and(|e| e.eq_ignore_ascii_case("mjpeg") || e.eq_ignore_ascii_case("mjpg"));
    if head.starts_with(GIF) || bare {
        let what = if bare { "bare JPEGs" } else { "a GIF" };
        bail!(
            "{0} is {what}, whose pictures GStreamer gives no times: make a video of it, as with `ffmpeg -i {0} -pix_fmt yuv420p video.mp4`",
            file.display()
        );
    }
    let is_webp = head.starts_with(WEBP.0) && head.ends_with(WEBP.1);
    if is_webp || head.starts_with(JPEG) || head.starts_with(PNG) {
        bail!("{} is a photo: without --video it speaks", file.display());
    }
    Ok(())
}

/// Whether less than another chunk's header lies behind the last chunk of a WAV file, such as the byte that pads an odd one: where
/// `wavparse` may look ahead it plays nothing of such a file (1.22). Chunks are followed as it does it, without their padding.
pub fn ends_in_a_stub(file: &Path) -> bool {
    let follow = || -> std::io::Result<bool> {
        let mut file = File::open(file)?;
        let (length, mut head) = (file.metadata()?.len(), [0; HEAD as usize]);
        file.read_exact(&mut head)?;
        if !head.starts_with(WAVE.0) || !head.ends_with(WAVE.1) {
            return Ok(false);
        }
        let (mut at, mut chunk) = (HEAD, [0; CHUNK_HEAD as usize]);
        while at + CHUNK_HEAD <= length {
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut chunk)?;
            let [.., a, b, c, d] = chunk;
            at += CHUNK_HEAD + u64::from(u32::from_le_bytes([a, b, c, d]));
        }
        Ok(at < length)
    };
    // What is heard once is not looked at.
    file.is_file() && follow().unwrap_or(false)
}

/// Keeps a pipe open until the first of it was read. Who writes into it may have gone before GStreamer opens it, which would wait
/// for another; or would be ended by a signal while GStreamer opens it, closes it and opens it again.
pub fn hold_pipe(file: &Path, source: &gst::Element) -> Result<()> {
    let named = || format!("cannot read {}", file.display());
    if !file.metadata().with_context(named)?.file_type().is_fifo() {
        return Ok(());
    }
    // For writing too: that waits for nobody.
    let both = File::options().read(true).write(true).open(file);
    let pipe = both.or_else(|_| File::open(file)).with_context(named)?;
    if let Some(pad) = source.static_pad("src") {
        // What is open for writing has no end: it closes with the probe.
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let _held = &pipe;
            gst::PadProbeReturn::Remove
        });
    }
    Ok(())
}

/// Links the first stream of a kind that the decoder finds; a file without any is an error. Where a file is several in a row,
/// as a chained Ogg file is, each brings its own pad when the one before is gone.
pub fn link_decoded(decode: &gst::Element, convert: &gst::Element, kind: Kind) {
    let to = convert.downgrade();
    decode.connect_pad_added(move |decode, pad| {
        let media = kind.media();
        let is_wanted = pad
            .current_caps()
            .unwrap_or_else(|| pad.query_caps(None))
            .structure(0)
            .is_some_and(|s| s.name().starts_with(media));
        if let (true, Some(sink)) = (is_wanted, to.upgrade().and_then(|c| c.static_pad("sink")))
            && !sink.is_linked()
            && let Err(error) = pad.link(&sink)
        {
            gst::element_error!(decode, gst::CoreError::Pad, ("cannot link {media} {error}"));
        }
    });
    let to = convert.downgrade();
    decode.connect_no_more_pads(move |decode| {
        let linked = to.upgrade().and_then(|c| c.static_pad("sink")).is_some_and(|pad| pad.is_linked());
        if !linked {
            gst::element_error!(decode, gst::StreamError::WrongType, ("{}", kind.missing()));
        }
    });
}

/// Gives the channels of sound places of which nobody says where they are, as of recorders of three or seven: without a word
/// of it `audioconvert` refuses more than two.
pub fn place_channels(convert: &gst::Element) {
    let Some(pad) = convert.static_pad("sink") else { return };
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &mut info.data
            && let gst::EventView::Caps(caps) = event.view()
            && let Some(sound) = caps.caps().structure(0)
            && let Ok(channels @ 3..) = sound.get::<i32>("channels")
            && !sound.has_field("channel-mask")
        {
            let mut caps = caps.caps_owned();
            caps.make_mut().set("channel-mask", gst::Bitmask::new(places(channels)));
            *event = gst::event::Caps::builder(&caps).seqnum(event.seqnum()).build();
        }
        gst::PadProbeReturn::Ok
    });
}

/// Places for so many channels, as bits: the first ones, but for those of low sounds, which stereo would leave out. None where
/// there are not as many.
fn places(channels: i32) -> u64 {
    const ALL: i32 = 28;
    const LOW: [i32; 2] = [3, 9];
    let heard: Vec<i32> = (0..ALL).filter(|place| !LOW.contains(place)).collect();
    let taken = usize::try_from(channels).ok().and_then(|n| heard.get(..n));
    taken.unwrap_or_default().iter().fold(0, |mask, place| mask | 1 << place)
}

/// When what has this timestamp is played; nothing outside of what is.
pub fn running_time(pad: &gst::Pad, time: gst::ClockTime) -> Option<gst::ClockTime> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    event.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_get_as_many_places_as_they_are_and_none_that_stereo_leaves_out() {
        assert_eq!(places(3), 0b111);
        assert_eq!(places(7), 0b1111_0111);
        for channels in 1..=26 {
            assert_eq!(
                (places(channels).count_ones(), places(channels) & (1 << 3 | 1 << 9)),
                (channels as u32, 0)
            );
        }
        assert_eq!((places(27), places(64)), (0, 0));
    }
}
