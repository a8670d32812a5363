// SPDX-License-Identifier: MIT OR Apache-2.0
//! How an element tells those behind it where an utterance begins and where it is over: events between the frames.

use gst::glib;

/// Name of the serialized event that goes before the first frame of an utterance and behind its last one.
pub const EVENT: &str = "portrait-utterance";

/// Name of the serialized event by which whoever sends the sound says that an utterance is complete.
pub const END_EVENT: &str = "portrait-utterance-end";

/// An utterance begins or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Counts utterances from 1 on.
    pub number: u64,
    pub started: bool,
    /// Running time of the beginning of the first frame, or of the end of the last one.
    pub time: gst::ClockTime,
    /// What was left of it is not spoken.
    pub interrupted: bool,
}

impl Turn {
    /// The event that tells the elements behind.
    pub fn to_event(self) -> gst::Event {
        gst::event::CustomDownstream::new(self.to_structure())
    }

    /// What the event and the message hold.
    pub fn to_structure(self) -> gst::Structure {
        gst::Structure::builder(EVENT)
            .field("number", self.number)
            .field("state", if self.started { "started" } else { "ended" })
            .field("running-time", self.time.nseconds())
            .field("interrupted", self.interrupted)
            .build()
    }

    /// Reads an event; `None` for others.
    pub fn read(event: &gst::EventRef) -> Option<Self> {
        let structure = structure_of(event, EVENT)?;
        Some(Self {
            number: structure.get("number").ok()?,
            started: structure.get::<glib::GString>("state").ok()? == "started",
            time: gst::ClockTime::from_nseconds(structure.get("running-time").ok()?),
            interrupted: structure.get("interrupted").ok()?,
        })
    }
}

/// Whether an event says that an utterance is complete.
pub fn completes(event: &gst::EventRef) -> bool {
    structure_of(event, END_EVENT).is_some()
}

fn structure_of<'a>(event: &'a gst::EventRef, name: &str) -> Option<&'a gst::StructureRef> {
    let is_custom = event.type_() == gst::EventType::CustomDownstream;
    event.structure().filter(|structure| is_custom && structure.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_holds_a_turn() {
        gst::init().unwrap();
        let turn =
            Turn { number: 7, started: false, time: gst::ClockTime::from_mseconds(1234), interrupted: true };
        assert_eq!(Turn::read(&turn.to_event()), Some(turn));
        let other = gst::event::CustomDownstream::new(gst::Structure::new_empty(END_EVENT));
        assert_eq!(Turn::read(&other), None);
        assert!(completes(&other));
        assert!(!completes(&turn.to_event()));
    }
}
