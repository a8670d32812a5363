// SPDX-License-Identifier: MIT OR Apache-2.0
//! A painter of a pack: a TorchScript network that fills regions of the face.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::RenderError;
use super::flow::Flow;
use super::maps::CHANNELS;
use super::patch::Patch;
use super::points::{Point, Rows};
use super::tint::Tint;
use crate::pack::{PackError, Stage, profile};

/// A network that paints one or two regions at once.
pub struct Painter {
    stage: Arc<Stage>,
    patches: Vec<Patch>,
    patch: InputTensor,
    maps: InputTensor,
    appearance: Tensor,
    tint: Tint,
    delta: Vec<f32>,
    alpha: Vec<f32>,
    residual: Vec<f32>,
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
            patch: InputTensor::new(&patch_shape)?,
            maps: InputTensor::new(&maps_shape)?,
            appearance: stage.input(appearance_at, appearance)?,
            tint,
            delta: vec![0.0; count * 3 * area],
            alpha: vec![0.0; count * area],
            residual: vec![0.0; count * 2 * quarter],
            stage,
            patches,
        })
    }

    /// Its regions.
    pub fn patches(&self) -> &[Patch] {
        &self.patches
    }

    /// What its network computes in.
    pub fn precision(&self) -> &'static str {
        self.stage.precision()
    }

    /// Length of the code of a frame that its network takes.
    pub fn code_len(&self) -> usize {
        self.stage.input_shape(2).iter().product::<i64>().unsigned_abs() as usize
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
        let span = profile::span("facesynth: painters' inputs");
        let (patches, maps) = (self.patch.values(), self.maps.values());
        let count = self.patches.len();
        let (patch_len, maps_len) = (patches.len() / count, maps.len() / count);
        let inputs = patches.chunks_exact_mut(patch_len).zip(maps.chunks_exact_mut(maps_len));
        for (region, (patch, maps)) in self.patches.iter_mut().zip(inputs) {
            region.pose(flow, driving, rows);
            region.inputs(driving, rows, rgb, side, patch, maps);
        }
        drop(span);
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
        let _span = profile::span("facesynth: painters' outputs");
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
struct InputTensor(Tensor);

impl InputTensor {
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
