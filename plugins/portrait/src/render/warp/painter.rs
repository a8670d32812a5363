//! The painters of a pack: TorchScript networks that fill mouth and eyes.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::flow::Flow;
use super::inside::{Inside, Shown};
use super::maps::CHANNELS;
use super::patch::{Frame, Patch};
use super::points::{Point, Rows};
use super::roi::Part;
use super::tint::Tint;
use super::{RenderError, Source};
use crate::pack::{Pack, PackError, Stage};

/// A network that paints one or two regions at once.
pub struct Painter {
    stage: Arc<Stage>,
    patches: Vec<Patch>,
    patch: Planes,
    maps: Planes,
    appearance: Tensor,
    tint: Tint,
    delta: Vec<f32>,
    alpha: Vec<f32>,
    residual: Vec<f32>,
}

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
    /// The regions in the order in which they are drawn.
    pub patches: [&'a Frame; 3],
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
        self.mouth.stage.input_shape(2).iter().product::<i64>().unsigned_abs() as usize
    }

    /// What is to be drawn of the frame.
    pub fn painted(&self) -> Painted<'_> {
        let [right, left] = [0, 1].map(|eye| self.eyes.patches[eye].frame());
        Painted {
            patches: [self.mouth.patch().frame(), right, left],
            inside: self.inside.as_ref().and_then(Inside::shown),
        }
    }
}

impl Painter {
    /// One that paints those regions; its stage takes the appearance at that input.
    ///
    /// # Errors
    /// Where the stage takes other shapes than the regions have.
    pub fn new(
        stage: Arc<Stage>,
        patches: Vec<Patch>,
        tint: Tint,
        appearance_at: usize,
        appearance: &[f32],
    ) -> Result<Self, RenderError> {
        let count = patches.len();
        let side = patches.first().map_or(0, Patch::side);
        let (area, quarter) = (side * side, side * side / 4);
        let shape = |channels: usize, side: usize| [count, channels, side, side].map(|d| d as i64);
        let (patch_shape, maps_shape) = (shape(3, side), shape(CHANNELS, side / 2));
        for (index, expected) in [(0, patch_shape), (1, maps_shape)] {
            if stage.input_shape(index) != expected {
                let reason =
                    format!("input {index} is {:?}, the renderer has {expected:?}", stage.input_shape(index));
                return Err(torch(&reason));
            }
        }
        Ok(Self {
            patch: Planes::new(&patch_shape)?,
            maps: Planes::new(&maps_shape)?,
            appearance: stage.input(appearance_at, appearance)?,
            tint,
            delta: vec![0.0; count * 3 * area],
            alpha: vec![0.0; count * area],
            residual: vec![0.0; count * 2 * quarter],
            stage,
            patches,
        })
    }

    /// The region, of a painter of one.
    pub fn patch(&self) -> &Patch {
        &self.patches[0]
    }

    /// Places the regions in the driving picture, prepares the network's inputs from the square RGB8 photo and runs it; `code` is
    /// the code of the frame, where the network takes one.
    ///
    /// # Errors
    /// What libtorch says, or numbers that are not finite.
    pub fn paint(
        &mut self,
        flow: &Flow,
        driving: &[Point],
        rows: &Rows,
        (rgb, side): (&[u8], usize),
        code: Option<&[f32]>,
    ) -> Result<(), RenderError> {
        let (patches, maps) = (self.patch.values(), self.maps.values());
        let count = self.patches.len();
        let (patch_len, maps_len) = (patches.len() / count, maps.len() / count);
        let inputs = patches.chunks_exact_mut(patch_len).zip(maps.chunks_exact_mut(maps_len));
        for (region, (patch, maps)) in self.patches.iter_mut().zip(inputs) {
            region.pose(flow, driving, rows);
            region.inputs(driving, rows, rgb, side, patch, maps);
        }
        let code = code.map(|code| self.stage.input(2, code)).transpose()?;
        self.run(code)
    }

    /// Places the regions in the driving picture and paints nothing.
    pub fn follow(&mut self, flow: &Flow, driving: &[Point], rows: &Rows) {
        self.patches.iter_mut().for_each(|region| region.pose(flow, driving, rows));
    }

    fn run(&mut self, code: Option<Tensor>) -> Result<(), RenderError> {
        let device = self.stage.device();
        let mut inputs = vec![self.patch.on(device)?, self.maps.on(device)?];
        inputs.extend(code);
        inputs.push(self.appearance.shallow_clone());
        let outputs = self.stage.run(&inputs)?;
        let [delta, alpha, residual] = outputs.as_slice() else {
            return Err(torch("a painter gives colour, alpha and flow"));
        };
        self.stage.read(delta, &mut self.delta)?;
        self.tint.fade(&mut self.delta, self.alpha.len() / self.patches.len());
        self.stage.read(alpha, &mut self.alpha)?;
        self.stage.read(residual, &mut self.residual)?;
        let count = self.patches.len();
        let part = |values: &[f32], i: usize| {
            let n = values.len() / count;
            i * n..(i + 1) * n
        };
        for (i, patch) in self.patches.iter_mut().enumerate() {
            let delta = part(&self.delta, i);
            patch.paint(
                &mut self.delta[delta],
                &self.alpha[part(&self.alpha, i)],
                &self.residual[part(&self.residual, i)],
            );
        }
        Ok(())
    }
}

/// A float tensor on the CPU that is filled anew for each frame, without a copy.
struct Planes(Tensor);

impl Planes {
    fn new(shape: &[i64]) -> Result<Self, RenderError> {
        Tensor::f_zeros(shape, (Kind::Float, Device::Cpu)).map(Self).map_err(|e| torch(&e.to_string()))
    }

    fn values(&mut self) -> &mut [f32] {
        // SAFETY: the tensor was made contiguous, float32, on the CPU by `new`, is never resized, and its storage is
        // shared only for the duration of `Stage::run`, which does not overlap with this borrow of `self`.
        unsafe { std::slice::from_raw_parts_mut(self.0.data_ptr().cast(), self.0.numel()) }
    }

    fn on(&self, device: Device) -> Result<Tensor, RenderError> {
        self.0.f_to_device(device).map_err(|e| torch(&e.to_string()))
    }
}

fn torch(reason: &str) -> RenderError {
    let reason = reason.lines().next().unwrap_or_default().to_owned();
    PackError::Torch { stage: "painter".to_owned(), reason }.into()
}
