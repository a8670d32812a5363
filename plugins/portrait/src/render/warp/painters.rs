// SPDX-License-Identifier: MIT OR Apache-2.0
//! The painters of mouth and eyes.

use tch::Device;

use super::inside::{Inside, Shown};
use super::painter::Painter;
use super::patch::{Frame, Patch};
use super::points::{Point, Rows};
use super::roi::Part;
use super::tint::Tint;
use super::{RenderError, Source};
use crate::pack::Pack;

/// The painters of mouth and eyes with their regions. They know nothing of each other.
pub struct Painters {
    pub mouth: Painter,
    pub eyes: Painter,
    /// The mouth as a second photo shows it.
    pub inside: Option<Inside>,
}

/// What the painters made of a frame.
#[derive(Clone, Copy)]
pub struct Painted<'a> {
    /// The regions in the order in which they are drawn: the mouth, once it is painted, and the eyes.
    pub patches: [Option<&'a Frame>; 3],
    /// What goes over them.
    pub inside: Option<Shown<'a>>,
}

impl Painters {
    /// Loads the painters of a pack for a source, with a second one that may show more of the mouth.
    ///
    /// # Errors
    /// Where a stage is missing or takes other shapes than these.
    pub fn new(
        pack: &Pack,
        device: Device,
        source: &Source<'_>,
        open: Option<&Source<'_>>,
        points: &[Point],
        rows: &Rows,
    ) -> Result<Self, RenderError> {
        let tint = Tint::new(source.picture, source.side, points, rows);
        let load = |name, parts: &[Part], appearance_at, code| {
            let patch = |&part: &Part| {
                Patch::new(part, points, rows)
                    .with_iris(points, rows)
                    .with_large_iris(source.large_eyes.map(|eyes| eyes.iris), points, rows)
                    .with_lips(source.picture, source.side, points, rows)
                    .with_teeth(points, rows)
            };
            Painter::new(
                pack.stage(name, device)?,
                parts.iter().map(patch).collect(),
                tint,
                appearance_at,
                code,
            )
        };
        Ok(Self {
            inside: match open.filter(|_| !source.covered) {
                Some(open) => Inside::new(pack, device, [source, open], points, rows, tint)?,
                None => None,
            },
            mouth: load("mouth", &[Part::Mouth], 3, source.mouth_code)?,
            eyes: load("eyes", &[Part::EyeRight, Part::EyeLeft], 2, source.eye_code)?,
        })
    }

    /// Length of the mouth code.
    pub fn code_len(&self) -> usize {
        self.mouth.code_len()
    }
}

impl<'a> Painted<'a> {
    /// What these painters made of it.
    pub fn new(mouth: Option<&'a Painter>, eyes: &'a Painter, inside: Option<&'a Inside>) -> Self {
        let [right, left] = [0, 1].map(|eye| eyes.patches().get(eye).map(Patch::frame));
        let mouth = mouth.map(|mouth| mouth.patch().frame());
        Self { patches: [mouth, right, left], inside: inside.and_then(Inside::shown) }
    }
}
