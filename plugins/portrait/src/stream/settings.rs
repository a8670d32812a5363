// SPDX-License-Identifier: MIT OR Apache-2.0
//! The three properties that every element with a model has: `model-pack`, `device`, `num-threads`.

use std::sync::Arc;

use crate::pack::{DEFAULT_PACK, Pack, PackError, ThreadLimit, parse_device};
use crate::stream::property::{Place, Property, text_or_default, whole};

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
    /// The properties, as rows of the table of an element whose settings hold these.
    pub fn properties<S: Default + 'static>(place: Place<S, Self>) -> impl Iterator<Item = Property<S>> {
        let rows: [Property<Self>; 3] = [
            text_or_default(
                [
                    "model-pack",
                    "Model pack",
                    "Name of an installed model pack, or a folder that holds pack.toml",
                ],
                |s| &mut s.model_pack,
            ),
            text_or_default(
                [
                    "device",
                    "Device",
                    "Where the models run: auto (where the pack prefers: lite the CPU), cpu, or cuda:N",
                ],
                |s| &mut s.device,
            ),
            whole(
                ["num-threads", "Number of threads", "CPU threads of one model run (0 = automatic: one)"],
                (0, MAX_THREADS),
                |s| &mut s.num_threads,
            ),
        ];
        rows.into_iter().map(move |row| row.in_ready().within(place))
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

/// The property `seed` of elements that draw random numbers.
pub fn seed<S: Default + 'static>(place: Place<S, u32>) -> Property<S> {
    let blurb = "Seed of what is random (blinks, head motion): the same seed and input give the same frames";
    whole(["seed", "Seed", blurb], (0, u32::MAX), place).in_ready()
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
    use crate::stream::property::Table;
    use gst::glib;
    use gst::prelude::*;

    #[test]
    fn properties_round_trip_and_a_null_string_is_the_default() {
        gst::init().unwrap();
        let (table, mut settings) = (Table::new(ModelSettings::properties(|s| s)), ModelSettings::default());
        let set = |settings: &mut ModelSettings, name: &str, value: glib::Value| {
            table.set(settings, name, &value).unwrap();
        };
        set(&mut settings, "model-pack", "other".to_value());
        set(&mut settings, "num-threads", 3u32.to_value());
        set(&mut settings, "nonsense", 3u32.to_value());
        assert_eq!((settings.model_pack.as_str(), settings.num_threads), ("other", 3));
        let read: Vec<_> = table.specs().iter().map(|spec| table.get(&mut settings, spec)).collect();
        assert_eq!(read[0].get::<String>().unwrap(), "other");
        assert_eq!(read[2].get::<u32>().unwrap(), 3);
        set(&mut settings, "model-pack", None::<String>.to_value());
        assert_eq!(settings.model_pack, DEFAULT_PACK);
    }
}
