// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the pad `voice` has said: mouths by running time, as `speech2landmarks` sends them.
//!
//! Live, a frame waits for the mouth of its time no longer than the latency that the element reports allows.

use std::sync::Arc;

use crate::face::landmark::COUNT;
use crate::stream::meeting::{Meeting, Side, Timed};
use crate::stream::side::SidePad;
use crate::stream::tensor::{FrameMeta, buffer, meta};

/// Name of the pad and of its template.
pub const NAME: &str = "voice";

/// The pad, and what came to it.
pub type VoicePad = SidePad<Word>;

/// The mouths of a voice.
pub type Voice = Meeting<Word>;

/// The mouth of one frame of the voice.
#[derive(Debug)]
pub struct Word {
    /// Running times.
    pub start: gst::ClockTime,
    pub end: gst::ClockTime,
    /// Normalised landmarks of the mean face.
    pub landmarks: Vec<[f32; 3]>,
    /// Level of the frame and of what follows it, dB; `None` where the stream does not tell.
    pub loudness: Option<[f32; 2]>,
}

impl Word {
    /// Reads a buffer with these running times. `None` where a number is not finite.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(
        buffer: &gst::BufferRef,
        (start, end): (gst::ClockTime, gst::ClockTime),
    ) -> Result<Option<Self>, String> {
        let mut landmarks = vec![[0.0; 3]; COUNT];
        buffer::read_f32(buffer, landmarks.as_flattened_mut()).map_err(|e| e.to_string())?;
        if landmarks.as_flattened().iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let loudness = meta::read(buffer, FrameMeta::Loudness).and_then(|m| m.data.try_into().ok());
        Ok(Some(Self { start, end, landmarks, loudness }))
    }
}

impl Timed for Word {
    fn span(&self) -> (gst::ClockTime, gst::ClockTime) {
        (self.start, self.end)
    }
}

/// What is said at a time.
#[derive(Clone, Debug)]
pub struct Said {
    pub word: Arc<Word>,
    /// The one after it, and how far the time lies on the way there, 0 to 1.
    pub next: Option<(Arc<Word>, f32)>,
}

/// The mouth at a running time; waits for it while `linked` says that one may come and, live, `late` does not say that the
/// time is up. `None`: the voice says nothing then.
pub fn at(
    voice: &Voice,
    time: gst::ClockTime,
    linked: impl Fn() -> bool,
    late: impl Fn() -> bool,
) -> Option<Said> {
    // The mouth after it too: most times lie between two.
    let is_known = |voice: &Side<Word>| {
        voice.ended
            || voice.items.len() > 1
            || voice.covered > time && voice.items.front().is_none_or(|w| w.start >= time)
    };
    voice.at(time, is_known, |live| !linked() || live && late(), |voice| said(voice, time))
}

fn said(voice: &Side<Word>, time: gst::ClockTime) -> Option<Said> {
    let word = voice.items.front().filter(|word| word.start <= time)?;
    let next = voice.items.get(1).filter(|next| next.start <= word.end + (word.end - word.start) * 2);
    // A voice that is over, or pauses, says nothing beyond its last frame.
    if next.is_none() && time >= word.end {
        return None;
    }
    let next = next.map(|next| {
        let (way, length) = ((time - word.start).nseconds(), (next.start - word.start).nseconds());
        (Arc::clone(next), way as f32 / length.max(1) as f32)
    });
    Some(Said { word: Arc::clone(word), next })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

    fn word(n: u64) -> Word {
        Word { start: FRAME * n, end: FRAME * (n + 1), landmarks: vec![[n as f32, 0.0, 0.0]], loudness: None }
    }

    fn voice(words: u64) -> Voice {
        let voice = Voice::default();
        for n in 0..words {
            voice.push(word(n)).unwrap();
        }
        voice
    }

    fn said(voice: &Voice, time: gst::ClockTime) -> Option<f32> {
        let said = at(voice, time, || false, || false)?;
        let first = said.word.landmarks[0][0];
        Some(said.next.map_or(first, |(next, t)| first + (next.landmarks[0][0] - first) * t))
    }

    #[test]
    fn a_time_between_two_frames_gets_the_mouth_between_them() {
        let voice = voice(6);
        assert_eq!(said(&voice, FRAME), Some(1.0));
        assert_eq!(said(&voice, FRAME * 3 + FRAME / 2), Some(3.5));
        voice.end_side(true);
        assert_eq!(said(&voice, FRAME * 5 + FRAME / 2), Some(5.0));
        assert_eq!(said(&voice, FRAME * 6), None, "the voice is over");
    }

    #[test]
    fn a_hole_in_the_voice_is_silence() {
        let voice = voice(2);
        voice.push(word(20)).unwrap();
        assert_eq!(said(&voice, FRAME * 10), None);
        assert_eq!(said(&voice, FRAME * 20), Some(20.0));
    }

    #[test]
    fn the_voice_waits_for_the_video_and_the_video_for_the_voice() {
        let voice = Arc::new(voice(0));
        let pusher = std::thread::spawn({
            let voice = Arc::clone(&voice);
            move || (0..200).try_for_each(|n| voice.push(word(n)).map(drop))
        });
        for n in 0..90 {
            let said = at(&voice, FRAME * n, || true, || false).unwrap();
            assert_eq!(said.word.landmarks[0][0], n as f32);
            assert!(voice.waiting() <= 30, "the voice runs ahead");
        }
        voice.end_main(true);
        assert_eq!(pusher.join().unwrap(), Err(gst::FlowError::Eos));
    }

    #[test]
    fn flushing_wakes_both_and_forgets() {
        let voice = Arc::new(voice(3));
        let waiting = std::thread::spawn({
            let voice = Arc::clone(&voice);
            move || at(&voice, FRAME * 50, || true, || false).is_some()
        });
        voice.stop();
        assert!(!waiting.join().unwrap());
        assert_eq!(voice.push(word(3)), Err(gst::FlowError::Flushing));
        voice.flush_main(false);
        voice.flush_side(false);
        assert_eq!(said(&voice, FRAME), None);
        voice.push(word(1)).unwrap();
        assert_eq!(said(&voice, FRAME), Some(1.0));
    }

    #[test]
    fn live_a_frame_waits_only_until_it_would_be_late_and_a_recorded_voice_still_waits_for_the_video() {
        let voice = Arc::new(voice(0));
        voice.set_live(false, true);
        assert!(at(&voice, FRAME, || true, || true).is_none());
        let pusher = std::thread::spawn({
            let voice = Arc::clone(&voice);
            move || (0..500).try_for_each(|n| voice.push(word(n)).map(drop))
        });
        for n in 0..400 {
            assert!(at(&voice, FRAME * n, || true, || false).is_some(), "frame {n}");
        }
        voice.stop();
        assert_eq!(pusher.join().unwrap(), Err(gst::FlowError::Flushing));
    }
}
