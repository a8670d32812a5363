// SPDX-License-Identifier: MIT OR Apache-2.0
//! What bins of stages share: their ghost pads, and properties that are the stages'.

use std::sync::OnceLock;

use gst::glib;
use gst::prelude::*;

/// A ghost pad by the name of its template.
pub fn ghost_pad(
    template: Option<gst::PadTemplate>,
    name: &str,
    direction: gst::PadDirection,
) -> gst::PadBuilder<gst::GhostPad> {
    match template {
        Some(template) => gst::GhostPad::builder_from_template(&template),
        None => gst::GhostPad::builder(direction).name(name),
    }
}

/// Answers queries about a sink pad of sound; those about the allocation of audio are refused, for the sake of pipelines that
/// fork the sound before the bin.
///
/// A `tee` asks all of its branches, one by one, whenever the sound's format changes or its decoder asks again. The sound
/// of the other branch waits, in a queue before its encoder, for the pictures of this one, and the question waits behind
/// that sound: meanwhile no more sound comes here, and nothing ever moves again. A branch that refuses lets the `tee`
/// ask no further. Nothing is lost: the bin copies the sound and has no memory to offer.
pub fn sound_query(pad: &gst::GhostPad, parent: Option<&gst::Object>, query: &mut gst::QueryRef) -> bool {
    query.type_() != gst::QueryType::Allocation && gst::Pad::query_default(pad, parent, query)
}

/// Takes sound at the sink pad of a bin whose pictures may end before it: then the rest is let go without a word. An end that is
/// told upstream would be passed on by a `tee` before the bin, whose other branch has to have all of the sound.
///
/// # Errors
/// Those of the bin, but its end.
pub fn sound_chain(
    pad: &impl IsA<gst::ProxyPad>,
    parent: Option<&gst::Object>,
    buffer: gst::Buffer,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    past_the_end(gst::ProxyPad::chain_default(pad, parent, buffer))
}

/// [`sound_chain`] of a list of buffers.
///
/// # Errors
/// As there.
pub fn sound_chain_list(
    pad: &impl IsA<gst::ProxyPad>,
    parent: Option<&gst::Object>,
    list: gst::BufferList,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    past_the_end(gst::ProxyPad::chain_list_default(pad, parent, list))
}

fn past_the_end(flow: Result<gst::FlowSuccess, gst::FlowError>) -> Result<gst::FlowSuccess, gst::FlowError> {
    if flow == Err(gst::FlowError::Eos) { Ok(gst::FlowSuccess::Ok) } else { flow }
}

/// A pad of a stage, by its name.
///
/// # Errors
/// Where it has none of that name.
pub fn stage_pad(stage: &gst::Element, name: &str) -> Result<gst::Pad, glib::BoolError> {
    stage.static_pad(name).ok_or_else(|| glib::bool_error!("{} has no pad {name}", stage.name()))
}

/// Lets sound into an `audioconvert` whose channels nobody gave a place, as of recorders of three or seven of them: without a
/// word of it, more than two are refused.
///
/// # Errors
/// Where it has no sink pad.
pub fn take_unplaced(convert: &gst::Element) -> Result<(), glib::BoolError> {
    stage_pad(convert, "sink")?.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &mut info.data
            && let gst::EventView::Caps(caps) = event.view()
            && let Some(unplaced) = unplaced(caps.caps())
        {
            *event = gst::event::Caps::builder(&unplaced).seqnum(event.seqnum()).build();
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// The caps of sound of several channels of which nothing is said, saying that they have no place.
fn unplaced(caps: &gst::CapsRef) -> Option<gst::Caps> {
    let sound = caps.structure(0)?;
    let many = sound.get::<i32>("channels").is_ok_and(|n| n > 2);
    if !many || sound.has_field("channel-mask") {
        return None;
    }
    let mut caps = caps.to_owned();
    caps.make_mut().set("channel-mask", gst::Bitmask::new(0));
    Some(caps)
}

/// The properties of the stages, each once, but for those that are not offered.
pub fn specs(
    stages: impl IntoIterator<Item = Vec<glib::ParamSpec>>,
    not_offered: &[&str],
) -> Vec<glib::ParamSpec> {
    let mut specs: Vec<glib::ParamSpec> = Vec::new();
    for spec in stages.into_iter().flatten() {
        if !specs.iter().any(|s| s.name() == spec.name()) && !not_offered.contains(&spec.name()) {
            specs.push(spec);
        }
    }
    specs
}

/// Sets a property of each stage that has it.
pub fn set_property(stages: &[&gst::Element], name: &str, value: &glib::Value) {
    for stage in with_property(stages, name) {
        stage.set_property_from_value(name, value);
    }
}

/// A property of the first stage that has it.
pub fn property(stages: &[&gst::Element], spec: &glib::ParamSpec) -> glib::Value {
    with_property(stages, spec.name())
        .next()
        .map_or_else(|| spec.default_value().clone(), |stage| stage.property_value(spec.name()))
}

fn with_property<'a>(stages: &'a [&gst::Element], name: &'a str) -> impl Iterator<Item = &'a gst::Element> {
    stages.iter().copied().filter(move |stage| stage.find_property(name).is_some())
}

/// Keyframes of the properties of a bin, or of one of its pads, take effect with the frame that reaches the stage that has them.
///
/// # Errors
/// Where a stage has no sink pad.
pub fn control(bin: &gst::Object, stages: &[&gst::Element]) -> Result<(), glib::BoolError> {
    for stage in stages {
        let specs = stage.list_properties().into_iter();
        let specs: Vec<_> = specs.filter(|s| s.flags().contains(gst::PARAM_FLAG_CONTROLLABLE)).collect();
        if specs.is_empty() {
            continue;
        }
        let bin = bin.downgrade();
        stage_pad(stage, "sink")?.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let (Some(bin), Some(buffer)) = (bin.upgrade(), info.buffer())
                && bin.has_active_control_bindings()
                && let Some(segment) = pad.sticky_event::<gst::event::Segment>(0)
                && let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>()
                && let Some(time) = segment.to_stream_time(buffer.pts())
            {
                // Not all of them at once: stages on threads of their own are at other frames.
                for binding in specs.iter().filter_map(|spec| bin.control_binding(spec.name())) {
                    ControlBindingExt::sync_values(&binding, &bin, time, time);
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok(())
}

/// For `ObjectImpl::constructed`: adds the ghost pads to a bin, and keeps why its inside could not be put together.
pub fn complete(
    category: gst::DebugCategory,
    bin: &impl IsA<gst::Element>,
    assembled: Result<(), glib::BoolError>,
    broken: &OnceLock<String>,
    pads: &[&gst::GhostPad],
) {
    if let Err(error) = assembled {
        gst::error!(category, obj = bin, "{error}");
        // Only set here.
        let _ = broken.set(error.to_string());
    }
    for pad in pads {
        if let Err(error) = bin.add_pad(*pad) {
            gst::error!(category, obj = bin, "{error}");
        }
    }
}

/// Says, where a bin is started, why its inside could not be put together.
///
/// # Errors
/// Where it could not.
pub fn check_whole(
    bin: &impl IsA<gst::Element>,
    broken: &OnceLock<String>,
    transition: gst::StateChange,
) -> Result<(), gst::StateChangeError> {
    match broken.get() {
        Some(error) if transition == gst::StateChange::NullToReady => {
            gst::element_error!(
                bin,
                gst::CoreError::MissingPlugin,
                ("{error}: install GStreamer's base plugins (Debian: gstreamer1.0-plugins-base)")
            );
            Err(gst::StateChangeError)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_check::Harness;

    /// Without a word of their places `audioconvert` refuses more than two channels.
    #[test]
    fn channels_without_places_pass_all_of_them() {
        gst::init().unwrap();
        const SAMPLES: usize = 160;
        for channels in [1, 2, 3, 7, 16] {
            let convert = gst::ElementFactory::make("audioconvert").build().unwrap();
            take_unplaced(&convert).unwrap();
            let mut harness = Harness::with_element(&convert, Some("sink"), Some("src"));
            let caps = |format: &str| format!("audio/x-raw,format={format},layout=interleaved,rate=16000");
            harness.set_sink_caps_str(&caps("F32LE"));
            harness.set_src_caps_str(&format!("{},channels={channels}", caps("S16LE")));
            harness.push(gst::Buffer::from_slice(vec![1_u8; SAMPLES * channels * 2])).unwrap();
            assert_eq!(harness.pull().unwrap().size(), SAMPLES * channels * 4, "{channels}");
        }
    }

    #[test]
    fn places_that_are_told_are_kept() {
        gst::init().unwrap();
        let caps = |text: &str| text.parse::<gst::Caps>().unwrap();
        assert!(unplaced(&caps("audio/x-raw,channels=6,channel-mask=(bitmask)0x3f")).is_none());
        assert!(unplaced(&caps("audio/x-raw,channels=2")).is_none());
        let said = unplaced(&caps("audio/x-raw,channels=5")).unwrap();
        assert_eq!(said.structure(0).unwrap().get::<gst::Bitmask>("channel-mask"), Ok(gst::Bitmask::new(0)));
    }
}
