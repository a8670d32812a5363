// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a voice may still come to a pad: whether it is worth to wait for one.

use gst::prelude::*;

use crate::stream::side::peer_of;

/// Whether something feeds a pad, or is going to. Elements are climbed up to a source, or to a pad that nothing is linked
/// to. Links are late where a decoder finds out first what it decodes, so that pad decides:
///
/// - Once a stream has come, whoever sent it was taken away.
/// - That of an element is there to be linked. That of a bin such as `facedub` may be left alone for good, and so may the
///   first: one is waited for only while an element of the pipeline is about to show its pads.
pub fn is_fed(first: &gst::Pad) -> bool {
    let mut pad = first.clone();
    loop {
        let peer = match peer_of(&pad) {
            Ok(peer) => peer,
            Err(last) => {
                let of_element = last != *first && !last.is::<gst::GhostPad>();
                let had_stream = first.sticky_event::<gst::event::StreamStart>(0).is_some();
                return !had_stream && (of_element || is_link_to_come(first));
            }
        };
        let target = peer.downcast_ref::<gst::GhostPad>().and_then(GhostPadExt::target);
        let element = target.as_ref().unwrap_or(&peer).parent_element();
        let Some(next) = element.and_then(|element| element.sink_pads().into_iter().next()) else {
            return true;
        };
        pad = next;
    }
}

/// Whether some element around a pad has not shown its source pads yet. What is fed by the pad's own element brings nothing
/// to it.
pub fn is_link_to_come(pad: &gst::Pad) -> bool {
    let Some(own) = pad.parent_element() else { return false };
    let mut top = pad.parent();
    while let Some(parent) = top.as_ref().and_then(GstObjectExt::parent) {
        top = Some(parent);
    }
    let Some(top) = top.and_downcast::<gst::Bin>() else { return false };
    // Where elements come and go meanwhile it is asked again soon.
    let mut elements = top.iterate_recurse().into_iter().flatten();
    elements.any(|element| {
        let shows_later = element.pad_template_list().iter().any(|template| {
            template.direction() == gst::PadDirection::Src
                && template.presence() == gst::PadPresence::Sometimes
        });
        shows_later && hides_pads(&element) && !is_behind(&element, &own)
    })
}

/// Whether what comes to an element comes from another one.
fn is_behind(element: &gst::Element, other: &gst::Element) -> bool {
    let (mut seen, mut at) = (vec![element.clone()], 0);
    while let Some(element) = seen.get(at).cloned() {
        at += 1;
        for pad in element.sink_pads() {
            let Some(from) = peer_of(&pad).ok().and_then(|peer| peer.parent_element()) else { continue };
            if from == *other || other.has_as_ancestor(&from) {
                return true;
            }
            if !seen.contains(&from) {
                seen.push(from);
            }
        }
    }
    false
}

/// Whether an element that shows its source pads later is still about to.
fn hides_pads(element: &gst::Element) -> bool {
    let (change, current, pending) = element.state(gst::ClockTime::ZERO);
    if element.is::<gst::Bin>() {
        // A bin that decodes is on its way until all pads are there; others that never show any are not.
        change == Ok(gst::StateChangeSuccess::Async)
    } else {
        current.max(pending) >= gst::State::Paused && element.src_pads().is_empty()
    }
}
