// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must not wait for a picture that is being drawn, nor make it wait.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::person::Person;
use super::settings::Look;
use super::{AlphaMode, Background, FaceSynth, Framing};
use crate::pack::{CallOff, DEFAULT_PACK, Pack};
use crate::photo::Portrait;
use crate::stream::element::lock;
use crate::stream::tensor::{TensorInfo, TensorKind, meta};

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/portrait-grace-hopper.jpg");

#[test]
fn changes_of_the_background_run_no_network_again() {
    gst::init().unwrap();
    let models = (&Pack::open(DEFAULT_PACK).unwrap(), tch::Device::Cpu);
    let portrait = Portrait::analyse(Path::new(PHOTO), models.0, models.1).unwrap();
    let (width, height) = (portrait.photo.width as u32, portrait.photo.height as u32);
    for framing in [Framing::Crop, Framing::Full] {
        let mut person = Person::new(Arc::clone(&portrait).into(), models.0, models.1).unwrap();
        let (width, height) = if framing == Framing::Crop { (512, 512) } else { (width, height) };
        let info =
            gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgba, width, height).build().unwrap();
        let mut set = |background, color, alpha| {
            person.set_output(&info, Look { background, color, alpha }, framing, models)
        };
        set(Background::Transparent, 0, AlphaMode::Straight).unwrap();
        // A network that runs from now on is an error.
        let _watch = CallOff::watch(&Arc::new(AtomicBool::new(true)));
        for alpha in [AlphaMode::Straight, AlphaMode::Premultiplied] {
            for background in [Background::Color, Background::Keep, Background::Transparent] {
                set(background, 0xff00_ff00, alpha).unwrap();
            }
        }
    }
}

#[test]
fn queries_and_properties_do_not_wait_for_a_picture() {
    gst::init().unwrap();
    meta::register();
    let element: FaceSynth = glib::Object::builder().build();
    element.set_property("portrait", PHOTO);
    element.set_state(gst::State::Paused).unwrap();
    let pack = Pack::open(DEFAULT_PACK).unwrap();
    let latents = TensorInfo {
        kind: TensorKind::Latents,
        shape: vec![pack.manifest().latents.count, 3],
        framerate: gst::Fraction::new(25, 1),
        pack: pack.id(),
    };
    // As while a picture is drawn.
    let drawing = lock(&element.imp().state);
    let (done, wait) = mpsc::channel();
    let asking = element.clone();
    let thread = std::thread::spawn(move || {
        let step = |name: &'static str| done.send(name).unwrap();
        for spec in asking.list_properties() {
            if spec.flags().contains(glib::ParamFlags::READABLE) {
                let _ = asking.property_value(spec.name());
            }
        }
        step("getters");
        asking.set_property("background-color", 7u32);
        asking.set_property_from_str("background", "color");
        asking.set_property("portrait", PHOTO);
        step("setters");
        for name in ["sink", "src"] {
            let pad = asking.static_pad(name).unwrap();
            assert!(!pad.query_caps(None).is_empty());
            assert!(!pad.query_caps(Some(&pad.pad_template_caps())).is_empty());
            pad.query(&mut gst::query::Latency::new());
            pad.query(&mut gst::query::Context::new(crate::photo::context::CONTEXT_TYPE));
        }
        assert!(asking.static_pad("sink").unwrap().query_accept_caps(&latents.to_caps()));
        step("queries");
    });
    for wanted in ["getters", "setters", "queries"] {
        assert_eq!(wait.recv_timeout(Duration::from_secs(60)), Ok(wanted), "waits for the picture");
    }
    drop(drawing);
    thread.join().unwrap();
    element.set_state(gst::State::Null).unwrap();
}
