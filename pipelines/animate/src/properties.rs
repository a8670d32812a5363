// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties of the element that animates, from text.

use gst::glib;
use gst::glib::translate::{ToGlibPtr, ToGlibPtrMut};
use gst::prelude::*;

/// Sets a property; says in one line what is wrong with it.
pub fn set(head: &gst::Element, name: &str, text: &str) -> Result<(), String> {
    let value = read(head, name, text)?;
    let is_text = value.type_() == glib::Type::STRING;
    head.set_property_from_value(name, &value);
    // Texts that the element cannot read leave the old one.
    if is_text && head.property::<Option<String>>(name).as_deref() != Some(text) {
        return Err(if name == "face" {
            format!(
                "--face {text} names no face: write largest, left, right, a number (1 = the first from the left) or x,y \
                 (parts of the picture's width and height, 0 to 1)"
            )
        } else {
            format!("{name}={text} is nothing that it can be")
        });
    }
    Ok(())
}

/// Reads a property's value; nothing is set.
pub fn read(head: &gst::Element, name: &str, text: &str) -> Result<glib::Value, String> {
    let spec = head
        .find_property(name)
        .filter(|spec| spec.owner_type() == head.type_() && spec.flags().contains(glib::ParamFlags::WRITABLE))
        .ok_or_else(|| format!("{} has no property {name}{}", element(head), nearest(head, name)))?;
    if spec.value_type() == glib::Type::STRING {
        return Ok(text.to_value());
    }
    let value = glib::Value::deserialize_with_pspec(text.trim(), &spec).map_err(|_| {
        let choices = glib::EnumClass::with_type(spec.value_type()).map(|class| {
            class.values().iter().map(|value| value.nick().to_owned()).collect::<Vec<_>>().join(", ")
        });
        match choices {
            Some(choices) => format!("{name}={text} is none of {choices}"),
            None => format!("{name}={text} is {}", misread(spec.value_type())),
        }
    })?;
    // Set like this it would be moved into its range without a word.
    let mut near = value.clone();
    if moved_into_range(&spec, &mut near) {
        let near = near.serialize().map(|text| text.to_string()).unwrap_or_default();
        return Err(format!("{name}={text} is beyond its range, which ends at {near}"));
    }
    Ok(value)
}

/// What a text is that is no value of that type.
fn misread(as_type: glib::Type) -> String {
    if [glib::Type::F32, glib::Type::F64].contains(&as_type) {
        "no number".to_owned()
    } else if [glib::Type::I32, glib::Type::U32, glib::Type::I64, glib::Type::U64].contains(&as_type) {
        "no whole number that it takes".to_owned()
    } else if as_type == glib::Type::BOOL {
        "neither true nor false".to_owned()
    } else {
        format!("no {}", as_type.name())
    }
}

/// Moves a value into the range of a property; whether it was outside.
fn moved_into_range(spec: &glib::ParamSpec, value: &mut glib::Value) -> bool {
    // SAFETY: both are valid, and the value is of the property's type.
    let moved = unsafe {
        glib::gobject_ffi::g_param_value_validate(spec.to_glib_none().0, value.to_glib_none_mut().0)
    };
    moved != glib::ffi::GFALSE
}

/// What an element is called in a pipeline.
fn element(head: &gst::Element) -> String {
    head.factory().map_or_else(|| head.name(), |factory| factory.name()).to_string()
}

/// The property that was meant, where one letter is wrong.
fn nearest(head: &gst::Element, name: &str) -> String {
    let own = head.list_properties();
    let near = own.iter().filter(|spec| spec.owner_type() == head.type_());
    let near = near.map(|spec| (distance(spec.name(), name), spec.name())).min();
    near.filter(|(distance, _)| *distance <= 2)
        .map_or(String::new(), |(_, near)| format!(": is {near} meant?"))
}

/// Letters to change, add or take away.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let change = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_near() {
        assert_eq!(distance("gaze-yaw", "gaze-yaw"), 0);
        assert_eq!(distance("emotion", "emotoin"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("seed", "speed"), 1);
    }

    #[test]
    fn values_are_read_as_the_element_has_them() {
        gst::init().unwrap();
        // An element of GStreamer's with a choice, a number with a range and a text.
        let element = gst::ElementFactory::make("multifilesink").build().unwrap();
        assert!(set(&element, "max-files", "7").is_ok());
        assert_eq!(element.property::<u32>("max-files"), 7);
        assert!(set(&element, "location", "a b").is_ok());
        assert!(
            read(&element, "next-file", "sometimes")
                .unwrap_err()
                .starts_with("next-file=sometimes is none of buffer, ")
        );
        assert!(
            read(&element, "max-files", "many").unwrap_err().contains("max-files=many is no whole number")
        );
        assert!(read(&element, "max-filess", "1").unwrap_err().ends_with(": is max-files meant?"));
        assert!(read(&element, "name", "x").is_err(), "that is not the element's own");
        let blur = gst::ElementFactory::make("audioamplify").build();
        if let Ok(element) = blur {
            assert!(set(&element, "clipping-method", "wrap-positive").is_ok());
        }
        let queue = gst::ElementFactory::make("queue").build().unwrap();
        assert!(read(&queue, "min-threshold-bytes", "5").is_ok());
        assert!(read(&queue, "flush-on-eos", "maybe").is_err());
        let identity = gst::ElementFactory::make("identity").build().unwrap();
        let beyond = read(&identity, "drop-probability", "2").unwrap_err();
        assert!(beyond.contains("is beyond its range, which ends at 1"), "{beyond}");
    }
}
