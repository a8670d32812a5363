// SPDX-License-Identifier: MIT OR Apache-2.0
//! The renderer of packs that bring a generator: one function draws the whole square from what it saw of the photo and from
//! the latents of a frame.
//!
//! What it sees comes from the pack's stages, once a photo ([`crate::photo::Sources`]), and stays on the device. A drawn square is
//! brought to the photo's colours ([`tone`]), scaled once ([`sample`]), and put to its place in the picture ([`canvas`]) with a
//! soft edge where the photo goes on. Behind a cut-out person the matte is the generator's own, else what the pack's `matte`
//! sees in the drawn square.

mod canvas;
mod place;
mod sample;
#[cfg(test)]
mod tests;
mod tone;

use std::sync::Arc;
use std::time::Instant;

use tch::{Device, Tensor};

use super::{Motion, Output, Planes, RenderError, Renderer, Source, Timings};
use crate::face::step::smooth_step;
use crate::pack::{Drawing, Outputs, Pack, PackError, Stage};
use crate::photo::{Portrait, Square};
use canvas::Canvas;
use place::Place;
use sample::Drawn;
use tone::Tone;

/// Side of the picture in which the matte is seen.
const MATTE_SIDE: i64 = 256;

/// Values of the network's matte that are nobody and somebody: it is soft by its resolution, not by hair.
const CERTAIN: (f32, f32) = (0.1, 0.9);

/// Draws by the pack's generator.
pub struct Neural {
    stage: Arc<Stage>,
    /// Where the square comes from passes that are shared with other streams; none where each draws alone.
    drawing: Option<Drawing>,
    /// What sees the person in a drawn square, where the generator does not say it.
    matte: Option<Arc<Stage>>,
    /// Inputs of the stage in its order; none is the latents.
    inputs: Vec<Option<Tensor>>,
    /// Numbers of the latents.
    latents: usize,
    square: Square,
    feather: f32,
    tone: Tone,
    canvas: Option<Canvas>,
    /// The square as the stage gives it: planes, 0 to 1.
    planes: Vec<f32>,
    /// Its matte, as the stage or the network gives it.
    mask: Vec<f32>,
    drawn: Drawn,
    timings: Timings,
}

impl Neural {
    /// For a portrait, whose `source` this is, by a pack's generator. Draws the portrait at rest once.
    ///
    /// # Errors
    /// Where the source's parts do not fit together, a stage is missing, or one fails.
    pub fn new(
        portrait: &Portrait,
        source: &Source<'_>,
        pack: &Arc<Pack>,
        device: Device,
    ) -> Result<Self, RenderError> {
        super::warp::check(source)?;
        let manifest = pack.manifest();
        let stage = pack.stage("render", device)?;
        let inputs = stage.input_names().enumerate().map(|(index, name)| match name {
            "latents" => Ok(None),
            name => portrait.sources.input(&stage, name, index).map(Some),
        });
        let inputs = inputs.collect::<Result<Vec<_>, PackError>>()?;
        let side = manifest.picture.resolution as usize;
        let own_alpha = stage.gives("alpha");
        let mut neural = Self {
            matte: (!own_alpha).then(|| pack.stage("matte", device)).transpose()?,
            drawing: stage.shared()?,
            inputs,
            latents: manifest.latents.numbers(),
            square: Square { crop: portrait.crop, angle: portrait.angle },
            feather: manifest.picture.feather,
            tone: Tone::none(side),
            canvas: None,
            planes: vec![0.0; 3 * side * side],
            mask: Vec::new(),
            drawn: Drawn { side, pixels: vec![[0.0; 4]; side * side] },
            timings: Timings::default(),
            stage,
        };
        neural.run(&portrait.source_latents, false)?;
        let photo = neural.square.planar(&portrait.photo, &portrait.picture, side);
        neural.tone = Tone::new(side, &neural.planes, &photo);
        Ok(neural)
    }

    /// Runs the generator: leaves its square in `planes` and, where the person is to be `cut` out, the matte in `mask`.
    fn run(&mut self, latents: &[f32], cut: bool) -> Result<(), RenderError> {
        if latents.len() != self.latents {
            let text = format!("{} numbers where {} were due", latents.len(), self.latents);
            return Err(RenderError::Latents(text));
        }
        if let Some(at) = latents.iter().position(|v| !v.is_finite()) {
            return Err(RenderError::Latents(format!("number {at} is {}", latents[at])));
        }
        let give = |_: &str, index| match self.inputs.get(index) {
            Some(Some(tensor)) => Ok(Tensor::shallow_clone(tensor)),
            _ => self.stage.input(index, latents),
        };
        let outputs = match &self.drawing {
            Some(drawing) => self.stage.run_shared(drawing, give)?,
            None => self.stage.run_with(give)?,
        };
        let picture = outputs.get("picture")?;
        self.stage.read(picture, &mut self.planes)?;
        if cut {
            see_person(&outputs, &self.stage, self.matte.as_deref(), self.drawn.side, &mut self.mask)?;
        }
        Ok(())
    }

    /// Makes pixels of the planes.
    fn colour(&mut self, cut: bool) {
        let plane = self.drawn.side * self.drawn.side;
        let (red, rest) = self.planes.split_at(plane);
        let (green, blue) = rest.split_at(plane);
        let colours = red.iter().zip(green).zip(blue);
        for (i, (out, ((&r, &g), &b))) in self.drawn.pixels.iter_mut().zip(colours).enumerate() {
            let tone = self.tone.at(i);
            let [r, g, b] = [r, g, b].map(|v| v.clamp(0.0, 1.0) * 255.0);
            let matte = if cut { self.mask[i] } else { 1.0 };
            *out = [r + tone[0], g + tone[1], b + tone[2], matte];
        }
    }
}

/// The matte of a drawn square, 0 to 1.
fn see_person(
    outputs: &Outputs<'_>,
    stage: &Stage,
    matte: Option<&Stage>,
    side: usize,
    mask: &mut Vec<f32>,
) -> Result<(), RenderError> {
    mask.resize(side * side, 0.0);
    let Some(network) = matte else {
        return Ok(stage.read(outputs.get("alpha")?, mask)?);
    };
    let torch = |error: tch::TchError| network.refused(&error);
    let size = [MATTE_SIDE; 2];
    let small = outputs
        .get("picture")?
        .f_to_device(network.device())
        .and_then(|picture| picture.f_clamp(0.0, 1.0))
        .and_then(|picture| picture.f_adaptive_avg_pool2d(size))
        .map_err(torch)?;
    let [seen] = network.run_for(&[network.fitted(0, &small)?])?;
    let side = side as i64;
    let large = seen
        .f_reshape([1, 1, MATTE_SIDE, MATTE_SIDE])
        .and_then(|seen| seen.f_upsample_bilinear2d([side, side], false, None, None))
        .map_err(torch)?;
    network.read(&large, mask)?;
    for value in mask.iter_mut() {
        *value = smooth_step((*value - CERTAIN.0) / (CERTAIN.1 - CERTAIN.0));
    }
    Ok(())
}

impl Renderer for Neural {
    fn set_output(&mut self, source: &Source<'_>, output: &Output<'_>) -> Result<(), RenderError> {
        super::warp::check(source)?;
        let place = Place::new(&output.still, self.square.angle, self.feather)?;
        self.canvas = Some(Canvas::new(source, output, place, self.drawn.side)?);
        Ok(())
    }

    fn set_background(&mut self, source: &Source<'_>, output: &Output<'_>) -> Result<(), RenderError> {
        let painted = self.canvas.as_mut().is_some_and(|canvas| canvas.repaint(output));
        if painted { Ok(()) } else { self.set_output(source, output) }
    }

    fn draw(
        &mut self,
        _source: &Source<'_>,
        motion: Motion<'_>,
        out: &mut Planes<'_>,
    ) -> Result<(), RenderError> {
        let cut = self.canvas.as_ref().ok_or(RenderError::NoOutput)?.is_cut();
        let start = Instant::now();
        self.run(motion.latents, cut)?;
        let painted = Instant::now();
        self.colour(cut);
        let canvas = self.canvas.as_mut().ok_or(RenderError::NoOutput)?;
        canvas.draw(&self.drawn, out)?;
        self.timings = Timings { paint: painted - start, compose: painted.elapsed() };
        Ok(())
    }

    fn timings(&self) -> Timings {
        self.timings
    }

    fn precision(&self) -> &'static str {
        self.stage.precision()
    }
}
