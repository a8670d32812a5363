//! The message `portrait-utterance`: told once for each utterance, with the running times at which it is shown.

use gst::prelude::*;
use portrait_tests::{SAMPLE_RATE, photo, samples};

/// Longest wait for a message.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(100);

/// A frame.
const FRAME_MS: u64 = 40;

/// How many frames ahead a live sentence is sent: a busy machine may take a while.
const LEAD: u64 = 75;

/// What a message told.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    number: u64,
    state: String,
    ms: u64,
    interrupted: bool,
}

fn told(number: u64, state: &str, ms: u64, interrupted: bool) -> Told {
    Told { number, state: state.to_owned(), ms, interrupted }
}

struct Talk {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    bus: gst::Bus,
}

impl Talk {
    fn new(live: bool) -> Self {
        portrait_tests::init();
        let line = format!(
            "appsrc name=source format=time is-live={live} caps=audio/x-raw,format=F32LE,layout=interleaved,\
             rate={SAMPLE_RATE},channels=1 ! talkinghead portrait={} ! fakesink sync={live}",
            photo()
        );
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let source = pipeline.by_name("source").unwrap().downcast().unwrap();
        let bus = pipeline.bus().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline, source, bus }
    }

    /// Sound of `ms` milliseconds at a running time: words, or nothing.
    fn say(&self, at: u64, ms: u64, words: bool) {
        let count = (ms * SAMPLE_RATE as u64 / 1000) as usize;
        // From where the bundled speech is loud.
        let sound = if words { samples::speech(8000, count) } else { vec![0.0; count] };
        let bytes: Vec<u8> = sound.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        let buffer_ref = buffer.get_mut().unwrap();
        buffer_ref.set_pts(gst::ClockTime::from_mseconds(at));
        buffer_ref.set_duration(gst::ClockTime::from_mseconds(ms));
        self.source.push_buffer(buffer).unwrap();
    }

    fn running_ms(&self) -> u64 {
        self.pipeline.current_running_time().map_or(0, gst::ClockTime::mseconds)
    }

    /// The next message of an utterance; `None` at the end.
    fn next(&self) -> Option<Told> {
        let kinds = [gst::MessageType::Element, gst::MessageType::Eos, gst::MessageType::Error];
        loop {
            let message = self.bus.timed_pop_filtered(PATIENCE, &kinds).expect("a message");
            match message.view() {
                gst::MessageView::Eos(_) => return None,
                gst::MessageView::Error(error) => panic!("{error:?}"),
                _ => (),
            }
            let structure = message.structure().unwrap();
            if structure.name() == "portrait-utterance" {
                assert_eq!(message.src().unwrap().name(), "facesynth");
                return Some(Told {
                    number: structure.get("number").unwrap(),
                    state: structure.get("state").unwrap(),
                    ms: structure.get::<u64>("running-time").unwrap() / 1_000_000,
                    interrupted: structure.get("interrupted").unwrap(),
                });
            }
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[test]
fn a_recordings_utterances_are_told_in_order_and_the_last_one_is_over_at_its_end() {
    let talk = Talk::new(false);
    talk.say(0, 400, false);
    talk.say(400, 800, true);
    // Longer than a pause between words.
    talk.say(1200, 1200, false);
    talk.say(2400, 600, true);
    talk.source.end_of_stream().unwrap();
    let all: Vec<Told> = std::iter::from_fn(|| talk.next()).collect();
    assert_eq!(
        all,
        [
            told(1, "started", 400, false),
            told(1, "ended", 1200, false),
            told(2, "started", 2400, false),
            told(2, "ended", 3000, false),
        ]
    );
}

#[test]
fn the_application_can_say_that_an_utterance_is_complete() {
    let talk = Talk::new(false);
    talk.say(0, 800, true);
    let complete = gst::event::CustomDownstream::new(gst::Structure::new_empty("portrait-utterance-end"));
    talk.source.send_event(complete);
    // Without a pause.
    talk.say(800, 800, true);
    talk.source.end_of_stream().unwrap();
    let all: Vec<Told> = std::iter::from_fn(|| talk.next()).collect();
    assert_eq!(
        all,
        [
            told(1, "started", 0, false),
            told(1, "ended", 800, false),
            told(2, "started", 800, false),
            told(2, "ended", 1600, false),
        ]
    );
}

#[test]
fn a_live_utterance_is_told_when_it_is_shown_and_an_interruption_ends_it() {
    let talk = Talk::new(true);
    // A sentence that was sent at once, for later.
    let at = (talk.running_ms() / FRAME_MS + LEAD) * FRAME_MS;
    talk.say(at, 3000, true);
    let started = talk.next().unwrap();
    assert!(talk.running_ms() >= at, "told before it is shown");
    assert_eq!(started, told(1, "started", at, false));
    let before = talk.running_ms();
    talk.source.send_event(gst::event::FlushStart::new());
    talk.source.send_event(gst::event::FlushStop::new(false));
    let ended = talk.next().unwrap();
    assert_eq!((ended.number, ended.state.as_str(), ended.interrupted), (1, "ended", true));
    // A busy machine may have spoken for longer, but not to the end.
    assert!((at..at + 3000).contains(&ended.ms), "{ended:?}, interrupted at {before} ms");
}

#[test]
fn a_live_sentence_is_over_where_its_sound_is() {
    let talk = Talk::new(true);
    let at = (talk.running_ms() / FRAME_MS + LEAD) * FRAME_MS;
    talk.say(at, 800, true);
    let complete = gst::event::CustomDownstream::new(gst::Structure::new_empty("portrait-utterance-end"));
    talk.source.send_event(complete);
    assert_eq!(talk.next().unwrap(), told(1, "started", at, false));
    assert_eq!(talk.next().unwrap(), told(1, "ended", at + 800, false));
    assert!(talk.running_ms() >= at + 800, "told before it was shown");
}
