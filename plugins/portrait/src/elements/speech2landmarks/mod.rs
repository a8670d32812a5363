// SPDX-License-Identifier: MIT OR Apache-2.0
//! `speech2landmarks`: features in, normalised landmarks out.

use gst::glib;

mod imp;
mod manner;
mod person;
mod reference;
mod second;
mod settings;

pub(crate) use settings::properties;

/// The action signal `blink`: the element's and that of the bin that proxies it.
pub(crate) fn blink_signal(emit: impl Fn(glib::Object) + Send + Sync + 'static) -> glib::subclass::Signal {
    glib::subclass::Signal::builder("blink")
        .run_last()
        .action()
        .class_handler(move |values| {
            if let Some(Ok(object)) = values.first().map(glib::Value::get) {
                emit(object);
            }
            None
        })
        .build()
}

glib::wrapper! {
    /// The element `speech2landmarks`.
    pub struct Speech2Landmarks(ObjectSubclass<imp::Speech2Landmarks>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}
