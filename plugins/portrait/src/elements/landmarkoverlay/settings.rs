// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of `landmarkoverlay`.

use std::sync::LazyLock;

use crate::stream::property::{Table, switch, whole};

/// Narrowest and widest line, smallest and largest dot, pixels.
const WIDTHS: (u32, u32) = (1, 32);

/// What the properties say.
#[derive(Clone, Copy)]
pub struct Settings {
    pub landmarks: bool,
    pub pose: bool,
    pub latents: bool,
    /// Pixels.
    pub point_size: u32,
    pub line_width: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { landmarks: true, pose: true, latents: false, point_size: 2, line_width: 1 }
    }
}

/// The element's properties.
pub fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(|| {
        let rows = [
            switch(["landmarks", "Landmarks", "Draw the 478 landmarks and outlines"], |s: &mut Settings| {
                &mut s.landmarks
            }),
            switch(["pose", "Pose", "Draw the axes of the head"], |s| &mut s.pose),
            switch(["latents", "Latents", "Draw the latent keypoints"], |s| &mut s.latents),
            whole(["point-size", "Point size", "Side of a point in pixels"], WIDTHS, |s| &mut s.point_size),
            whole(
                [
                    "line-width",
                    "Line width",
                    "Width of outlines in pixels; the axes of the head are three times as wide",
                ],
                WIDTHS,
                |s| &mut s.line_width,
            ),
        ];
        Table::new(rows.map(|row| row.controllable()))
    });
    &PROPERTIES
}
