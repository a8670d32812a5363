// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of `face2latents`: those of `facelandmarks`, and of `landmarks2latents` what is of use to a face without a
//! voice.

use std::sync::LazyLock;

use crate::elements::facelandmarks::settings::face;
use crate::elements::landmarks2latents::settings::{Settings as Motion, of_video};
use crate::face::find::FaceProperty;
use crate::stream::property::Table;
use crate::stream::settings::ModelSettings;
use crate::stream::stats;

/// What the properties say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub motion: Motion,
    /// Which face of the video is followed.
    pub face: FaceProperty,
}

/// The element's properties.
pub fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(|| {
        let model = ModelSettings::properties(|s: &mut Settings| &mut s.motion.model);
        let own = [face().within(|s: &mut Settings| &mut s.face), stats::property()];
        Table::new(model.chain(own).chain(of_video(|s: &mut Settings| &mut s.motion)))
    });
    &PROPERTIES
}
