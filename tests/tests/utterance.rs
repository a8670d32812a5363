// SPDX-License-Identifier: MIT OR Apache-2.0
//! The message `portrait-utterance`: told once for each utterance, with the running times at which it is shown.

use gst::prelude::*;
use portrait_tests::{SAMPLE_RATE, photo};

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

impl Told {
    fn read(structure: &gst::StructureRef) -> Self {
        Self {
            number: structure.get("number").unwrap(),
            state: structure.get("state").unwrap(),
            ms: structure.get::<u64>("running-time").unwrap() / 1_000_000,
            interrupted: structure.get("interrupted").unwrap(),
        }
    }
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
        Self::of(&format!("talkinghead portrait={}", photo()), live)
    }

    fn of(chain: &str, live: bool) -> Self {
        portrait_tests::init();
        let line = format!(
            "appsrc name=source format=time is-live={live} caps=audio/x-raw,format=F32LE,layout=interleaved,\
             rate={SAMPLE_RATE},channels=1 ! {chain} ! fakesink name=sink sync={live}"
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
        // A voice without pauses.
        let level = if words { 0.3 } else { 0.0 };
        let sound = (0..count).map(|i| (i as f32 * 0.08).sin() * level);
        let bytes: Vec<u8> = sound.flat_map(|s: f32| s.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        let buffer_ref = buffer.get_mut().unwrap();
        buffer_ref.set_pts(gst::ClockTime::from_mseconds(at));
        buffer_ref.set_duration(gst::ClockTime::from_mseconds(ms));
        self.source.push_buffer(buffer).unwrap();
    }

    /// Waits until pictures come, and says when a sentence can be shown that is sent now.
    fn ahead(&self) -> u64 {
        let sink = self.pipeline.by_name("sink").unwrap();
        let start = std::time::Instant::now();
        while sink.property::<Option<gst::Sample>>("last-sample").is_none() {
            assert!(start.elapsed().as_secs() < PATIENCE.seconds(), "no picture came");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        (self.running_ms() / FRAME_MS + LEAD) * FRAME_MS
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
                return Some(Told::read(structure));
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
    let at = talk.ahead();
    talk.say(at, 3000, true);
    let started = talk.next().unwrap();
    assert!(talk.running_ms() >= started.ms, "told before it is shown");
    // A busy machine speaks later.
    assert_eq!(started, told(1, "started", started.ms.max(at), false));
    let before = talk.running_ms();
    talk.source.send_event(gst::event::FlushStart::new());
    talk.source.send_event(gst::event::FlushStop::new(false));
    let ended = talk.next().unwrap();
    assert_eq!((ended.number, ended.state.as_str(), ended.interrupted), (1, "ended", true));
    assert!((started.ms..started.ms + 3000).contains(&ended.ms), "{ended:?}, interrupted at {before} ms");
}

/// What the elements behind are told, by the element alone that keeps up with its clock on any machine.
#[test]
fn a_live_sentence_is_over_where_its_sound_is() {
    let talk = Talk::of("audiofeatures name=features", true);
    let (sender, turns) = std::sync::mpsc::channel();
    let pad = talk.pipeline.by_name("features").unwrap().static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let structure = info.event().and_then(|event| Some(event.structure()?.to_owned()));
        if let Some(structure) = structure.filter(|structure| structure.name() == "portrait-utterance") {
            let _ = sender.send(Told::read(&structure));
        }
        gst::PadProbeReturn::Ok
    });
    let at = talk.ahead();
    talk.say(at, 800, true);
    let complete = gst::event::CustomDownstream::new(gst::Structure::new_empty("portrait-utterance-end"));
    talk.source.send_event(complete);
    let next = || turns.recv_timeout(PATIENCE.into()).expect("an event");
    let started = next();
    assert_eq!(started, told(1, "started", started.ms.max(at), false));
    let ended = next();
    // A machine that is held up for seconds leaves frames out, and it lasts for longer.
    assert_eq!(ended, told(1, "ended", ended.ms.max(started.ms + 800), false));
    assert!(talk.running_ms() >= ended.ms, "told before it was over");
}
