// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the pad `voice` has said: mouths by running time.
//!
//! The pad's thread pushes, the video's thread asks. Where nothing is live the one that is ahead waits for the other, so that
//! the same two streams give the same pictures. Live, a frame waits for the mouth of its time no longer than the latency that
//! the element reports allows.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::stream::element::lock;

/// How far the voice may be ahead of the video.
const AHEAD: gst::ClockTime = gst::ClockTime::SECOND;

/// Whether the pad is still linked, and what time it is, is looked up this often while waiting.
const RECHECK: Duration = Duration::from_millis(10);

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

/// The answer to [`Voice::at`].
#[derive(Clone, Debug)]
pub struct Said {
    pub word: Arc<Word>,
    /// The one after it, and how far the time lies on the way there, 0 to 1.
    pub next: Option<(Arc<Word>, f32)>,
}

/// The mouths of a voice.
#[derive(Debug, Default)]
pub struct Voice {
    inner: Mutex<Inner>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    words: VecDeque<Arc<Word>>,
    /// Whether the voice, or anything, is live.
    voice_live: bool,
    live: bool,
    /// Up to here nothing comes but what is in `words`.
    covered: gst::ClockTime,
    asked: gst::ClockTime,
    ended: bool,
    flushes: u64,
    pad_flushing: bool,
    main_flushing: bool,
    main_ended: bool,
    /// The segment of the video is over: the voice goes on without waiting, up to its own end.
    main_rests: bool,
}

impl Voice {
    /// A new life of the element: forgets everything.
    pub fn start(&self) {
        *lock(&self.inner) = Inner::default();
    }

    /// Whether the voice is live, and whether anything is.
    pub fn set_live(&self, voice: bool, any: bool) {
        let mut inner = lock(&self.inner);
        (inner.voice_live, inner.live) = (voice, any);
        self.wake.notify_all();
    }

    /// Makes both threads return: the element stops.
    pub fn stop(&self) {
        let mut inner = lock(&self.inner);
        (inner.pad_flushing, inner.main_flushing) = (true, true);
        self.wake.notify_all();
    }

    /// The video begins or ends to flush.
    pub fn flush_main(&self, flushing: bool) {
        let mut inner = lock(&self.inner);
        inner.main_flushing = flushing;
        (inner.main_ended, inner.main_rests, inner.asked) = (false, false, gst::ClockTime::ZERO);
        self.wake.notify_all();
    }

    /// The video is over: nobody needs the voice any more.
    pub fn end_main(&self, ended: bool) {
        let mut inner = lock(&self.inner);
        (inner.main_ended, inner.main_rests) = (ended, false);
        self.wake.notify_all();
    }

    /// The segment of the video is over, and another one may begin.
    pub fn rest_main(&self) {
        lock(&self.inner).main_rests = true;
        self.wake.notify_all();
    }

    /// A segment of the voice begins.
    pub fn begin_segment(&self) {
        let mut inner = lock(&self.inner);
        (inner.ended, inner.main_rests) = (false, false);
        self.wake.notify_all();
    }

    /// The voice is asked for another segment: the video waits for that. Returns whether it was over.
    pub fn expect_segment(&self) -> bool {
        std::mem::take(&mut lock(&self.inner).ended)
    }

    /// The pad begins or ends to flush; what it had sent is forgotten.
    pub fn flush_pad(&self, flushing: bool) {
        let mut inner = lock(&self.inner);
        inner.forget();
        inner.flushes += u64::from(flushing);
        inner.pad_flushing = flushing;
        self.wake.notify_all();
    }

    /// Another voice begins: as if the pad had flushed.
    pub fn forget(&self) {
        let mut inner = lock(&self.inner);
        inner.forget();
        inner.flushes += 1;
        self.wake.notify_all();
    }

    /// The voice is over, or another one begins after it.
    pub fn end_pad(&self, ended: bool) {
        lock(&self.inner).ended = ended;
        self.wake.notify_all();
    }

    /// Nothing new comes before that running time.
    pub fn cover(&self, until: gst::ClockTime) {
        let mut inner = lock(&self.inner);
        inner.covered = inner.covered.max(until);
        self.wake.notify_all();
    }

    /// Takes a mouth; returns when the video has nearly come to it.
    ///
    /// # Errors
    /// Flushing, or the end of the video.
    pub fn push(&self, word: Word) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut inner = lock(&self.inner);
        inner.flow()?;
        let start = word.start;
        inner.covered = inner.covered.max(word.end);
        inner.words.push_back(Arc::new(word));
        self.wake.notify_all();
        while !inner.voice_live && !inner.main_rests && start > inner.asked + AHEAD {
            inner = self.wait(inner);
            inner.flow()?;
        }
        // The video may stand still while a live voice goes on.
        if inner.voice_live || inner.main_rests {
            let oldest = start.saturating_sub(AHEAD * 4);
            inner.words.retain(|word| word.end >= oldest);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// The mouth at a running time; waits for it while `linked` says that one may come and, live, `late` does not say that
    /// the time is up. `None`: the voice says nothing then.
    pub fn at(
        &self,
        time: gst::ClockTime,
        linked: impl Fn() -> bool,
        late: impl Fn() -> bool,
    ) -> Option<Said> {
        let mut inner = lock(&self.inner);
        inner.asked = time;
        self.wake.notify_all();
        loop {
            if inner.main_flushing {
                return None;
            }
            while inner.words.get(1).is_some_and(|next| next.start <= time) {
                inner.words.pop_front();
            }
            // The mouth after it too: most times lie between two.
            let is_known = inner.ended
                || inner.words.len() > 1
                || inner.covered > time && inner.words.front().is_none_or(|w| w.start >= time);
            if is_known {
                return inner.said(time);
            }
            let live = inner.live;
            // Others' locks are not waited for with this one held.
            drop(inner);
            let over = !linked() || live && late();
            inner = lock(&self.inner);
            if over {
                return inner.said(time);
            }
            inner = self.wait(inner);
        }
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        self.wake.wait_timeout(guard, RECHECK).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Inner {
    /// Forgets what the pad has sent.
    fn forget(&mut self) {
        self.words.clear();
        self.covered = gst::ClockTime::ZERO;
        self.ended = false;
    }

    /// What the pad's thread is to do.
    fn flow(&self) -> Result<(), gst::FlowError> {
        if self.pad_flushing {
            Err(gst::FlowError::Flushing)
        } else if self.main_ended {
            Err(gst::FlowError::Eos)
        } else {
            Ok(())
        }
    }

    fn said(&self, time: gst::ClockTime) -> Option<Said> {
        let word = self.words.front().filter(|word| word.start <= time)?;
        let next = self.words.get(1).filter(|next| next.start <= word.end + (word.end - word.start) * 2);
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
        let said = voice.at(time, || false, || false)?;
        let first = said.word.landmarks[0][0];
        Some(said.next.map_or(first, |(next, t)| first + (next.landmarks[0][0] - first) * t))
    }

    #[test]
    fn a_time_between_two_frames_gets_the_mouth_between_them() {
        let voice = voice(6);
        assert_eq!(said(&voice, FRAME), Some(1.0));
        assert_eq!(said(&voice, FRAME * 3 + FRAME / 2), Some(3.5));
        voice.end_pad(true);
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
            let said = voice.at(FRAME * n, || true, || false).unwrap();
            assert_eq!(said.word.landmarks[0][0], n as f32);
            assert!(lock(&voice.inner).words.len() <= 30, "the voice runs ahead");
        }
        voice.end_main(true);
        assert_eq!(pusher.join().unwrap(), Err(gst::FlowError::Eos));
    }

    #[test]
    fn flushing_wakes_both_and_forgets() {
        let voice = Arc::new(voice(3));
        let waiting = std::thread::spawn({
            let voice = Arc::clone(&voice);
            move || voice.at(FRAME * 50, || true, || false).is_some()
        });
        voice.stop();
        assert!(!waiting.join().unwrap());
        assert_eq!(voice.push(word(3)), Err(gst::FlowError::Flushing));
        voice.flush_main(false);
        voice.flush_pad(false);
        assert_eq!(said(&voice, FRAME), None);
        voice.push(word(1)).unwrap();
        assert_eq!(said(&voice, FRAME), Some(1.0));
    }

    #[test]
    fn live_a_frame_waits_only_until_it_would_be_late_and_a_recorded_voice_still_waits_for_the_video() {
        let voice = Arc::new(voice(0));
        voice.set_live(false, true);
        assert!(voice.at(FRAME, || true, || true).is_none());
        let pusher = std::thread::spawn({
            let voice = Arc::clone(&voice);
            move || (0..500).try_for_each(|n| voice.push(word(n)).map(drop))
        });
        for n in 0..400 {
            assert!(voice.at(FRAME * n, || true, || false).is_some(), "frame {n}");
        }
        voice.stop();
        assert_eq!(pusher.join().unwrap(), Err(gst::FlowError::Flushing));
    }
}
