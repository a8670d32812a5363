// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of an element as a table. A row says once what a property is and where its value lies: the default is what
//! the settings begin with, reading and writing follow from the place.

use std::error::Error;

use gst::glib;
use gst::glib::translate::{FromGlib, IntoGlib};
use gst::glib::value::FromValue;
use gst::prelude::*;

/// Where a value of type `T` lies in settings of type `S`.
pub type Place<S, T> = fn(&mut S) -> &mut T;

/// A text that a property does not take; the value stays as it was.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

type Stored = Result<(), Unreadable>;
type Spec = dyn Fn(glib::ParamFlags) -> glib::ParamSpec + Send + Sync;
type Get<S> = dyn Fn(&mut S) -> Option<glib::Value> + Send + Sync;
type Set<S> = dyn Fn(&mut S, &glib::Value) -> Stored + Send + Sync;

/// A row of the table. It may change in every state unless it says otherwise.
pub struct Property<S> {
    flags: glib::ParamFlags,
    spec: Box<Spec>,
    get: Box<Get<S>>,
    set: Box<Set<S>>,
}

impl<S: 'static> Property<S> {
    /// A property whose value is stored if `take` makes one of it; `spec` gets the default.
    fn new<T: ToValue + Clone + 'static>(
        place: Place<S, T>,
        take: impl Fn(&glib::Value) -> Option<T> + Send + Sync + 'static,
        spec: impl Fn(T, glib::ParamFlags) -> glib::ParamSpec + Send + Sync + 'static,
    ) -> Self
    where
        S: Default,
    {
        Self {
            flags: glib::ParamFlags::READWRITE | gst::PARAM_FLAG_MUTABLE_PLAYING,
            spec: Box::new(move |flags| spec(place(&mut S::default()).clone(), flags)),
            get: Box::new(move |settings| Some(place(settings).to_value())),
            set: Box::new(move |settings, value| {
                if let Some(value) = take(value) {
                    *place(settings) = value;
                }
                Ok(())
            }),
        }
    }

    /// A property that the element itself answers for: it has no place in the settings and cannot be written.
    pub fn read_only(spec: impl Fn(glib::ParamFlags) -> glib::ParamSpec + Send + Sync + 'static) -> Self {
        Self {
            flags: glib::ParamFlags::READABLE,
            spec: Box::new(spec),
            get: Box::new(|_| None),
            set: Box::new(|_, _| Ok(())),
        }
    }

    /// It may only change in NULL and READY.
    pub fn in_ready(mut self) -> Self {
        self.flags.remove(gst::PARAM_FLAG_MUTABLE_PLAYING);
        self.flags |= gst::PARAM_FLAG_MUTABLE_READY;
        self
    }

    /// It can follow a `GstController`.
    pub fn controllable(mut self) -> Self {
        self.flags |= gst::PARAM_FLAG_CONTROLLABLE;
        self
    }

    /// The same property of settings that hold these.
    pub fn within<T: 'static>(self, place: Place<T, S>) -> Property<T> {
        let Self { flags, spec, get, set } = self;
        Property {
            flags,
            spec,
            get: Box::new(move |settings| get(place(settings))),
            set: Box::new(move |settings, value| set(place(settings), value)),
        }
    }
}

macro_rules! builder {
    ($kind:ident, $texts:expr, $flags:expr) => {
        glib::$kind::builder($texts[0]).nick($texts[1]).blurb($texts[2]).flags($flags)
    };
}

/// Name, nick and blurb of a property.
pub type Texts = [&'static str; 3];

/// A number; one that is not finite, which no range keeps out, is not stored.
pub fn number<S: Default + 'static>(
    texts: Texts,
    (from, to): (f32, f32),
    place: Place<S, f32>,
) -> Property<S> {
    Property::new(
        place,
        |value| value.get().ok().filter(|number: &f32| number.is_finite()),
        move |default, flags| {
            builder!(ParamSpecFloat, texts, flags).minimum(from).maximum(to).default_value(default).build()
        },
    )
    .controllable()
}

/// A whole number.
pub fn whole<S: Default + 'static>(
    texts: Texts,
    (from, to): (u32, u32),
    place: Place<S, u32>,
) -> Property<S> {
    Property::new(
        place,
        |value| value.get().ok(),
        move |default, flags| {
            builder!(ParamSpecUInt, texts, flags).minimum(from).maximum(to).default_value(default).build()
        },
    )
}

/// A time in nanoseconds.
pub fn time<S: Default + 'static>(
    texts: Texts,
    longest: gst::ClockTime,
    place: Place<S, gst::ClockTime>,
) -> Property<S> {
    let row = Property::new(
        place,
        |value| value.get().ok().map(gst::ClockTime::from_nseconds),
        move |default: gst::ClockTime, flags| {
            let default = default.nseconds();
            builder!(ParamSpecUInt64, texts, flags).maximum(longest.nseconds()).default_value(default).build()
        },
    );
    Property { get: Box::new(move |settings| Some(place(settings).nseconds().to_value())), ..row }
}

/// Yes or no.
pub fn switch<S: Default + 'static>(texts: Texts, place: Place<S, bool>) -> Property<S> {
    Property::new(
        place,
        |value| value.get().ok(),
        move |default, flags| builder!(ParamSpecBoolean, texts, flags).default_value(default).build(),
    )
}

/// One of the values of an enumeration.
pub fn choice<S, T>(texts: Texts, place: Place<S, T>) -> Property<S>
where
    S: Default + 'static,
    T: Copy
        + StaticType
        + FromGlib<i32>
        + IntoGlib<GlibType = i32>
        + ToValue
        + for<'a> FromValue<'a>
        + 'static,
{
    // Listed with the plugin's documentation.
    T::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    Property::new(
        place,
        |value| value.get::<T>().ok(),
        move |default, flags| {
            glib::ParamSpecEnum::builder_with_default(texts[0], default)
                .nick(texts[1])
                .blurb(texts[2])
                .flags(flags)
                .build()
        },
    )
}

/// Several of the values of a set of flags.
pub fn choices<S, T>(texts: Texts, place: Place<S, T>) -> Property<S>
where
    S: Default + 'static,
    T: Copy
        + StaticType
        + FromGlib<u32>
        + IntoGlib<GlibType = u32>
        + ToValue
        + for<'a> FromValue<'a>
        + 'static,
{
    // Listed with the plugin's documentation.
    T::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    Property::new(
        place,
        |value| value.get::<T>().ok(),
        move |default, flags| {
            glib::ParamSpecFlags::builder::<T>(texts[0])
                .default_value(default)
                .nick(texts[1])
                .blurb(texts[2])
                .flags(flags)
                .build()
        },
    )
}

/// Text, or none.
pub fn text<S: Default + 'static>(texts: Texts, place: Place<S, Option<String>>) -> Property<S> {
    Property::new(
        place,
        |value| value.get::<Option<String>>().ok(),
        move |default, flags| {
            builder!(ParamSpecString, texts, flags).default_value(default.as_deref()).build()
        },
    )
}

/// Text; none brings the default back.
pub fn text_or_default<S: Default + 'static>(texts: Texts, place: Place<S, String>) -> Property<S> {
    let default = move || place(&mut S::default()).clone();
    Property::new(
        place,
        move |value| value.get::<Option<String>>().ok().map(|text| text.unwrap_or_else(default)),
        move |default, flags| {
            builder!(ParamSpecString, texts, flags).default_value(Some(default.as_str())).build()
        },
    )
}

/// Text that is read for what it means: `write` may refuse it.
pub fn parsed<S: Default + 'static, E: Error + 'static>(
    texts: Texts,
    read: fn(&S) -> Option<String>,
    write: fn(&mut S, Option<String>) -> Result<(), E>,
) -> Property<S> {
    Property {
        flags: glib::ParamFlags::READWRITE | gst::PARAM_FLAG_MUTABLE_PLAYING,
        spec: Box::new(move |flags| {
            let default = read(&S::default());
            builder!(ParamSpecString, texts, flags).default_value(default.as_deref()).build()
        }),
        get: Box::new(move |settings| Some(read(settings).to_value())),
        set: Box::new(move |settings, value| {
            let text = value.get::<Option<String>>().unwrap_or_default();
            write(settings, text).map_err(|error| Unreadable(error.to_string()))
        }),
    }
}

/// What an element has.
pub struct Table<S> {
    rows: Vec<Property<S>>,
    specs: Vec<glib::ParamSpec>,
}

impl<S: 'static> Table<S> {
    /// The table of these rows.
    pub fn new(rows: impl IntoIterator<Item = Property<S>>) -> Self {
        let mut table = Self { rows: rows.into_iter().collect(), specs: Vec::new() };
        table.specs = table.new_specs();
        table
    }

    /// For `ObjectImpl::properties`.
    pub fn specs(&self) -> &[glib::ParamSpec] {
        &self.specs
    }

    /// A new set of them: each belongs to one class, the element's or that of a bin that proxies it.
    pub fn new_specs(&self) -> Vec<glib::ParamSpec> {
        self.rows.iter().map(|row| (row.spec)(row.flags)).collect()
    }

    fn row(&self, name: &str) -> Option<&Property<S>> {
        self.specs.iter().position(|spec| spec.name() == name).and_then(|index| self.rows.get(index))
    }

    /// Stores a property; a name that is none of these does nothing.
    ///
    /// # Errors
    /// Where a text cannot be read: the old one stays.
    pub fn set(&self, settings: &mut S, name: &str, value: &glib::Value) -> Result<(), Unreadable> {
        self.row(name).map_or(Ok(()), |row| (row.set)(settings, value))
    }

    /// Reads a property that lies in the settings; the default of one that does not.
    pub fn get(&self, settings: &mut S, spec: &glib::ParamSpec) -> glib::Value {
        let value = self.row(spec.name()).and_then(|row| (row.get)(settings));
        value.unwrap_or_else(|| spec.default_value().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elements::{
        audiofeatures, face2latents, facelandmarks, facesynth, facetracker, landmarkoverlay,
        landmarks2latents, mouthdub, speech2landmarks,
    };

    /// A value that a property does not begin with.
    fn other(spec: &glib::ParamSpec) -> glib::Value {
        let class = spec.value_type();
        let default = spec.default_value();
        if let Some(class) = glib::EnumClass::with_type(class) {
            let mut values = class.values().iter().map(|value| class.to_value(value.value()).unwrap());
            return values.find(|value| value.serialize().ok() != default.serialize().ok()).unwrap();
        }
        if let Some(class) = glib::FlagsClass::with_type(class) {
            return class.to_value(class.values()[1].value()).unwrap();
        }
        if let Ok(on) = default.get::<bool>() {
            return (!on).to_value();
        }
        match spec.name() {
            "face" => "left".to_value(),
            "emotion-mix" => "happy=1".to_value(),
            _ if class == glib::Type::STRING => "other".to_value(),
            _ => {
                let number = 1.to_value().transform_with_type(class).unwrap();
                if number.serialize().ok() != default.serialize().ok() {
                    return number;
                }
                2.to_value().transform_with_type(class).unwrap()
            }
        }
    }

    /// Each property of a table begins at its default, keeps what it is given and changes no other, and says what it is and
    /// when it may change.
    fn check<S: Default + 'static>(table: &Table<S>) {
        let text = |value: &glib::Value| value.serialize().ok();
        let writable = |spec: &&glib::ParamSpec| spec.flags().contains(glib::ParamFlags::WRITABLE);
        for spec in table.specs() {
            let name = spec.name();
            assert!(!spec.nick().is_empty() && spec.blurb().is_some_and(|blurb| !blurb.is_empty()), "{name}");
            assert_eq!(table.get(&mut S::default(), spec).type_(), spec.value_type(), "{name}");
        }
        for spec in table.specs().iter().filter(writable) {
            let name = spec.name();
            let states = [gst::PARAM_FLAG_MUTABLE_READY, gst::PARAM_FLAG_MUTABLE_PLAYING];
            assert_eq!(states.iter().filter(|state| spec.flags().contains(**state)).count(), 1, "{name}");
            let (mut settings, other) = (S::default(), other(spec));
            assert_ne!(text(&other), text(spec.default_value()), "{name}");
            table.set(&mut settings, name, &other).unwrap();
            for each in table.specs().iter().filter(writable) {
                let expected = if each.name() == name { &other } else { each.default_value() };
                assert_eq!(text(&table.get(&mut settings, each)), text(expected), "{name}, {}", each.name());
            }
        }
    }

    #[test]
    fn every_property_of_every_element_keeps_what_it_is_given_and_starts_at_its_default() {
        gst::init().unwrap();
        check(audiofeatures::properties());
        check(speech2landmarks::properties());
        check(landmarks2latents::properties());
        check(facesynth::properties());
        check(facelandmarks::properties());
        check(landmarkoverlay::properties());
        check(facetracker::properties());
        check(mouthdub::properties());
        check(face2latents::properties());
    }

    #[derive(Default)]
    struct Two {
        a: f32,
        b: f32,
    }

    #[test]
    fn rows_do_not_share_a_place_and_a_number_that_is_none_is_not_stored() {
        gst::init().unwrap();
        let row = |name: &'static str, place: Place<Two, f32>| number([name, "N", "n"], (-1.0, 1.0), place);
        let table = Table::new([row("a", |s| &mut s.a), row("b", |s| &mut s.b)]);
        let mut two = Two::default();
        table.set(&mut two, "a", &0.5f32.to_value()).unwrap();
        table.set(&mut two, "a", &f32::NAN.to_value()).unwrap();
        assert_eq!((two.a, two.b), (0.5, 0.0));
    }
}
