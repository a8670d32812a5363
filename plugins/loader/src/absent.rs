// SPDX-License-Identifier: MIT OR Apache-2.0
//! Elements that stand for those whose library cannot be opened.

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::description::Description;
use crate::remedy;

/// Makes the pads that are always there.
fn add_pads(element: &gst::Element) {
    for template in element.pad_template_list() {
        if template.presence() == gst::PadPresence::Always {
            // Its name is its own in the element.
            let _ = element.add_pad(&gst::Pad::from_template(&template));
        }
    }
}

macro_rules! elements {
    ($($name:ident: $class:literal = $description:literal),+ $(,)?) => {
        /// Registers all of them.
        pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
            $(gst::Element::register(
                Some(plugin),
                stringify!($name),
                gst::Rank::NONE,
                $name::Absent::static_type(),
            )?;)+
            Ok(())
        }

        $(mod $name {
            use super::*;

            static DESCRIPTION: LazyLock<Description> =
                LazyLock::new(|| Description::read(include_str!($description)));

            glib::wrapper! {
                pub struct Absent(ObjectSubclass<Imp>) @extends gst::Element, gst::Object;
            }

            #[derive(Default)]
            pub struct Imp;

            #[glib::object_subclass]
            impl ObjectSubclass for Imp {
                const NAME: &'static str = $class;
                type Type = Absent;
                type ParentType = gst::Element;
            }

            impl ObjectImpl for Imp {
                fn constructed(&self) {
                    self.parent_constructed();
                    add_pads(self.obj().upcast_ref());
                }

                fn properties() -> &'static [glib::ParamSpec] {
                    &DESCRIPTION.properties
                }

                // What is set is taken, so that a launch line reaches the error that tells something.
                fn set_property(&self, _id: usize, _value: &glib::Value, _pspec: &glib::ParamSpec) {}

                fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
                    pspec.default_value().clone()
                }
            }

            impl GstObjectImpl for Imp {}

            impl ElementImpl for Imp {
                fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
                    static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                        let Description { long_name, klass, description, author, .. } = &*DESCRIPTION;
                        let description = format!("{description}. NOT USABLE HERE: {}", remedy::get());
                        gst::subclass::ElementMetadata::new(long_name, klass, &description, author)
                    });
                    Some(&METADATA)
                }

                fn pad_templates() -> &'static [gst::PadTemplate] {
                    &DESCRIPTION.templates
                }

                fn request_new_pad(
                    &self,
                    template: &gst::PadTemplate,
                    _name: Option<&str>,
                    _caps: Option<&gst::Caps>,
                ) -> Option<gst::Pad> {
                    let pad = gst::Pad::from_template(template);
                    self.obj().add_pad(&pad).ok()?;
                    Some(pad)
                }

                fn release_pad(&self, pad: &gst::Pad) {
                    // It is this element's.
                    let _ = self.obj().remove_pad(pad);
                }

                fn change_state(
                    &self,
                    transition: gst::StateChange,
                ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
                    if transition == gst::StateChange::NullToReady {
                        gst::element_imp_error!(
                            self,
                            gst::LibraryError::Init,
                            ("{} cannot work: {}", stringify!($name), remedy::get())
                        );
                        return Err(gst::StateChangeError);
                    }
                    self.parent_change_state(transition)
                }
            }
        })+
    };
}

// One row for each file in tests/golden/inspect.
include!(concat!(env!("OUT_DIR"), "/elements.rs"));
