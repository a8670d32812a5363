//! The person in a picture that shows more of the photo than the crop.

use tch::Device;

use super::crop::{self, Crop, Span};
use super::portrait::Portrait;
use super::view::View;
use super::{PhotoError, matte};
use crate::pack::Pack;

/// Side of the square in which the matte of a whole photo is measured.
const SIZE: usize = 1024;

impl Portrait {
    /// The matte of a part of the photo in a picture of `width` x `height` pixels: 255 = person. Nobody is beyond the photo.
    ///
    /// # Errors
    /// Where the pack's model fails.
    pub fn whole_matte(
        &self,
        pack: &Pack,
        device: Device,
        view: &View,
        width: usize,
        height: usize,
    ) -> Result<Vec<u8>, PhotoError> {
        let photo = &self.photo;
        let seen = |start: f32, length: f32, photo: usize| {
            let (low, high) = (start.max(0.0), (start + length).min(photo as f32));
            (low, (high - low).max(1.0))
        };
        let (x, columns) = seen(view.x, view.width, photo.width);
        let (y, rows) = seen(view.y, view.height, photo.height);
        let side = columns.max(rows);
        let square = Crop { x: x + (columns - side) / 2.0, y: y + (rows - side) / 2.0, side };
        let unit = |v: f32, from: f32, to: f32| (v * self.crop.side + from - to) / side;
        let landmarks: Vec<[f32; 3]> = self
            .landmarks
            .iter()
            .map(|p| {
                let [x, y] = [unit(p[0], self.crop.x, square.x), unit(p[1], self.crop.y, square.y)];
                [x, y, p[2] * self.crop.side / side]
            })
            .collect();
        let picture = square.cut(photo, SIZE);
        let mask = matte::matte(photo, &square, &picture, &landmarks, pack, device)
            .map_err(|source| PhotoError::Pack { path: self.path.clone(), source })?;
        let scale = SIZE as f32 / side;
        let span = |from: f32, to: f32, length: f32, size: usize| Span {
            start: (to - from) * scale,
            length: length * scale,
            size,
        };
        let across = span(square.x, view.x, view.width, width);
        let down = span(square.y, view.y, view.height, height);
        let mut matte = crop::resample::<1>(&mask, SIZE, SIZE, across, down);
        if view.reaches_beyond(photo) {
            view.clear_beyond(photo, width, height, &mut matte);
        }
        Ok(matte)
    }
}
