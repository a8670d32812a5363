// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pads `voice_%u`: they come and go, with their stages, in any state and while frames pass.
//!
//! Their mouths follow each other behind that of the pad `voice`. Frames are linked anew while none is on its way from there
//! on: at once, or as soon as the one that is has passed.

use std::sync::Arc;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::imp::FaceDub;
use super::pad::Link;
use super::speaker::Speaker;
use crate::face::find::FaceChoice;
use crate::stream::bin;
use crate::stream::element::lock;

/// What the names of the pads begin with, before their number.
const PREFIX: &str = "voice_";

/// A voice that was asked for.
#[derive(Clone, Debug)]
pub struct Voice {
    pub number: u32,
    pub pad: super::FaceDubPad,
    pub speaker: Arc<Speaker>,
}

impl FaceDub {
    /// A new pad.
    pub(super) fn request_voice(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
    ) -> Result<super::FaceDubPad, glib::BoolError> {
        let number = self.number(name)?;
        let name = format!("{PREFIX}{number}");
        let dub = self.obj();
        let main = self.main()?;
        let speaker = Arc::new(Speaker::new(dub.upcast_ref(), Some(&name))?);
        speaker.take_settings(&main.speaker);
        speaker.mouth.draw_for(number);
        let pad = gst::PadBuilder::<super::FaceDubPad>::from_template(template)
            .name(name.as_str())
            .query_function(|pad, parent, query| bin::sound_query(pad.upcast_ref(), parent, query))
            .chain_function(bin::sound_chain)
            .chain_list_function(bin::sound_chain_list)
            .build();
        let link = Link { number, speaker: Arc::clone(&speaker), tracker: main.tracker.clone() };
        // It is new.
        let _ = pad.imp().link.set(link);
        let voice = Voice { number, pad: pad.clone(), speaker };
        self.enter(&voice).inspect_err(|_| self.leave(&voice))?;
        main.tracker.follow(number, FaceChoice::default());
        lock(&self.voices).push(voice);
        self.relink();
        dub.child_added(&pad, &pad.name());
        self.renew_latency();
        Ok(pad)
    }

    /// The number of a new pad.
    fn number(&self, name: Option<&str>) -> Result<u32, glib::BoolError> {
        let voices = lock(&self.voices);
        let taken = |number: u32| voices.iter().any(|voice| voice.number == number);
        match name {
            None => Ok((0..).find(|number| !taken(*number)).unwrap_or_default()),
            Some(name) => {
                let number = name.strip_prefix(PREFIX).and_then(|number| number.parse().ok());
                let number = number.ok_or_else(|| {
                    glib::bool_error!("no pad is called {name}: ask for voice_0, voice_1, …")
                })?;
                if taken(number) {
                    return Err(glib::bool_error!("the pad {name} is there already"));
                }
                Ok(number)
            }
        }
    }

    /// Brings a voice into the element; its mouth is not among the frames yet.
    fn enter(&self, voice: &Voice) -> Result<(), glib::BoolError> {
        let dub = self.obj();
        voice.pad.set_target(Some(&voice.speaker.sound()?))?;
        bin::control(voice.pad.upcast_ref(), &voice.speaker.stages())?;
        voice.speaker.start()?;
        // An element that runs already does not activate it.
        voice.pad.set_active(dub.current_state() >= gst::State::Paused)?;
        dub.add_pad(&voice.pad)
    }

    /// A pad is given back.
    pub(super) fn release_voice(&self, pad: &gst::Pad) {
        let voice = {
            let mut voices = lock(&self.voices);
            let index = voices.iter().position(|voice| voice.pad.upcast_ref::<gst::Pad>() == pad);
            index.map(|index| voices.remove(index))
        };
        let Some(voice) = voice else { return };
        if let Ok(main) = self.main() {
            main.tracker.leave(voice.number);
        }
        self.obj().child_removed(&voice.pad, &voice.pad.name());
        self.leave(&voice);
        self.renew_latency();
    }

    /// Takes a voice away: its sound at once, its mouth as soon as no frame is in it.
    fn leave(&self, voice: &Voice) {
        let dub = self.obj();
        // Whoever pushes comes back, and is told that it flushes.
        voice.speaker.mouth.stop_voice();
        if let Err(error) = voice.pad.set_active(false) {
            gst::warning!(CAT, obj = dub, "{error}");
        }
        voice.speaker.hush(dub.upcast_ref());
        let had = voice.pad.parent().is_some();
        if had && let Err(error) = dub.remove_pad(&voice.pad) {
            gst::warning!(CAT, obj = dub, "{error}");
        }
        lock(&self.leaving).push(Arc::clone(&voice.speaker));
        self.relink();
    }

    /// Sees to it that frames pass the mouths of the voices that are there, and no others.
    fn relink(&self) {
        let Ok(from) = self.main().and_then(|main| bin::stage_pad(main.speaker.mouth.upcast_ref(), "src"))
        else {
            return;
        };
        let dub = self.obj().downgrade();
        from.add_probe(gst::PadProbeType::IDLE, move |from, _| {
            if let Some(dub) = dub.upgrade() {
                dub.imp().link_frames(from);
            }
            gst::PadProbeReturn::Remove
        });
    }

    /// Links the mouths in a row; no frame is behind that pad.
    fn link_frames(&self, first: &gst::Pad) {
        let _turn = lock(&self.linking);
        let dub = self.obj();
        let voices = lock(&self.voices).clone();
        let leaving = std::mem::take(&mut *lock(&self.leaving));
        let ended = first.sticky_event::<gst::event::Eos>(0).is_some();
        let mut last = first.clone();
        for speaker in voices.iter().map(|voice| &voice.speaker) {
            let mouth = speaker.mouth.upcast_ref();
            match (bin::stage_pad(mouth, "sink"), bin::stage_pad(mouth, "src")) {
                (Ok(sink), Ok(src)) if self.link_to(&last, &sink) => last = src,
                _ => gst::error!(CAT, obj = dub, "{} cannot be linked", mouth.name()),
            }
            if ended {
                speaker.mouth.end_frames();
            }
        }
        if self.src.target().as_ref() != Some(&last) {
            if let Some(peer) = last.peer() {
                let _ = last.unlink(&peer);
            }
            if let Err(error) = self.src.set_target(Some(&last)) {
                gst::error!(CAT, obj = dub, "{error}");
            }
        }
        leaving.iter().for_each(|speaker| speaker.discard_mouth(dub.upcast_ref()));
    }

    fn link_to(&self, from: &gst::Pad, to: &gst::Pad) -> bool {
        if from.peer().as_ref() == Some(to) {
            return true;
        }
        if self.src.target().as_ref() == Some(from) {
            let _ = self.src.set_target(None::<&gst::Pad>);
        }
        if let Some(old) = from.peer() {
            let _ = from.unlink(&old);
        }
        if let Some(old) = to.peer() {
            let _ = old.unlink(to);
        }
        from.link(to).is_ok()
    }

    /// How long frames wait is another time with another voice.
    fn renew_latency(&self) {
        let dub = self.obj();
        if dub.current_state() >= gst::State::Paused {
            // Nobody needs to listen.
            let _ = dub.post_message(gst::message::Latency::builder().src(&*dub).build());
        }
    }
}
