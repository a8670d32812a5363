//! What must not wait for a picture that is being drawn.

use std::sync::mpsc;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::FaceSynth;
use crate::element::lock;
use crate::pack::{DEFAULT_PACK, Pack};
use crate::tensor::{TensorInfo, TensorKind, meta};

#[test]
fn queries_and_properties_do_not_wait_for_a_picture() {
    gst::init().unwrap();
    meta::register();
    let element: FaceSynth = glib::Object::builder().build();
    let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/portrait-grace-hopper.jpg");
    element.set_property("portrait", photo);
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
        asking.set_property("portrait", photo);
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
