// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an element says of itself, in words that no version of GStreamer lays out differently.

use std::fmt::Write;

use gst::glib;
use gst::prelude::*;

/// The elements of the plugin, in the order of the data.
pub const ELEMENTS: [&str; gstportrait::elements::ELEMENTS.len()] = {
    let mut names = [""; gstportrait::elements::ELEMENTS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = gstportrait::elements::ELEMENTS[i].0;
        i += 1;
    }
    names
};

/// Factory, pads, properties and signals of an element that is registered.
pub fn element(name: &str) -> String {
    let factory = gst::ElementFactory::find(name).unwrap_or_else(|| panic!("no element {name}"));
    let element = factory.create().build().unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut text = format!("{name}: {}\n", factory.longname());
    for key in ["klass", "description", "author"] {
        let _ = writeln!(text, "  {key}: {}", factory.metadata(key).unwrap_or_default());
    }
    let _ = writeln!(text, "  rank: {:?}", factory.rank());
    let parents = std::iter::successors(Some(element.type_()), |class| class.parent());
    let _ = writeln!(text, "  class: {}", parents.map(|c| c.name()).collect::<Vec<_>>().join(" < "));
    for template in factory.static_pad_templates() {
        let (direction, presence) = (template.direction(), template.presence());
        let _ = writeln!(text, "\npad {} ({direction:?}, {presence:?})", template.name_template());
        for (structure, features) in template.caps().iter_with_features() {
            let _ = writeln!(text, "  {}({features})", structure.name());
            let mut fields: Vec<String> =
                structure.iter().map(|(field, value)| format!("    {field}: {}", written(value))).collect();
            fields.sort();
            let _ = writeln!(text, "{}", fields.join("\n"));
        }
        for spec in pad_properties(&element, template.name_template()) {
            let _ = write!(text, "  pad property {}", property(&spec));
        }
    }
    for spec in own_properties(&element) {
        let _ = write!(text, "\nproperty {}", property(&spec));
    }
    for name in signals(element.type_()) {
        let _ = writeln!(text, "\nsignal {name}");
    }
    text
}

/// The properties that are no base class's, by name.
pub fn own_properties(element: &gst::Element) -> Vec<glib::ParamSpec> {
    let own = element.type_();
    let mut specs: Vec<_> =
        element.list_properties().iter().filter(|spec| spec.owner_type() == own).cloned().collect();
    specs.sort_by(|a, b| a.name().cmp(b.name()));
    specs
}

/// The properties of the pads of a template that are no base class's, by name.
pub fn pad_properties(element: &gst::Element, template: impl AsRef<str>) -> Vec<glib::ParamSpec> {
    let Some(template) = element.pad_template(template.as_ref()) else { return Vec::new() };
    let class = template.property::<glib::Type>("gtype");
    let Some(pads) =
        glib::Class::<glib::Object>::from_type(class).filter(|_| class != gst::Pad::static_type())
    else {
        return Vec::new();
    };
    let mut specs: Vec<_> =
        pads.list_properties().iter().filter(|spec| spec.owner_type() == class).cloned().collect();
    specs.sort_by(|a, b| a.name().cmp(b.name()));
    specs
}

/// In which states a property may be written.
pub fn mutability(spec: &glib::ParamSpec) -> &'static str {
    let flags = spec.flags();
    if !flags.contains(glib::ParamFlags::WRITABLE) {
        "read only"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_PLAYING) {
        "any state"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_PAUSED) {
        "NULL, READY, PAUSED"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_READY) {
        "NULL, READY"
    } else {
        "not said"
    }
}

/// Type and range of a property's values.
pub fn values(spec: &glib::ParamSpec) -> String {
    macro_rules! range {
        ($($kind:ty => $name:literal),+) => {
            $(if let Some(spec) = spec.downcast_ref::<$kind>() {
                return format!("{}, {} to {}", $name, spec.minimum(), spec.maximum());
            })+
        };
    }
    range!(
        glib::ParamSpecUInt => "uint",
        glib::ParamSpecInt => "int",
        glib::ParamSpecUInt64 => "uint64",
        glib::ParamSpecFloat => "float",
        glib::ParamSpecDouble => "double"
    );
    if let Some(class) = glib::EnumClass::with_type(spec.value_type()) {
        return class.values().iter().map(|value| value.nick().to_owned()).collect::<Vec<_>>().join(", ");
    }
    if let Some(class) = glib::FlagsClass::with_type(spec.value_type()) {
        return class.values().iter().map(|value| value.nick().to_owned()).collect::<Vec<_>>().join("+");
    }
    match spec.value_type() {
        glib::Type::STRING => "string".to_owned(),
        glib::Type::BOOL => "boolean".to_owned(),
        other => other.name().to_owned(),
    }
}

fn property(spec: &glib::ParamSpec) -> String {
    let controllable =
        if spec.flags().contains(gst::PARAM_FLAG_CONTROLLABLE) { ", controllable" } else { "" };
    format!(
        "{} ({}{controllable}; {})\n  default: {}\n  {}: {}\n",
        spec.name(),
        values(spec),
        mutability(spec),
        written(spec.default_value()),
        spec.nick(),
        spec.blurb().unwrap_or_default()
    )
}

/// A value as a launch line has it; a structure has none before there is something in it.
pub fn written(value: &glib::Value) -> String {
    if value.type_() == gst::Structure::static_type() {
        return "none".to_owned();
    }
    if let Some((_, set)) = glib::FlagsValue::from_value(value) {
        return set.iter().map(|value| value.nick().to_owned()).collect::<Vec<_>>().join("+");
    }
    value.serialize().map_or_else(|_| "none".to_owned(), |text| text.to_string())
}

/// Names of the signals of a class.
pub fn signals(class: glib::Type) -> Vec<String> {
    // SAFETY: the ids come from GLib and are read before they are freed by it.
    unsafe {
        use glib::gobject_ffi;
        use glib::translate::{IntoGlib, from_glib_none};
        let mut count = 0;
        let ids = gobject_ffi::g_signal_list_ids(class.into_glib(), &raw mut count);
        let names = (0..count as usize)
            .map(|i| {
                let name: glib::GString = from_glib_none(gobject_ffi::g_signal_name(*ids.add(i)));
                name.to_string()
            })
            .collect();
        glib::ffi::g_free(ids.cast());
        names
    }
}
