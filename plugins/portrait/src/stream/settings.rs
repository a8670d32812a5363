//! The three properties that every element with a model has: `model-pack`, `device`, `num-threads`.

use std::sync::Arc;

use gst::glib;
use gst::prelude::*;

use crate::pack::{DEFAULT_PACK, Pack, PackError, ThreadLimit, parse_device};

/// Where models run unless told otherwise.
const DEFAULT_DEVICE: &str = "auto";

/// Most threads that `num-threads` takes.
const MAX_THREADS: u32 = 64;

/// Threads of a model run that nobody chose: the models are so small that a second thread costs more in waiting than it
/// gives, and encoder and other stages want the cores.
const AUTOMATIC_THREADS: u32 = 1;

/// Which models an element runs, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSettings {
    /// Name or folder of the pack.
    pub model_pack: String,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// CPU threads of one model run, 0 = automatic.
    pub num_threads: u32,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self { model_pack: DEFAULT_PACK.into(), device: DEFAULT_DEVICE.into(), num_threads: 0 }
    }
}

impl ModelSettings {
    /// The properties, for `ObjectImpl::properties`.
    pub fn param_specs() -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecString::builder("model-pack")
                .nick("Model pack")
                .blurb("Name of an installed model pack, or a folder that holds pack.toml")
                .default_value(Some(DEFAULT_PACK))
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("device")
                .nick("Device")
                .blurb("Where the models run: auto (where the pack prefers: lite the CPU), cpu, or cuda:N")
                .default_value(Some(DEFAULT_DEVICE))
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt::builder("num-threads")
                .nick("Number of threads")
                .blurb("CPU threads of one model run (0 = automatic: one)")
                .maximum(MAX_THREADS)
                .default_value(0)
                .mutable_ready()
                .build(),
        ]
    }

    /// Stores a property; `false` where the name is none of these. A null string brings the default back.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        let text = |default: &str| {
            value.get::<Option<String>>().ok().flatten().unwrap_or_else(|| default.to_owned())
        };
        match name {
            "model-pack" => self.model_pack = text(DEFAULT_PACK),
            "device" => self.device = text(DEFAULT_DEVICE),
            "num-threads" => self.num_threads = value.get().unwrap_or(0),
            _ => return false,
        }
        true
    }

    /// Reads a property; `None` where the name is none of these.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        match name {
            "model-pack" => Some(self.model_pack.to_value()),
            "device" => Some(self.device.to_value()),
            "num-threads" => Some(self.num_threads.to_value()),
            _ => None,
        }
    }

    /// Opens the pack and the device that the properties name. Not for setters: this reads files.
    ///
    /// # Errors
    /// Those of [`Pack::open`] and [`parse_device`].
    pub fn open(&self) -> Result<(Arc<Pack>, tch::Device), PackError> {
        let pack = Pack::open(&self.model_pack)?;
        let device = parse_device(&self.device, pack.manifest().compute.prefer)?;
        Ok((pack, device))
    }

    /// Limits the model runs of the calling thread, for as long as the guard lives.
    pub fn limit_threads(&self) -> ThreadLimit {
        ThreadLimit::new(if self.num_threads == 0 { AUTOMATIC_THREADS } else { self.num_threads })
    }
}

/// A number that may change, or be keyframed, while the pipeline plays.
pub fn number_param_spec(
    name: &str,
    nick: &str,
    blurb: &str,
    (from, to): (f32, f32),
    default: f32,
) -> glib::ParamSpec {
    glib::ParamSpecFloat::builder(name)
        .nick(nick)
        .blurb(blurb)
        .minimum(from)
        .maximum(to)
        .default_value(default)
        .mutable_playing()
        .controllable()
        .build()
}

/// Stores a number; one that is not finite, which no range keeps out, leaves the old value.
pub fn store(place: &mut f32, value: &glib::Value) {
    if let Some(number) = value.get().ok().filter(|v: &f32| v.is_finite()) {
        *place = number;
    }
}

/// The property `seed` of elements that draw random numbers.
pub fn seed_param_spec() -> glib::ParamSpec {
    glib::ParamSpecUInt::builder("seed")
        .nick("Seed")
        .blurb("Seed of what is random (blinks, head motion): the same seed and input give the same frames")
        .mutable_ready()
        .build()
}

/// The element error that tells the user about a pack that cannot be used.
pub fn pack_error_message(error: &PackError) -> gst::ErrorMessage {
    match error {
        PackError::NotFound { .. } => gst::error_msg!(gst::ResourceError::NotFound, ("{error}")),
        PackError::Read { .. } | PackError::Digest { .. } => {
            gst::error_msg!(gst::ResourceError::OpenRead, ("{error}"))
        }
        PackError::Untrusted { .. } => gst::error_msg!(gst::ResourceError::NotAuthorized, ("{error}")),
        PackError::Torch { .. } => gst::error_msg!(gst::LibraryError::Failed, ("{error}")),
        _ => gst::error_msg!(gst::ResourceError::Settings, ("{error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_round_trip_and_a_null_string_is_the_default() {
        gst::init().unwrap();
        let mut settings = ModelSettings::default();
        assert!(settings.set("model-pack", &"other".to_value()));
        assert!(settings.set("num-threads", &3u32.to_value()));
        assert!(!settings.set("nonsense", &3u32.to_value()));
        assert_eq!(settings.get("model-pack").unwrap().get::<String>().unwrap(), "other");
        assert_eq!(settings.get("num-threads").unwrap().get::<u32>().unwrap(), 3);
        assert!(settings.get("nonsense").is_none());
        assert!(settings.set("model-pack", &None::<String>.to_value()));
        assert_eq!(settings.model_pack, DEFAULT_PACK);
    }

    #[test]
    fn every_property_says_what_it_is_and_when_it_may_change() {
        gst::init().unwrap();
        for spec in ModelSettings::param_specs() {
            assert!(!spec.nick().is_empty() && spec.blurb().is_some(), "{}", spec.name());
            assert!(spec.flags().contains(gst::PARAM_FLAG_MUTABLE_READY), "{}", spec.name());
            assert!(ModelSettings::default().get(spec.name()).is_some(), "{}", spec.name());
        }
    }
}
