// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of `facelandmarks`.

use std::sync::LazyLock;

use crate::face::find::FaceProperty;
use crate::stream::property::{Property, Table, parsed};
use crate::stream::settings::ModelSettings;
use crate::stream::stats;

/// What the properties say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub model: ModelSettings,
    /// Which face of the video is followed.
    pub face: FaceProperty,
}

/// The element's properties.
pub fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(table);
    &PROPERTIES
}

/// A table of them: each element that tracks a face has one of its own.
pub fn table() -> Table<Settings> {
    let model = ModelSettings::properties(|s: &mut Settings| &mut s.model);
    Table::new(model.chain([face().within(|s: &mut Settings| &mut s.face), stats::property()]))
}

/// Which face is followed.
pub fn face() -> Property<FaceProperty> {
    parsed(
        [
            "face",
            "Face",
            "Which face of the video is followed: largest, left, right, a number (counted from the left where the \
                 first faces are seen, then as they come; a face keeps its number until it is away for a second; anew \
                 after a cut) or x,y (the one nearest to that point: 0 to 1 of the width and the height, from the upper \
                 left corner)",
        ],
        |face: &FaceProperty| Some(face.text().to_owned()),
        |face: &mut FaceProperty, text| face.set(text),
    )
}
