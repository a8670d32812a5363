// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the pad `pose` has seen: the faces of the driving video, by running time.
//!
//! The pad's thread pushes, the main pad's thread asks. Without a live source the one that is ahead waits for the other,
//! so that the same two streams give the same pictures; with one, the newest face counts and nobody waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::face::landmark::pose::Pose;
use crate::stream::element::lock;

/// How far the video may be ahead of the speech.
const AHEAD: gst::ClockTime = gst::ClockTime::SECOND;

/// How much of a video is kept to be played again.
const LONGEST_LOOP: gst::ClockTime = gst::ClockTime::from_seconds(600);

/// Whether the pad is still linked is looked up this often while waiting: unlinking wakes nobody.
const RECHECK: Duration = Duration::from_millis(100);

/// A tracked face in one frame of the video.
#[derive(Debug)]
pub struct TrackedFace {
    /// Running times.
    pub start: gst::ClockTime,
    pub end: gst::ClockTime,
    pub pose: Pose,
    /// Normalised landmarks.
    pub landmarks: Vec<[f32; 3]>,
    /// The frame shows no face: this is an earlier frame's.
    pub lost: bool,
    /// How often another face had taken the place of the one before.
    pub face: u64,
}

/// The answer to [`Track::at`].
#[derive(Clone, Debug)]
pub struct DrivingFace {
    pub tracked: Arc<TrackedFace>,
    /// How often the video had started again, and been flushed or shown another face: the face may jump where these change.
    pub turn: (u64, u64),
}

/// The faces of a driving video.
#[derive(Debug, Default)]
pub struct Track {
    inner: Mutex<Inner>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    faces: VecDeque<Arc<TrackedFace>>,
    /// All of them, where they are to be played again.
    record: Vec<Arc<TrackedFace>>,
    looping: bool,
    live: bool,
    /// Up to here there is no other face than those in `faces`.
    covered: gst::ClockTime,
    /// Where the speech is.
    asked: gst::ClockTime,
    ended: bool,
    flushes: u64,
    pad_flushing: bool,
    main_flushing: bool,
    main_ended: bool,
    /// The segment of the speech is over: its video goes on without waiting for anybody, up to its own end.
    main_rests: bool,
}

impl Track {
    /// A new life of the element: forgets everything.
    pub fn start(&self, looping: bool) {
        *lock(&self.inner) = Inner { looping, ..Inner::default() };
    }

    /// Whether a live source feeds either pad.
    pub fn set_live(&self, live: bool) {
        lock(&self.inner).live = live;
        self.wake.notify_all();
    }

    /// Makes both threads return: the element stops.
    pub fn stop(&self) {
        let mut inner = lock(&self.inner);
        (inner.pad_flushing, inner.main_flushing) = (true, true);
        self.wake.notify_all();
    }

    /// The main pad begins or ends to flush.
    pub fn flush_main(&self, flushing: bool) {
        let mut inner = lock(&self.inner);
        inner.main_flushing = flushing;
        (inner.main_ended, inner.main_rests, inner.asked) = (false, false, gst::ClockTime::ZERO);
        self.wake.notify_all();
    }

    /// The main stream is over: nobody needs the video any more.
    pub fn end_main(&self, ended: bool) {
        let mut inner = lock(&self.inner);
        (inner.main_ended, inner.main_rests) = (ended, false);
        drop(inner);
        self.wake.notify_all();
    }

    /// The segment of the main stream is over, and another one may begin: until then nobody needs the video.
    pub fn rest_main(&self) {
        lock(&self.inner).main_rests = true;
        self.wake.notify_all();
    }

    /// A segment of the video begins; the speech that asked for it waits for it, and it for the speech.
    pub fn begin_pad_segment(&self) {
        let mut inner = lock(&self.inner);
        (inner.ended, inner.main_rests) = (false, false);
        drop(inner);
        self.wake.notify_all();
    }

    /// The video is asked for another segment: the speech waits for that. Returns whether it was over.
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

    /// Another video begins: as if the pad had flushed.
    pub fn forget(&self) {
        let mut inner = lock(&self.inner);
        inner.forget();
        inner.flushes += 1;
        self.wake.notify_all();
    }

    /// The video is over, or another one begins after it.
    pub fn end_pad(&self, ended: bool) {
        lock(&self.inner).ended = ended;
        self.wake.notify_all();
    }

    /// Nothing new comes before that running time: the video has a gap.
    pub fn cover(&self, until: gst::ClockTime) {
        let mut inner = lock(&self.inner);
        inner.covered = inner.covered.max(until);
        self.wake.notify_all();
    }

    /// Takes a face; returns when the speech has nearly come to it.
    ///
    /// # Errors
    /// Flushing, or the end of the main stream.
    pub fn push(&self, tracked: TrackedFace) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut inner = lock(&self.inner);
        inner.flow()?;
        let start = tracked.start;
        inner.covered = inner.covered.max(tracked.end);
        let tracked = Arc::new(tracked);
        inner.faces.push_back(Arc::clone(&tracked));
        if inner.looping && inner.record.first().is_none_or(|first| start < first.start + LONGEST_LOOP) {
            inner.record.push(tracked);
        }
        self.wake.notify_all();
        while !inner.live && !inner.main_rests && start > inner.asked + AHEAD {
            inner = self.wait(inner);
            inner.flow()?;
        }
        // Live, the speech may stand still while the camera goes on.
        if inner.live || inner.main_rests {
            let oldest = start.saturating_sub(AHEAD * 4);
            inner.faces.retain(|tracked| tracked.start >= oldest);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// The face at a running time; waits for it while `linked` says that one may come. `None`: the video shows none yet,
    /// or is not there.
    pub fn at(&self, time: gst::ClockTime, linked: impl Fn() -> bool) -> Option<DrivingFace> {
        let mut inner = lock(&self.inner);
        inner.asked = time;
        self.wake.notify_all();
        loop {
            if inner.main_flushing {
                return None;
            }
            while inner.faces.get(1).is_some_and(|next| next.start <= time) {
                inner.faces.pop_front();
            }
            let is_known = inner.live || inner.ended || inner.covered > time || inner.faces.len() > 1;
            if is_known || !linked() {
                return inner.driving(time);
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
        self.faces.clear();
        self.record.clear();
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

    fn driving(&self, time: gst::ClockTime) -> Option<DrivingFace> {
        if let (true, true, Some(first), Some(last)) =
            (self.looping, self.ended, self.record.first(), self.record.last())
            && time >= last.end
            && last.end > first.start
        {
            let (length, since) = ((last.end - first.start).nseconds(), (time - first.start).nseconds());
            let within = first.start + gst::ClockTime::from_nseconds(since % length);
            let index = self.record.partition_point(|tracked| tracked.start <= within).saturating_sub(1);
            let tracked = Arc::clone(self.record.get(index)?);
            let faces = self.flushes + tracked.face;
            return Some(DrivingFace { tracked, turn: (since / length, faces) });
        }
        let tracked = self.faces.front().filter(|tracked| self.live || tracked.start <= time)?;
        Some(DrivingFace { tracked: Arc::clone(tracked), turn: (0, self.flushes + tracked.face) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

    fn tracked(n: u64) -> TrackedFace {
        let pose = Pose { yaw: n as f32, ..Pose::default() };
        TrackedFace {
            start: FRAME * n,
            end: FRAME * (n + 1),
            pose,
            landmarks: Vec::new(),
            lost: false,
            face: 0,
        }
    }

    fn track(looping: bool, faces: u64) -> Track {
        let track = Track::default();
        track.start(looping);
        for n in 0..faces {
            track.push(tracked(n)).unwrap();
        }
        track
    }

    fn yaw(track: &Track, time: gst::ClockTime) -> Option<f32> {
        track.at(time, || false).map(|m| m.tracked.pose.yaw)
    }

    #[test]
    fn a_time_gets_the_face_that_is_shown_then() {
        let track = track(false, 5);
        assert_eq!(yaw(&track, FRAME), Some(1.0));
        assert_eq!(yaw(&track, FRAME * 3 + FRAME / 2), Some(3.0));
        let late = Track::default();
        late.push(tracked(7)).unwrap();
        assert_eq!(yaw(&late, FRAME * 6), None, "the video begins later");
    }

    #[test]
    fn the_end_is_held_or_the_video_starts_again() {
        let held = track(false, 5);
        held.end_pad(true);
        assert_eq!(yaw(&held, FRAME * 100), Some(4.0));
        let looped = track(true, 5);
        looped.end_pad(true);
        for n in 0..17 {
            let driving = looped.at(FRAME * n, || true).unwrap();
            assert_eq!((driving.tracked.pose.yaw, driving.turn.0), ((n % 5) as f32, n / 5), "frame {n}");
        }
    }

    #[test]
    fn the_speech_waits_for_the_video_and_the_video_for_the_speech() {
        let track = Arc::new(track(false, 0));
        let pusher = std::thread::spawn({
            let track = Arc::clone(&track);
            move || (0..200).try_for_each(|n| track.push(tracked(n)).map(drop))
        });
        for n in 0..90 {
            let driving = track.at(FRAME * n, || true).unwrap();
            assert_eq!(driving.tracked.pose.yaw, n as f32);
            assert!(lock(&track.inner).faces.len() <= 28, "the video runs ahead");
        }
        track.end_main(true);
        assert_eq!(pusher.join().unwrap(), Err(gst::FlowError::Eos));
    }

    /// The seek that starts the next segment waits for the video's thread.
    #[test]
    fn a_video_whose_speech_rests_does_not_wait_until_its_next_segment() {
        let track = Arc::new(track(false, 20));
        let (done, is_done) = std::sync::mpsc::channel();
        let pusher = std::thread::spawn({
            let track = Arc::clone(&track);
            move || {
                let flow = (20..400).try_for_each(|n| track.push(tracked(n)).map(drop));
                done.send(()).unwrap();
                flow
            }
        });
        assert!(is_done.recv_timeout(Duration::from_millis(300)).is_err(), "it runs ahead of the speech");
        track.rest_main();
        assert_eq!(pusher.join().unwrap(), Ok(()));
        assert!(lock(&track.inner).faces.len() <= 102, "what nobody asks for is not kept");
        // Over, and again.
        track.end_pad(true);
        assert_eq!(yaw(&track, FRAME * 1000), Some(399.0), "the end is held");
        assert!(track.expect_segment());
        track.begin_pad_segment();
        let asking = std::thread::spawn({
            let track = Arc::clone(&track);
            move || track.at(FRAME * 500, || true).map(|m| m.tracked.pose.yaw)
        });
        for n in 500..510 {
            track.push(tracked(n)).unwrap();
        }
        assert_eq!(asking.join().unwrap(), Some(500.0), "the next segment is waited for");
    }

    #[test]
    fn flushing_wakes_both_and_forgets() {
        let track = Arc::new(track(false, 3));
        let waiting = std::thread::spawn({
            let track = Arc::clone(&track);
            move || track.at(FRAME * 50, || true).is_some()
        });
        track.stop();
        assert!(!waiting.join().unwrap());
        assert_eq!(track.push(tracked(3)), Err(gst::FlowError::Flushing));
        track.flush_main(false);
        track.flush_pad(false);
        assert_eq!(yaw(&track, FRAME), None);
        track.push(tracked(1)).unwrap();
        assert_eq!(yaw(&track, FRAME), Some(1.0));
    }

    #[test]
    fn another_video_takes_the_place_of_the_first() {
        let track = track(true, 5);
        track.end_pad(true);
        track.forget();
        assert_eq!(yaw(&track, FRAME * 3), None, "nothing of the first is shown or played again");
        track.push(tracked(0)).unwrap();
        assert_eq!(track.at(FRAME * 3, || false).unwrap().turn, (0, 1), "the face may jump here");
    }

    #[test]
    fn another_face_may_jump_and_when_the_video_starts_again_the_first_one_may() {
        let track = Track::default();
        track.start(true);
        for n in 0..4 {
            track.push(TrackedFace { face: n / 2, ..tracked(n) }).unwrap();
        }
        track.end_pad(true);
        let turns: Vec<_> = (0..6).map(|n| track.at(FRAME * n, || true).unwrap().turn).collect();
        assert_eq!(turns, [(0, 0), (0, 0), (0, 1), (0, 1), (1, 0), (1, 0)]);
    }

    #[test]
    fn live_nobody_waits() {
        let track = track(false, 0);
        track.set_live(true);
        for n in 0..1000 {
            track.push(tracked(n)).unwrap();
        }
        assert!(lock(&track.inner).faces.len() <= 102);
        assert_eq!(yaw(&track, FRAME * 2000), Some(999.0));
    }
}
