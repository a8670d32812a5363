// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties of `audiofeatures`.

use std::sync::LazyLock;

use crate::pack::{LookAhead, Pack, PackError};
use crate::stream::property::{Table, choice, time};
use crate::stream::settings::ModelSettings;
use crate::stream::stats;

/// What the stages may take for a frame unless told otherwise.
const DEFAULT_PROCESSING_DEADLINE: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// Longest time that they may be given.
const MAX_PROCESSING_DEADLINE: gst::ClockTime = gst::ClockTime::from_seconds(10);

#[derive(Clone)]
pub struct Settings {
    pub model: ModelSettings,
    pub look_ahead: LookAhead,
    pub processing_deadline: gst::ClockTime,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: ModelSettings::default(),
            look_ahead: LookAhead::default(),
            processing_deadline: DEFAULT_PROCESSING_DEADLINE,
        }
    }
}

impl Settings {
    /// Samples by which the windows of a pack reach beyond their frames.
    ///
    /// # Errors
    /// Where the pack has no models for that.
    pub fn look_ahead_samples(&self, pack: &Pack) -> Result<usize, PackError> {
        let manifest = pack.manifest();
        manifest.look_ahead_samples(self.look_ahead).ok_or_else(|| PackError::NoLookAhead {
            pack: pack.id(),
            wanted: self.look_ahead.nick(),
            had: manifest.look_ahead.known(),
        })
    }

    /// How late audio may come: the rest of the deadline is for the stages behind.
    pub fn patience(&self) -> gst::ClockTime {
        self.processing_deadline / 2
    }
}

/// The element's properties.
pub fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(|| {
        Table::new(ModelSettings::properties(|s: &mut Settings| &mut s.model).chain([
            choice(
                [
                    "look-ahead",
                    "Look-ahead",
                    "How much audio behind a frame is waited for: more gives better lips, less a lower latency",
                ],
                |s: &mut Settings| &mut s.look_ahead,
            )
            .in_ready(),
            time(
                [
                    "processing-deadline",
                    "Processing deadline",
                    "Time in nanoseconds that all stages may take for a frame, part of the latency; live audio that is \
                     later than half of it is not waited for",
                ],
                MAX_PROCESSING_DEADLINE,
                |s| &mut s.processing_deadline,
            ),
            stats::property(),
        ]))
    });
    &PROPERTIES
}
