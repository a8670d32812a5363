//! The whole photo, where a picture shows more of it than the crop: scaled, and its matte.

use tch::Device;

use super::crop::{self, Crop, Span};
use super::portrait::{Picture, Portrait};
use super::{Alpha, PhotoError, alpha, matte};
use crate::pack::Pack;

/// Side of the square in which the matte of a whole photo is measured.
const SIZE: usize = 1024;

impl Picture {
    /// The picture's top left part, reduced by `shrink` to `width` x `height` pixels.
    pub fn part(&self, shrink: f32, width: usize, height: usize) -> Self {
        let span = |size: usize| Span { start: 0.0, length: size as f32 / shrink, size };
        let rgb = crop::resample::<3>(&self.rgb, self.width, self.height, span(width), span(height));
        Self { width, height, rgb }
    }
}

impl Portrait {
    /// The matte of the photo's top left part, reduced by `shrink` to `width` x `height` pixels: 255 = person. The network
    /// runs for the first of them; `pack` and `device` are those of [`Portrait::analyse`].
    ///
    /// # Errors
    /// Where the pack's model fails.
    pub fn whole_matte(
        &self,
        pack: &Pack,
        device: Device,
        shrink: f32,
        width: usize,
        height: usize,
    ) -> Result<Vec<u8>, PhotoError> {
        let own = self.alpha.as_ref().map(|alpha| self.alpha_part(alpha, shrink, width, height));
        let own = match (&self.alpha, own) {
            (Some(Alpha { cut_out: true, .. }), Some(own)) => return Ok(own),
            (_, own) => own,
        };
        let square = self.square();
        let mask = self.square_matte(pack, device)?;
        let scale = SIZE as f32 / square.side;
        let span = |from: f32, size: usize| Span {
            start: -from * scale,
            length: size as f32 / shrink * scale,
            size,
        };
        let mask = crop::resample::<1>(mask, SIZE, SIZE, span(square.x, width), span(square.y, height));
        Ok(match own {
            Some(own) => alpha::within(&mask, &own),
            None => mask,
        })
    }

    /// What is opaque of the photo's top left part, reduced by `shrink` to `width` x `height` pixels: 255 = all.
    pub fn alpha_part(&self, alpha: &Alpha, shrink: f32, width: usize, height: usize) -> Vec<u8> {
        let span = |size: usize| Span { start: 0.0, length: size as f32 / shrink, size };
        alpha.part(self.photo.width, span(width), span(height))
    }

    /// The square around the whole photo.
    fn square(&self) -> Crop {
        let photo = &self.photo;
        let side = photo.width.max(photo.height) as f32;
        Crop { x: (photo.width as f32 - side) / 2.0, y: (photo.height as f32 - side) / 2.0, side }
    }

    /// The matte of that square, measured once and kept.
    fn square_matte(&self, pack: &Pack, device: Device) -> Result<&[u8], PhotoError> {
        if let Some(mask) = self.whole_mask.get() {
            return Ok(mask);
        }
        let (photo, square) = (&self.photo, self.square());
        let unit = |v: f32, from: f32, to: f32| (v * self.crop.side + from - to) / square.side;
        let landmarks: Vec<[f32; 3]> = self
            .landmarks
            .iter()
            .map(|p| {
                let [x, y] = [unit(p[0], self.crop.x, square.x), unit(p[1], self.crop.y, square.y)];
                [x, y, p[2] * self.crop.side / square.side]
            })
            .collect();
        let picture = square.cut(photo, SIZE);
        let mask = matte::matte(photo, &square, &picture, &landmarks, pack, device)
            .map_err(|source| PhotoError::Pack { path: self.path.clone(), source })?;
        Ok(self.whole_mask.get_or_init(|| mask))
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
        let matte =
            |shrink: f32, width, height| portrait.whole_matte(&pack, Device::Cpu, shrink, width, height);
        let first = matte(1.0, width, height).unwrap();
        // A network that runs from now on is an error.
        let _watch = CallOff::watch(&Arc::new(AtomicBool::new(true)));
        assert_eq!(matte(0.5, width / 2, height / 2).unwrap().len(), (width / 2) * (height / 2));
        assert!(first == matte(1.0, width, height).unwrap());
    }
}
