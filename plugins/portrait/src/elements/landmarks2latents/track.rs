// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the pad `pose` has seen: the faces of the driving video, as `facelandmarks` sends them, by running time.
//!
//! With a live source at either pad the newest face counts and nobody waits.

use std::sync::Arc;

use crate::face::landmark::COUNT;
use crate::face::landmark::pose::Pose;
use crate::stream::meeting::{Meeting, Record, Side, Timed};
use crate::stream::side::SidePad;
use crate::stream::tensor::{FrameMeta, buffer, meta};

/// Name of the pad and of its template.
pub const NAME: &str = "pose";

/// How much of a video is kept to be played again.
const LONGEST_LOOP: gst::ClockTime = gst::ClockTime::from_seconds(600);

/// The pad, and what came to it.
pub type PosePad = SidePad<TrackedFace, Recording>;

/// The faces of a driving video.
pub type Track = Meeting<TrackedFace, Recording>;

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

impl TrackedFace {
    /// Reads a buffer with these running times; `face` as in the field. `None` where a number is not finite.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(
        buffer: &gst::BufferRef,
        (start, end): (gst::ClockTime, gst::ClockTime),
        face: impl FnOnce(bool) -> u64,
    ) -> Result<Option<Self>, String> {
        let mut landmarks = vec![[0.0; 3]; COUNT];
        buffer::read_f32(buffer, landmarks.as_flattened_mut()).map_err(|e| e.to_string())?;
        let pose = meta::read(buffer, FrameMeta::Pose).and_then(|m| m.data.try_into().ok());
        let pose = pose.map(Pose::from_array).ok_or_else(|| {
            "landmarks on the pad `pose` carry no head pose: link a facelandmarks to it".to_owned()
        })?;
        let mut numbers = landmarks.as_flattened().iter().copied().chain(pose.to_array());
        if numbers.any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let lost = buffer.flags().contains(gst::BufferFlags::GAP);
        let face = face(buffer.flags().contains(gst::BufferFlags::MARKER));
        Ok(Some(Self { start, end, pose, landmarks, lost, face }))
    }
}

impl Timed for TrackedFace {
    fn span(&self) -> (gst::ClockTime, gst::ClockTime) {
        (self.start, self.end)
    }
}

/// All faces of a video that is to be played again.
#[derive(Debug, Default)]
pub struct Recording {
    looping: bool,
    faces: Vec<Arc<TrackedFace>>,
}

impl Recording {
    /// None yet; `looping` as `pose-loop`: without, nothing is kept.
    pub fn new(looping: bool) -> Self {
        Self { looping, faces: Vec::new() }
    }
}

impl Record<TrackedFace> for Recording {
    fn take(&mut self, face: &Arc<TrackedFace>) {
        let within = |first: &Arc<TrackedFace>| face.start < first.start + LONGEST_LOOP;
        if self.looping && self.faces.first().is_none_or(within) {
            self.faces.push(Arc::clone(face));
        }
    }

    fn forget(&mut self) {
        self.faces.clear();
    }
}

/// What drives the portrait at a time.
#[derive(Clone, Debug)]
pub struct DrivingFace {
    pub tracked: Arc<TrackedFace>,
    /// How often the video had started again, and been flushed or shown another face: the face may jump where these change.
    pub turn: (u64, u64),
}

/// The face at a running time; waits for it while `linked` says that one may come. `None`: the video shows none yet, or is
/// not there.
pub fn at(track: &Track, time: gst::ClockTime, linked: impl Fn() -> bool) -> Option<DrivingFace> {
    let is_known = |video: &Side<TrackedFace, Recording>| {
        video.live || video.ended || video.covered > time || video.items.len() > 1
    };
    track.at(time, is_known, |_| !linked(), |video| driving(video, time))
}

fn driving(video: &Side<TrackedFace, Recording>, time: gst::ClockTime) -> Option<DrivingFace> {
    let record = &video.record.faces;
    if let (true, true, Some(first), Some(last)) =
        (video.record.looping, video.ended, record.first(), record.last())
        && time >= last.end
        && last.end > first.start
    {
        let (length, since) = ((last.end - first.start).nseconds(), (time - first.start).nseconds());
        let within = first.start + gst::ClockTime::from_nseconds(since % length);
        let index = record.partition_point(|tracked| tracked.start <= within).saturating_sub(1);
        let tracked = Arc::clone(record.get(index)?);
        let faces = video.flushes + tracked.face;
        return Some(DrivingFace { tracked, turn: (since / length, faces) });
    }
    let tracked = video.items.front().filter(|tracked| video.live || tracked.start <= time)?;
    Some(DrivingFace { tracked: Arc::clone(tracked), turn: (0, video.flushes + tracked.face) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        track.start(Recording::new(looping));
        for n in 0..faces {
            track.push(tracked(n)).unwrap();
        }
        track
    }

    fn yaw(track: &Track, time: gst::ClockTime) -> Option<f32> {
        at(track, time, || false).map(|m| m.tracked.pose.yaw)
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
        held.end_side(true);
        assert_eq!(yaw(&held, FRAME * 100), Some(4.0));
        let looped = track(true, 5);
        looped.end_side(true);
        for n in 0..17 {
            let driving = at(&looped, FRAME * n, || true).unwrap();
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
            let driving = at(&track, FRAME * n, || true).unwrap();
            assert_eq!(driving.tracked.pose.yaw, n as f32);
            assert!(track.waiting() <= 28, "the video runs ahead");
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
        assert!(track.waiting() <= 102, "what nobody asks for is not kept");
        // Over, and again.
        track.end_side(true);
        assert_eq!(yaw(&track, FRAME * 1000), Some(399.0), "the end is held");
        assert!(track.expect_segment());
        track.begin_segment();
        let asking = std::thread::spawn({
            let track = Arc::clone(&track);
            move || at(&track, FRAME * 500, || true).map(|m| m.tracked.pose.yaw)
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
            move || at(&track, FRAME * 50, || true).is_some()
        });
        track.stop();
        assert!(!waiting.join().unwrap());
        assert_eq!(track.push(tracked(3)), Err(gst::FlowError::Flushing));
        track.flush_main(false);
        track.flush_side(false);
        assert_eq!(yaw(&track, FRAME), None);
        track.push(tracked(1)).unwrap();
        assert_eq!(yaw(&track, FRAME), Some(1.0));
    }

    #[test]
    fn another_video_takes_the_place_of_the_first() {
        let track = track(true, 5);
        track.end_side(true);
        track.forget();
        assert_eq!(yaw(&track, FRAME * 3), None, "nothing of the first is shown or played again");
        track.push(tracked(0)).unwrap();
        assert_eq!(at(&track, FRAME * 3, || false).unwrap().turn, (0, 1), "the face may jump here");
    }

    #[test]
    fn another_face_may_jump_and_when_the_video_starts_again_the_first_one_may() {
        let track = Track::default();
        track.start(Recording::new(true));
        for n in 0..4 {
            track.push(TrackedFace { face: n / 2, ..tracked(n) }).unwrap();
        }
        track.end_side(true);
        let turns: Vec<_> = (0..6).map(|n| at(&track, FRAME * n, || true).unwrap().turn).collect();
        assert_eq!(turns, [(0, 0), (0, 0), (0, 1), (0, 1), (1, 0), (1, 0)]);
    }

    #[test]
    fn live_nobody_waits() {
        let track = track(false, 0);
        track.set_live(true, true);
        for n in 0..1000 {
            track.push(tracked(n)).unwrap();
        }
        assert!(track.waiting() <= 102);
        assert_eq!(yaw(&track, FRAME * 2000), Some(999.0));
    }
}
