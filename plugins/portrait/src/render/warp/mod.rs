// SPDX-License-Identifier: MIT OR Apache-2.0
//! The renderer that warps the photo.
//!
//! The latents' control points steer a warp of the photo ([`flow`]) over a background that does not move ([`layers`]);
//! the pack's painters fill mouth and eyes ([`painters`]); [`compose`] draws it all. The geometry is that of the pack's
//! generator, number by number: its golden tensors are replayed by a test.

mod compose;
mod contour;
mod cutout;
pub(super) mod flow;
mod grid;
mod head;
mod hold;
mod inside;
mod iris;
mod layers;
mod lips;
mod maps;
mod math;
mod paint;
mod painter;
mod painters;
mod parallax;
#[cfg(test)]
mod parity;
mod patch;
pub(super) mod points;
mod remap;
mod roi;
mod room;
mod seam;
mod skull;
mod teeth;
#[cfg(test)]
mod tests;
mod tint;
mod turn;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tch::Device;

use super::{
    Background, Motion, Output, Planes, RenderError, Renderer, Source, Still, Timings, Transparency, format,
    paste, still, store,
};
use crate::face::landmark::pose::decompose;
use crate::pack::Pack;
use crate::pack::{profile, workers};
use compose::Canvas;
use contour::Contour;
use flow::Flow;
use head::Head;
use hold::Hold;
use layers::Layers;
pub(crate) use maps::CHANNELS as MAP_CHANNELS;
use painters::{Painted, Painters};
use parallax::Parallax;
use paste::Raster;
use points::{Point, Rows};
pub(crate) use roi::Part;
use room::Limits;
use skull::Skull;
use still::PhotoFrame;
use turn::Turn;

/// Control points are clamped to the picture and this much around it, in picture units.
const OUTSIDE: f32 = 0.5;

/// Warps the photo and paints mouth and eyes.
pub struct Warp {
    geometry: Geometry,
    canvas: Option<Canvas>,
    /// Height of hair or hat in the photo.
    crown: f32,
    painters: Painters,
    timings: Timings,
}

/// What latents mean to the renderer.
struct Geometry {
    rows: Rows,
    /// Numbers in the latents of a frame.
    latents: usize,
    /// The flow of the regions, and the smoother one of the head.
    fine: Flow,
    smooth: Flow,
    contour: Contour,
    turn: Turn,
    skull: Skull,
    parallax: Option<Parallax>,
    /// How far the head may go.
    limits: Limits,
    /// What of the face does not move by itself.
    hold: Option<Hold>,
    /// The control points of a frame, where they are not the latents'.
    held: Vec<[f32; 3]>,
    driving: Vec<Point>,
    /// The same, then points of the skull.
    head: Vec<Point>,
}

impl Warp {
    /// A renderer of that source with a pack's painters; where the photo `open` of the person shows more of the mouth's
    /// inside, it is drawn from there.
    ///
    /// # Errors
    /// Where a source's parts do not fit together, or the pack has no painters that fit.
    pub fn new(
        source: &Source<'_>,
        open: Option<&Source<'_>>,
        pack: &Arc<Pack>,
        device: Device,
    ) -> Result<Self, RenderError> {
        check(source)?;
        open.map_or(Ok(()), check)?;
        let latents = &pack.manifest().latents;
        let mut geometry =
            Geometry::new(&latents.control_points, latents.count, source.landmarks, pack.mean_face())?;
        geometry.parallax = Parallax::new(source.parallax)?;
        geometry.rows.wider = source.large_eyes.map_or(1.0, |eyes| eyes.wider);
        if source.covered {
            geometry.hold = Some(Hold::new(&geometry.rows, source.landmarks, pack.mean_face()));
        }
        let painters = Painters::new(pack, device, source, open, &geometry.driving, &geometry.rows)?;
        if painters.code_len() != latents.code_rows * 3 {
            return Err(RenderError::Latents(
                "the mouth code does not fit the pack's mouth painter".to_owned(),
            ));
        }
        Ok(Self {
            canvas: None,
            crown: Head::crown(&geometry.driving, &geometry.rows, source.matte, source.side),
            geometry,
            painters,
            timings: Timings::default(),
        })
    }
}

impl Renderer for Warp {
    fn set_output(&mut self, source: &Source<'_>, output: &Output<'_>) -> Result<(), RenderError> {
        let canvas = canvas(source, output, self.crown)?;
        self.geometry.limits = canvas.room().limits(&self.geometry.rows.pick(source.landmarks)?);
        self.canvas = Some(canvas);
        Ok(())
    }

    fn set_background(&mut self, source: &Source<'_>, output: &Output<'_>) -> Result<(), RenderError> {
        let painted = self.canvas.as_mut().is_some_and(|canvas| canvas.repaint(output));
        if painted { Ok(()) } else { self.set_output(source, output) }
    }

    fn timings(&self) -> Timings {
        self.timings
    }

    fn precision(&self) -> &'static str {
        self.painters.mouth.precision()
    }

    fn draw(
        &mut self,
        source: &Source<'_>,
        motion: Motion<'_>,
        out: &mut Planes<'_>,
    ) -> Result<(), RenderError> {
        check(source)?;
        let canvas = self.canvas.as_mut().ok_or(RenderError::NoOutput)?;
        canvas.fits(out)?;
        let start = Instant::now();
        let whole = profile::span("facesynth: pose and paint");
        let code = self.geometry.pose(motion.latents)?;
        let Geometry { rows, fine, smooth, driving, parallax, turn, .. } = &self.geometry;
        let Painters { mouth, eyes, inside } = &mut self.painters;
        let (mut mouth_painted, mut eyes_painted) = (Ok(()), Ok(()));
        let photo = (source.picture, source.side);
        let (busy, lower_face) = (AtomicBool::new(true), roi::region(Part::Mouth, driving, rows).bounds());
        workers::beside(
            || {
                canvas.pose(smooth, parallax.as_ref(), turn, driving, rows, motion.lift);
                let painted = eyes.paint(fine, driving, rows, photo, None);
                let opening = fine.opening();
                let inside_painted =
                    inside.as_mut().map_or(Ok(()), |i| i.paint(opening, driving, rows, code));
                eyes_painted = painted.and(inside_painted);
                if eyes_painted.is_ok() {
                    let painted = Painted::new(None, eyes, inside.as_ref());
                    canvas.draw_ahead(painted, lower_face, out, || busy.load(Ordering::Relaxed));
                }
            },
            || {
                if source.covered {
                    mouth.follow(fine, driving, rows);
                } else {
                    mouth_painted = mouth.paint(fine, driving, rows, photo, Some(code));
                }
                busy.store(false, Ordering::Relaxed);
            },
        );
        mouth_painted.and(eyes_painted)?;
        drop(whole);
        let painted = Instant::now();
        let _span = profile::span("facesynth: compose");
        canvas.draw(Painted::new(Some(mouth), eyes, inside.as_ref()), out);
        self.timings = Timings { paint: painted - start, compose: painted.elapsed() };
        Ok(())
    }
}

impl Geometry {
    fn new(
        control: &[usize],
        count: usize,
        landmarks: &[[f32; 3]],
        mean_face: &[[f32; 3]],
    ) -> Result<Self, RenderError> {
        let rows = Rows::new(control)?;
        let source = rows.pick(landmarks)?;
        let rest = decompose(landmarks, mean_face);
        let skull = Skull::new(&rest);
        let head: Vec<Point> = source.iter().copied().chain(skull.source()).collect();
        Ok(Self {
            fine: Flow::new(&rows, &source),
            smooth: Flow::smooth(&rows, &head),
            contour: Contour::new(&rows, &source),
            turn: Turn::new(&rows, landmarks, mean_face, &rest),
            skull,
            parallax: None,
            limits: Limits::NONE,
            hold: None,
            held: Vec::new(),
            head,
            driving: source,
            latents: count * 3,
            rows,
        })
    }

    /// Takes a frame's latents; gives back their code rows.
    fn pose<'l>(&mut self, latents: &'l [f32]) -> Result<&'l [f32], RenderError> {
        if latents.len() != self.latents {
            let text = format!("{} numbers where {} were due", latents.len(), self.latents);
            return Err(RenderError::Latents(text));
        }
        if let Some(at) = latents.iter().position(|v| !v.is_finite()) {
            return Err(RenderError::Latents(format!("number {at} is {}", latents[at])));
        }
        let (points, code) = latents.split_at(self.rows.control.len() * 3);
        let points = points.as_chunks::<3>().0;
        let inside = |point: Point| point.map(|v| v.clamp(-OUTSIDE, 1.0 + OUTSIDE));
        self.turn.pose(points);
        self.held.clear();
        let [x, y] = self.limits.excess(self.turn.carriage());
        if [x, y] != [0.0; 2] {
            self.held.extend(points.iter().map(|point| [point[0] - x, point[1] - y, point[2]]));
            self.turn.pose(&self.held);
        }
        if let Some(parallax) = &mut self.parallax {
            parallax.pose(self.turn.angles());
        }
        if let Some(hold) = &self.hold {
            if self.held.is_empty() {
                self.held.extend(points);
            }
            hold.keep(&self.turn, &mut self.held);
        }
        let points = if self.held.is_empty() { points } else { &self.held[..] };
        for (out, point) in self.driving.iter_mut().zip(points) {
            *out = [point[0], point[1]];
        }
        self.turn.ease(points, &mut self.driving);
        self.driving.iter_mut().for_each(|point| *point = inside(*point));
        self.contour.unfold(&mut self.driving);
        self.contour.soften(&self.rows.nose, self.turn.turned());
        self.head.clear();
        self.head.extend(&self.driving);
        self.head.extend(self.skull.turned(&self.turn).map(inside));
        self.fine.pose(&self.driving, self.contour.soft());
        self.smooth.pose(&self.head, &[]);
        Ok(code)
    }
}

pub(super) fn check(source: &Source<'_>) -> Result<(), RenderError> {
    let wrong = |text: &str| Err(RenderError::Source(text.to_owned()));
    let area = source.side * source.side;
    if source.side < 64 || source.picture.len() != area * 3 {
        return wrong("the picture is not a square of at least 64 pixels");
    }
    if source.matte.len() != area || [source.plate, source.foreground].iter().any(|p| p.len() != area * 3) {
        return wrong("matte, plate or foreground do not have the size of the picture");
    }
    Ok(())
}

fn canvas(source: &Source<'_>, output: &Output<'_>, crown: f32) -> Result<Canvas, RenderError> {
    check(source)?;
    let Output { still, format, background } = output;
    let raster = Raster::new(still)?;
    if format.layout.halves() && (still.width | still.height) & 1 == 1 {
        return Err(RenderError::Source("chroma of half the size needs even width and height".to_owned()));
    }
    let mut layers = Layers::new(source, still, &raster, *background);
    let frame = PhotoFrame::new(still, *background)?;
    let sheet = cutout::sheet(still, *format, *background, frame.as_ref(), &raster, &mut layers);
    Ok(Canvas::new(raster, layers, sheet, frame, crown))
}
