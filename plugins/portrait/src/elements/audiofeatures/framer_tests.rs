// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the framer.

use super::*;
use proptest::prelude::*;

const WINDOW: usize = 880;
const LOOK_AHEAD: usize = 1920;

fn pal() -> FrameClock {
    FrameClock { rate: 16000, fps: gst::Fraction::new(25, 1) }
}

fn ntsc() -> FrameClock {
    FrameClock { rate: 16000, fps: gst::Fraction::new(30000, 1001) }
}

fn drain(framer: &mut Framer) -> Vec<(u64, Vec<f32>)> {
    let mut out = vec![0.0; framer.window];
    let mut frames = Vec::new();
    while let Some(n) = framer.next(&mut out) {
        frames.push((n, out.clone()));
    }
    frames
}

fn run(clock: FrameClock, audio: &[f32], sizes: &[usize]) -> Vec<(u64, Vec<f32>)> {
    let mut framer = Framer::new(clock, WINDOW, LOOK_AHEAD);
    let (mut at, mut frames) = (0, Vec::new());
    for size in sizes.iter().cycle() {
        let part = &audio[at..(at + size).min(audio.len())];
        framer.place(Some(at as u64), false, None, part);
        frames.extend(drain(&mut framer));
        at += part.len();
        if at == audio.len() {
            break;
        }
    }
    framer.finish();
    frames.extend(drain(&mut framer));
    frames
}

#[test]
fn a_window_ends_look_ahead_after_its_frame() {
    let audio: Vec<f32> = (0..6400).map(|i| i as f32).collect();
    let frames = run(pal(), &audio, &[6400]);
    assert_eq!(frames.len(), 10);
    assert_eq!(frames[0].1[WINDOW - 1], (640 + LOOK_AHEAD - 1) as f32);
    assert_eq!(frames[9].1[WINDOW - 1], 0.0, "silence follows the end");
}

#[test]
fn no_drift_after_an_hour_of_ntsc() {
    let clock = ntsc();
    let n = 107_892; // frames in 3600 s at 30000/1001, rounded down
    assert_eq!(clock.frame_time(n).nseconds(), 3_599_996_400_000);
    assert!(clock.sample_at(clock.frame_time(n)).abs_diff(clock.frame_end(n - 1)) <= 1);
    assert_eq!(clock.frame_of(clock.frame_end(n)), n + 1);
}

#[test]
fn gaps_become_silence_and_overlaps_are_dropped() {
    let mut framer = Framer::new(pal(), WINDOW, 0);
    framer.place(Some(0), false, None, &[1.0; 640]);
    framer.place(Some(1920), false, None, &[2.0; 640]);
    framer.place(Some(1920), true, None, &[3.0; 1280]);
    let frames = drain(&mut framer);
    let last = |n: usize| frames[n].1[WINDOW - 1];
    assert_eq!(frames.len(), 5);
    assert_eq!([last(0), last(1), last(2), last(3), last(4)], [1.0, 0.0, 0.0, 2.0, 3.0]);
}

/// A container that tells a wrong rate: its timestamps go back, its sound does not.
/// What is put before all that was heard repeats nothing.
#[test]
fn a_sentence_that_is_put_before_the_first_one_is_heard_behind_it() {
    let mut framer = Framer::new(pal(), WINDOW, LOOK_AHEAD);
    for (position, level) in [(16_000, 0.1), (0, 0.2)] {
        for at in (position..position + 16_000).step_by(640) {
            framer.place(Some(at), false, None, &[level; 640]);
        }
    }
    framer.finish();
    let frames = drain(&mut framer);
    assert_eq!(frames.iter().map(|(n, _)| *n).collect::<Vec<_>>(), (25..75).collect::<Vec<_>>());
    assert_eq!((frames[10].1[WINDOW - 1], frames[40].1[WINDOW - 1]), (0.1, 0.2));
}

#[test]
fn sound_whose_timestamps_lag_is_heard_on() {
    let window = 4 * WINDOW;
    let mut framer = Framer::new(pal(), window, 0);
    let (mut last, mut out) = (Vec::new(), vec![0.0; window]);
    let positions = (0..20u16).map(|n| (u64::from(n) * 300, f32::from(n)));
    for (position, value) in positions {
        framer.place(Some(position), false, None, &[value; 640]);
        while framer.next(&mut out).is_some() {
            last.push(out[window - 1]);
        }
    }
    assert_eq!(last, (0..20u16).map(f32::from).collect::<Vec<_>>());
}

/// Sound of which no two samples are alike.
fn sound(from: usize, len: usize) -> Vec<f32> {
    (from..from + len).map(|i| (i as f32 * 0.37).sin()).collect()
}

/// Plays 8 s, then 2 s more whose timestamps go so far back; gives how much was heard and what was lost.
fn after_a_jump_back(back: u64, more: impl Fn(usize) -> Vec<f32>) -> (usize, usize, Option<u64>) {
    let mut framer = Framer::new(pal(), WINDOW, LOOK_AHEAD);
    let (mut frames, mut lost, mut far) = (0, 0, None);
    for n in 0..100usize {
        let position = 1600 * n as u64 - if n < 80 { 0 } else { back };
        let part = if n < 80 { sound(1600 * n, 1600) } else { more(1600 * n) };
        let placed = framer.place(Some(position), false, None, &part);
        (lost, far) = (lost + placed.lost, far.or(placed.back));
        frames += drain(&mut framer).len();
    }
    framer.finish();
    (frames + drain(&mut framer).len(), lost, far)
}

#[test]
fn sound_whose_timestamps_jump_far_back_is_heard_on() {
    for back in [800, 16_000, 30_400, 100_000] {
        assert_eq!(after_a_jump_back(back, |at| sound(at, 1600)), (250, 0, None), "{back} samples back");
    }
}

#[test]
fn what_is_sent_again_is_heard_once() {
    for back in [1600, 16_000, 32_000, 100_000] {
        let (frames, lost, far) = after_a_jump_back(back as u64, |at| sound(at - back, 1600));
        let expected = 200 + 50usize.saturating_sub(back / 640);
        assert_eq!((frames, lost, far), (expected, 0, None), "{back} samples back");
    }
}

#[test]
fn sound_that_may_have_been_heard_long_ago_is_counted_as_lost() {
    let mut framer = Framer::new(pal(), WINDOW, LOOK_AHEAD);
    for n in 0..400 {
        framer.place(Some(1600 * n), false, None, &sound(1600 * n as usize, 1600));
        drain(&mut framer);
    }
    let placed = framer.place(Some(1600), false, None, &sound(1600 * 400, 1600));
    assert_eq!((placed.lost, placed.back), (1600, Some(1600 * 399)));
    // One timestamp that points far ahead: what comes then at the right ones was never heard.
    let hour = 3600 * 16_000;
    framer.place(Some(hour), false, None, &sound(1600 * 401, 1600));
    let placed = framer.place(Some(1600 * 402), false, None, &sound(1600 * 402, 1600));
    assert_eq!((placed.lost, framer.end), (0, hour + 3200));
    // A discontinuity is believed, and what it cuts off is counted.
    let placed = framer.place(Some(hour), true, None, &sound(1600 * 403, 1600));
    assert_eq!((placed.lost, placed.back), (1600, Some(3200)));
}

#[test]
fn small_jitter_moves_nothing() {
    let mut framer = Framer::new(pal(), WINDOW, 0);
    framer.place(Some(0), false, None, &[1.0; 640]);
    framer.place(Some(650), false, None, &[2.0; 640]);
    assert_eq!(drain(&mut framer).len(), 2);
}

#[test]
fn a_stream_that_starts_late_starts_on_its_frame() {
    let mut framer = Framer::new(pal(), WINDOW, 0);
    framer.place(Some(16000 + 100), false, None, &[1.0; 640]);
    let frames = drain(&mut framer);
    assert_eq!(frames[0].0, 25);
    assert_eq!(frames[0].1[WINDOW - 540 - 1], 0.0);
    assert_eq!(frames[0].1[WINDOW - 540], 1.0);
}

#[test]
fn an_hour_of_silence_needs_little_memory() {
    let mut framer = Framer::new(pal(), WINDOW, 0);
    framer.place_silence(Some(0), 3600 * 16000);
    let mut out = vec![0.0; WINDOW];
    let mut count = 0;
    while framer.next(&mut out).is_some() {
        count += 1;
        assert!(framer.samples.len() <= 22 * 16000);
    }
    assert_eq!(count, 90_000);
}

/// A live framer whose frames come by a clock, in samples; what was used is kept.
struct Clocked {
    framer: Framer,
    now: u64,
    heard: Vec<f32>,
}

impl Clocked {
    /// The first frame waits already.
    fn new() -> Self {
        let mut framer = Framer::new(pal(), WINDOW, LOOK_AHEAD);
        framer.start_live(0);
        Self { framer, now: 0, heard: Vec::new() }
    }

    /// Time passes; a frame without its samples waits for `patience`.
    fn run_until(&mut self, now: u64, patience: u64) {
        let mut window = vec![0.0; WINDOW];
        self.now = now;
        while let Some(due) = self.framer.due()
            && due <= now
        {
            if !self.framer.is_complete() {
                if now < due + patience {
                    return;
                }
                self.framer.fill();
            }
            let used = self.framer.live.as_ref().unwrap().used;
            self.framer.next(&mut window).unwrap();
            let fresh = (due - used) as usize;
            if fresh <= WINDOW {
                self.heard.extend_from_slice(&window[WINDOW - fresh..]);
            } else {
                // The first window reaches back to what nobody shows.
                self.heard.resize(self.heard.len() + fresh - WINDOW, 0.0);
                self.heard.extend_from_slice(&window);
            }
        }
    }

    fn place(&mut self, position: Option<u64>, samples: &[f32]) -> Placed {
        self.framer.place(position, false, Some(self.now), samples)
    }
}

#[test]
fn the_cost_of_a_buffer_does_not_grow_with_what_waits() {
    let mut clocked = Clocked::new();
    // A wait in front of it: silence, which is looked for with each buffer.
    for n in 0..60_000 {
        clocked.place(Some(16_000 + n * 160), &[0.1; 160]);
    }
    let placed = clocked.place(Some(16_000 + 60_000 * 160), &[0.1; 160]);
    assert!(placed.is_full && placed.lost == 160, "ten minutes: {placed:?}");
}

#[test]
fn a_jump_that_was_wrong_is_taken_back() {
    let mut clocked = Clocked::new();
    clocked.place(Some(0), &[0.1; 16_000]);
    clocked.place(Some(64_000), &[0.2; 320]);
    clocked.place(Some(16_320), &[0.3; 320]);
    clocked.run_until(80_000, 160);
    let heard: Vec<f32> = clocked.heard.iter().copied().filter(|s| *s != 0.0).collect();
    let expected = [vec![0.1; 16_000], vec![0.2; 320], vec![0.3; 320]].concat();
    assert!(heard == expected[2560 - WINDOW..], "{}", heard.len());
    assert_eq!(clocked.heard.iter().rposition(|s| *s != 0.0), Some(16_959));
}

#[test]
fn a_hole_that_is_not_live_is_filled_for_ten_seconds_and_then_left_out() {
    let mut framer = Framer::new(pal(), WINDOW, LOOK_AHEAD);
    assert_eq!(framer.place(Some(0), false, None, &[1.0; 16_000]).hole, None);
    let hour = 3600 * 16_000;
    assert_eq!(framer.place(Some(hour), false, None, &[2.0; 16_000]).hole, Some(hour - 16_000));
    framer.finish();
    let frames: Vec<(u64, Vec<f32>)> = drain(&mut framer);
    let numbers: Vec<u64> = frames.iter().map(|f| f.0).collect();
    let expected: Vec<u64> = (0..25 + 250 - 3).chain(90_000..90_025).collect();
    assert_eq!(numbers, expected);
    assert_eq!(frames[272].1[WINDOW - 1], 2.0);
    // Somebody says that it is silent: that is no hole.
    framer.place_silence(Some(hour + 16_000), hour);
    assert_eq!(drain(&mut framer).len(), 90_000 - 3);
}

proptest! {
    /// However timestamps jump, fall behind or are missing, and however early or late it comes: all that is said is
    /// heard, once and in its order. Only a source whose clock is fast loses something, which is counted.
    #[test]
    fn live_nothing_is_lost(
        buffers in proptest::collection::vec((1usize..20_000, -2000i64..4000, 0u64..8000, any::<bool>()), 1..40)
    ) {
        let mut clocked = Clocked::new();
        // What comes before the first window is no sound that anybody could hear.
        clocked.run_until(40_000, 160);
        let (mut said, mut lost) = (0u32, 0);
        for (len, off, wait, stamped) in buffers {
            let samples: Vec<f32> = (0..len).map(|i| 0.5 + ((said as usize + i) % 4096) as f32 / 8192.0).collect();
            said += len as u32;
            let position = stamped.then(|| clocked.now.saturating_add_signed(off * 8));
            lost += clocked.place(position, &samples).lost;
            let now = clocked.now + wait;
            clocked.run_until(now, 160);
        }
        let end = clocked.framer.end + 16_000;
        clocked.run_until(end, 160);
        let heard: Vec<f32> = clocked.heard.iter().copied().filter(|s| *s != 0.0).collect();
        prop_assert_eq!(heard.len() + lost, said as usize);
        if lost == 0 {
            let in_order = heard.iter().enumerate().all(|(i, s)| *s == 0.5 + (i % 4096) as f32 / 8192.0);
            prop_assert!(in_order);
        }
    }

    /// Streaming equals whole-file: how the samples are cut up does not matter.
    #[test]
    fn cuts_do_not_matter(sizes in proptest::collection::vec(1usize..5000, 1..6), len in 1usize..40_000, film: bool) {
        let clock = if film { ntsc() } else { pal() };
        let audio: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin()).collect();
        let whole = run(clock, &audio, &[len]);
        prop_assert_eq!(whole.len() as u64, clock.frame_of(len as u64 - 1) + 1);
        prop_assert_eq!(whole, run(clock, &audio, &sizes));
    }
}
