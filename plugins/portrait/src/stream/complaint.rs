// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with a property's text, told as soon as somebody hears it.

use std::sync::Mutex;

use gst::prelude::*;

use crate::pack::sync::lock;

/// Complaints about properties that were set before the element started: a pipeline in NULL passes no messages on.
#[derive(Debug, Default)]
pub struct Complaints(Mutex<Vec<(String, String)>>);

impl Complaints {
    /// A property was set: `error` tells what is wrong with it. It is told now or at the start, as one warning.
    pub fn set(
        &self,
        element: &impl IsA<gst::Element>,
        property: &str,
        error: Option<&impl std::error::Error>,
    ) {
        lock(&self.0).retain(|(name, _)| name != property);
        let Some(error) = error else { return };
        let (element, text) = (element.as_ref(), format!("{property}: {error}"));
        // Alone, an element in NULL may have a bus that listens.
        let hears = element.current_state() != gst::State::Null || element.parent().is_none();
        if !(hears && post(element, &text)) {
            lock(&self.0).push((property.to_owned(), text));
        }
    }

    /// The element starts.
    pub fn post(&self, element: &impl IsA<gst::Element>) {
        // No lock while a message is on its way: its handlers may set properties.
        let untold = std::mem::take(&mut *lock(&self.0));
        for (_, text) in untold {
            post(element.as_ref(), &text);
        }
    }
}

/// Whether somebody took it.
fn post(element: &gst::Element, text: &str) -> bool {
    let message = gst::message::Warning::builder(gst::LibraryError::Settings, text).src(element).build();
    element.post_message(message).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(bus: &gst::Bus) -> Vec<String> {
        std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning]))
            .filter_map(|message| match message.view() {
                gst::MessageView::Warning(warning) => Some(warning.error().message().to_owned()),
                _ => None,
            })
            .collect()
    }

    fn element() -> gst::Element {
        gst::init().unwrap();
        gst::ElementFactory::make("identity").build().unwrap()
    }

    #[test]
    fn who_listens_hears_it_at_once_and_once() {
        let (element, bus, complaints) = (element(), gst::Bus::new(), Complaints::default());
        element.set_bus(Some(&bus));
        complaints.set(&element, "face", Some(&std::fmt::Error));
        assert_eq!(warnings(&bus).len(), 1);
        complaints.post(&element);
        assert_eq!(warnings(&bus).len(), 0);
    }

    #[test]
    fn before_the_start_it_waits_and_a_mended_property_says_nothing() {
        let (element, complaints) = (element(), Complaints::default());
        let pipeline = gst::Pipeline::new();
        pipeline.add(&element).unwrap();
        let bus = pipeline.bus().unwrap();
        for (property, bad) in [("face", true), ("mended", true), ("mended", false), ("face", true)] {
            complaints.set(&element, property, bad.then_some(&std::fmt::Error));
        }
        pipeline.set_state(gst::State::Ready).unwrap();
        complaints.post(&element);
        let told = warnings(&bus);
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(told.len() == 1 && told[0].starts_with("face: "), "{told:?}");
    }
}
