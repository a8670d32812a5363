// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pad `voice_%u`: what is one voice's own are its properties.

use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::speaker::{self, Speaker};
use crate::elements::facetracker::FaceTracker;
use crate::face::find::FaceProperty;
use crate::stream::bin;
use crate::stream::element::lock;

/// What a pad is the pad of.
#[derive(Debug)]
pub struct Link {
    pub number: u32,
    pub speaker: Arc<Speaker>,
    pub tracker: FaceTracker,
}

#[derive(Debug, Default)]
pub struct FaceDubPad {
    face: Mutex<FaceProperty>,
    pub link: OnceLock<Link>,
}

#[glib::object_subclass]
impl ObjectSubclass for FaceDubPad {
    const NAME: &'static str = "GstFaceDubPad";
    type Type = super::FaceDubPad;
    type ParentType = gst::GhostPad;
}

impl FaceDubPad {
    fn set_face(&self, value: &glib::Value) {
        let text = value.get::<Option<String>>().unwrap_or_default();
        let (error, choice) = {
            let mut face = lock(&self.face);
            (face.set(text).err(), face.choice)
        };
        if let Some(link) = self.link.get() {
            link.tracker.follow(link.number, choice);
        }
        let pad = self.obj();
        if let Some(dub) = pad.parent().and_downcast::<super::FaceDub>() {
            dub.imp().complaints.set(&dub, &format!("{}::face", pad.name()), error.as_ref());
        }
    }
}

impl ObjectImpl for FaceDubPad {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(speaker::own_specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        match (pspec.name(), self.link.get()) {
            ("face", _) => self.set_face(value),
            (name, Some(link)) => bin::set_property(&link.speaker.stages(), name, value),
            // A pad that is nobody's.
            _ => (),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match (pspec.name(), self.link.get()) {
            ("face", _) => lock(&self.face).text().to_value(),
            ("stats", Some(link)) => link.speaker.statistics().to_value(),
            (_, Some(link)) => bin::property(&link.speaker.stages(), pspec),
            _ => pspec.default_value().clone(),
        }
    }
}

impl GstObjectImpl for FaceDubPad {}
impl PadImpl for FaceDubPad {}
impl ProxyPadImpl for FaceDubPad {}
impl GhostPadImpl for FaceDubPad {}
