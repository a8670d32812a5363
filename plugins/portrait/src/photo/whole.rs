// SPDX-License-Identifier: MIT OR Apache-2.0
//! The person in a picture that shows more of the photo than the crop.

use std::sync::Arc;

use tch::Device;

use super::crop::{self, Crop, Span};
use super::picture::Picture;
use super::portrait::Portrait;
use super::view::View;
use super::{Alpha, PhotoError, alpha, matte};
use crate::pack::Pack;
use crate::pack::sync::lock;

/// Side of the square in which the matte of a whole photo is measured.
const SIZE: usize = 1024;

impl Portrait {
    /// The matte of a part of the photo in a picture of `width` x `height` pixels: 255 = person. Nobody is beyond the photo.
    /// The network runs for the first picture of that part; `pack` and `device` are those of [`Portrait::analyse`].
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
        let mask = self.square_matte(square, pack, device)?;
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
        Ok(match &self.alpha {
            Some(alpha) => alpha::within(&matte, &self.alpha_part(alpha, view, width, height)),
            None => matte,
        })
    }

    /// What a view shows of the photo, scaled to a picture of `width` x `height` pixels; the person is not continued beyond it.
    pub fn show(&self, view: &View, width: usize, height: usize) -> Picture {
        let (photo, crop, side) = (&self.photo, self.crop, self.picture.width);
        let person = view.reaches_beyond(photo).then(|| {
            // Beside the crop the matte is that of its edge.
            let scale = side as f32 / crop.side;
            let span = |start: f32, from: f32, length: f32, size: usize| Span {
                start: (start - from) * scale,
                length: length * scale,
                size,
            };
            let across = span(view.x, crop.x, view.width, width);
            let down = span(view.y, crop.y, view.height, height);
            crop::resample::<1>(&self.matte, side, side, across, down)
        });
        view.cut_around(photo, width, height, person.as_deref())
    }

    /// What is opaque of a part of the photo in a picture of `width` x `height` pixels: 255 = all. Beyond the photo is nothing.
    pub fn alpha_part(&self, alpha: &Alpha, view: &View, width: usize, height: usize) -> Vec<u8> {
        let (across, down) = view.spans(width, height);
        let mut mask = alpha.part(self.photo.width, across, down);
        if view.reaches_beyond(&self.photo) {
            view.clear_beyond(&self.photo, width, height, &mut mask);
        }
        mask
    }

    /// The matte of a square of the photo; the last one is kept.
    fn square_matte(&self, square: Crop, pack: &Pack, device: Device) -> Result<Arc<[u8]>, PhotoError> {
        if let Some((_, mask)) = lock(&self.square_mask).as_ref().filter(|(kept, _)| *kept == square) {
            return Ok(Arc::clone(mask));
        }
        let landmarks = square.shares(self.crop.pixels(&self.landmarks));
        let picture = square.cut(&self.photo, SIZE);
        let mask: Arc<[u8]> = pack
            .stage("matte", device)
            .and_then(|stage| matte::matte(&self.photo, &square, &picture, &landmarks, &stage))
            .map_err(|source| PhotoError::Pack { path: self.path.clone(), source })?
            .into();
        *lock(&self.square_mask) = Some((square, Arc::clone(&mask)));
        Ok(mask)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::pack::{CallOff, DEFAULT_PACK};

    /// Whatever changes about the background, and however large the picture is.
    #[test]
    fn the_network_sees_the_whole_photo_once() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/portrait-grace-hopper.jpg");
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let portrait = Portrait::analyse(&file, &pack, Device::Cpu).unwrap();
        let (width, height) = (portrait.photo.width, portrait.photo.height);
        let view = View::whole(width, height, width as f32 / height as f32);
        let matte = |width, height| portrait.whole_matte(&pack, Device::Cpu, &view, width, height);
        let first = matte(width, height).unwrap();
        // A network that runs from now on is an error.
        let _watch = CallOff::watch(&Arc::new(AtomicBool::new(true)));
        assert_eq!(matte(width / 2, height / 2).unwrap().len(), (width / 2) * (height / 2));
        assert!(first == matte(width, height).unwrap());
    }
}
