// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of `facesynth`.

use std::sync::LazyLock;

use super::{AlphaMode, Background, Framing};
use crate::face::find::FaceProperty;
use crate::render;
use crate::stream::property::{Table, choice, parsed, text, whole};
use crate::stream::settings::ModelSettings;
use crate::stream::stats;

/// Opaque black, as ARGB.
const BLACK: u32 = 0xff00_0000;

/// What the properties say.
#[derive(Clone, Default)]
pub struct Settings {
    pub model: ModelSettings,
    pub portrait: Option<String>,
    /// Path of a second photo of the person.
    pub portrait_open: Option<String>,
    /// Which face of the photos.
    pub face: FaceProperty,
    pub framing: Framing,
    pub look: Look,
}

/// Files of the photos of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    pub portrait: Option<String>,
    pub open: Option<String>,
}

/// What may change from frame to frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub background: Background,
    /// ARGB, big-endian.
    pub color: u32,
    pub alpha: AlphaMode,
}

impl Default for Look {
    fn default() -> Self {
        Self { background: Background::default(), color: BLACK, alpha: AlphaMode::default() }
    }
}

impl Look {
    /// What the renderer puts behind the person.
    pub fn behind(&self) -> render::Background {
        match self.background {
            Background::Keep => render::Background::Keep,
            Background::Transparent => render::Background::Colour([0; 4]),
            Background::Color => {
                let [a, r, g, b] = self.color.to_be_bytes();
                render::Background::Colour([r, g, b, a])
            }
        }
    }
}

impl Settings {
    /// The photos that are asked for.
    pub fn paths(&self) -> Paths {
        Paths { portrait: self.portrait.clone(), open: self.portrait_open.clone() }
    }
}

/// The element's properties.
pub fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(|| {
        Table::new(ModelSettings::properties(|s: &mut Settings| &mut s.model).chain([
            text(
                [
                    "portrait",
                    "Portrait",
                    "Photo of the face to animate: path of a PNG, JPEG or WebP file, or of a HEIC or AVIF file where libheif \
                     is installed; one that is set while playing is analysed beside the stream and then shown, one that \
                     cannot be used is a warning on the bus, and the old one stays",
                ],
                |s: &mut Settings| &mut s.portrait,
            ),
            text(
                [
                    "portrait-open",
                    "Portrait, open",
                    "Second photo of the same person, best from the front with the mouth open: path of a PNG, JPEG or WebP \
                     file; the inside of the mouth is drawn from it, and the mouth held while talking as both photos tell \
                     (none = all from the portrait); may change while playing as the portrait does",
                ],
                |s| &mut s.portrait_open,
            ),
            parsed(
                [
                    "face",
                    "Face",
                    "Which face of the photo is animated: largest, left, right, a number (1 = the first from the left) or \
                     x,y (the one nearest to that point: 0 to 1 of the width and the height, from the upper left corner); \
                     the same of a second photo, or its largest where that shows fewer",
                ],
                |s: &Settings| Some(s.face.text().to_owned()),
                |s: &mut Settings, text| s.face.set(text),
            )
            .in_ready(),
            choice(
                [
                    "framing",
                    "Framing",
                    "What the picture shows: the face and its surroundings (a square unless caps ask for another shape), or \
                     the whole photo",
                ],
                |s: &mut Settings| &mut s.framing,
            )
            .in_ready(),
            choice(
                [
                    "background",
                    "Background",
                    "What is behind the person: the photo's own background, nothing (RGBA and BGRA only), or \
                     background-color",
                ],
                |s| &mut s.look.background,
            ),
            whole(
                [
                    "background-color",
                    "Background colour",
                    "Colour behind the person with background=color, and of the photo's transparent parts with \
                     background=keep where the format has no alpha; big-endian ARGB (0xff00b140 is a green screen)",
                ],
                (0, u32::MAX),
                |s: &mut Settings| &mut s.look.color,
            )
            .controllable(),
            choice(
                [
                    "alpha-mode",
                    "Alpha mode",
                    "Whether colours of RGBA and BGRA are multiplied by their alpha",
                ],
                |s| &mut s.look.alpha,
            ),
            stats::property(),
        ]))
    });
    &PROPERTIES
}
