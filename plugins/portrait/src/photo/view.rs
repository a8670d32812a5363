// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which part of the photo a picture shows: the square around the face, widened to the picture's shape, or all of it.

use std::ops::Range;

use super::beyond;
use super::crop::{self, Crop, Span};
use super::picture::Picture;
use crate::face::landmark::indices::{CHIN, FOREHEAD};

/// What a picture that is made tighter keeps beside the face, above hair or hat and below the chin, and its least side, in
/// heights of the face.
const BESIDE: f32 = 0.15;
const ABOVE: f32 = 0.08;
const BELOW: f32 = 0.2;
const LEAST: f32 = 1.3;

/// Half width of the strip above the forehead in which hair or hat are followed up, in heights of the face.
const STRIP: f32 = 0.1;

/// A rectangle that sticks out of the photo by no more pixels is rounded, not wider than the photo.
const ROUNDED: f32 = 1.0;

/// A rectangle of the photo, in its pixels. It may be larger than the photo, which then goes on out of focus
/// ([`beyond`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Left.
    pub x: f32,
    /// Top.
    pub y: f32,
    /// Columns.
    pub width: f32,
    /// Rows.
    pub height: f32,
}

impl From<Crop> for View {
    fn from(crop: Crop) -> Self {
        Self { x: crop.x, y: crop.y, width: crop.side, height: crop.side }
    }
}

impl View {
    /// The surroundings of the face in a shape, width over height. The square around the face fits its shorter side, and
    /// what the longer one has more is the photo's. Where the photo does not have so much, the rectangle is moved, then made
    /// tighter around the head, and what is still missing lies beyond the photo.
    ///
    /// `picture` is what the square `crop` of a photo of that size shows, with a matte of its pixels and landmarks in its units.
    pub fn around(
        crop: Crop,
        size: [usize; 2],
        picture: (&Picture, &[u8]),
        landmarks: &[[f32; 3]],
        shape: f32,
    ) -> Self {
        Self::of_head(crop, size.map(|v| v as f32), &HeadBox::new(crop, picture, landmarks), shape)
    }

    fn of_head(crop: Crop, size: [f32; 2], head: &HeadBox, shape: f32) -> Self {
        let within = |start: f32, length: f32| start >= -ROUNDED && start + crop.side <= length + ROUNDED;
        if shape == 1.0 && within(crop.x, size[0]) && within(crop.y, size[1]) {
            return crop.into();
        }
        let length = |k: usize, low: f32, high: f32| high.clamp(0.0, size[k]) - low.clamp(0.0, size[k]);
        let bare = [0, 1].map(|k| length(k, head.low[k], head.high[k]));
        let (low, high) = head.with_margins();
        let cut = [0, 1].map(|k| (low[k] < 0.0, high[k] > size[k]));
        let [low, high] = [low, high].map(|p| [0, 1].map(|k| p[k].clamp(0.0, size[k])));
        let nominal = [crop.side * shape.max(1.0), crop.side * shape.max(1.0) / shape];
        // Nothing is made up only to be less tight.
        let most = size[0].min(size[1]);
        let roomy = |k: usize| (high[k] - low[k]).max(LEAST * head.face).min(most);
        let least = (0..2).map(|k| bare[k].max(roomy(k)) / nominal[k]).fold(0.0, f32::max);
        let room = (size[0] / nominal[0]).min(size[1] / nominal[1]);
        let scale = room.max(least).min(1.0);
        let middle = [crop.x, crop.y].map(|v| v + crop.side / 2.0);
        let [(x, width), (y, height)] = [0, 1].map(|k| {
            let length = nominal[k] * scale;
            let free = size[k] - length;
            let wanted = middle[k] - length / 2.0;
            let wanted = match cut[k] {
                _ if free >= 0.0 => {
                    let wanted = wanted.clamp((high[k] - length).min(low[k]), low[k]);
                    // The head before its margins.
                    let [low, high] = [head.low[k], head.high[k]].map(|v| v.clamp(0.0, size[k]));
                    wanted.clamp((high - length).min(low), low)
                }
                // Where a head is cut its picture ends too: half a chin that goes on as a blur is no sight.
                (before, true) if k == 1 || !before => free,
                (true, false) => 0.0,
                _ => wanted,
            };
            (wanted.clamp(free.min(0.0), free.max(0.0)), length)
        });
        Self { x, y, width, height }
    }

    /// All of a photo of that size in a shape, width over height; what the shape has more lies beyond it on both sides.
    pub fn whole(width: usize, height: usize, shape: f32) -> Self {
        let (width, height) = (width as f32, height as f32);
        let (wide, high) = (width.max(height * shape), height.max(width / shape));
        Self { x: (width - wide) / 2.0, y: (height - high) / 2.0, width: wide, height: high }
    }

    /// Picture pixels in a pixel of the photo, across and down, in a picture of that size.
    pub fn scale(&self, width: usize, height: usize) -> [f32; 2] {
        [width as f32 / self.width, height as f32 / self.height]
    }

    /// Where a point of the photo lies, 0 to 1 across and down.
    pub fn place(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [(x - self.x) / self.width, (y - self.y) / self.height]
    }

    /// Whether there is more in it than the photo.
    pub fn reaches_beyond(&self, photo: &Picture) -> bool {
        let beyond = |start: f32, length: f32, photo: usize| {
            start < -ROUNDED || start + length > photo as f32 + ROUNDED
        };
        beyond(self.x, self.width, photo.width) || beyond(self.y, self.height, photo.height)
    }

    /// What it shows of the photo, scaled to a picture of `width` x `height` pixels.
    pub(super) fn cut(&self, photo: &Picture, width: usize, height: usize) -> Picture {
        self.cut_around(photo, width, height, None)
    }

    /// The same, where a `person` whose matte that is, is not continued beyond the photo.
    pub(super) fn cut_around(
        &self,
        photo: &Picture,
        width: usize,
        height: usize,
        person: Option<&[u8]>,
    ) -> Picture {
        let (x, y) = self.spans(width, height);
        let rgb = crop::resample::<3>(&photo.rgb, photo.width, photo.height, x, y);
        let mut picture = Picture { width, height, rgb };
        if self.reaches_beyond(photo) {
            let [columns, rows] = self.inside(photo, width, height);
            beyond::fill(&mut picture, columns, rows, person);
        }
        picture
    }

    /// Where the photo lies in a picture of that size, in pixels: left, top, right, bottom.
    pub fn photo(&self, photo: &Picture, width: usize, height: usize) -> [f32; 4] {
        let ([left, top], [right, bottom]) =
            (self.place([0.0; 2]), self.place([photo.width as f32, photo.height as f32]));
        let (width, height) = (width as f32, height as f32);
        [left * width, top * height, right * width, bottom * height]
    }

    /// Columns and rows of a picture of that size that are the photo's alone.
    fn inside(&self, photo: &Picture, width: usize, height: usize) -> [Range<usize>; 2] {
        let [left, top, right, bottom] = self.photo(photo, width, height);
        // Saturating casts clamp at zero.
        [
            left.ceil() as usize..(right.floor() as usize).min(width),
            top.ceil() as usize..(bottom.floor() as usize).min(height),
        ]
    }

    /// Takes the person away from the pixels of a matte that lie beyond the photo.
    pub(super) fn clear_beyond(&self, photo: &Picture, width: usize, height: usize, matte: &mut [u8]) {
        let [columns, rows] = self.inside(photo, width, height);
        for (y, line) in matte.chunks_exact_mut(width).enumerate() {
            for (x, value) in line.iter_mut().enumerate() {
                if !(columns.contains(&x) && rows.contains(&y)) {
                    *value = 0;
                }
            }
        }
    }

    /// Where it lies in the photo, across and down.
    pub(super) fn spans(&self, width: usize, height: usize) -> (Span, Span) {
        (
            Span { start: self.x, length: self.width, size: width },
            Span { start: self.y, length: self.height, size: height },
        )
    }
}

/// The box around a head in pixels of the photo, hair or hat included; it may stick out.
struct HeadBox {
    low: [f32; 2],
    high: [f32; 2],
    /// Height of the face.
    face: f32,
}

impl HeadBox {
    fn new(crop: Crop, (picture, matte): (&Picture, &[u8]), points: &[[f32; 3]]) -> Self {
        let (forehead, chin) = (points[FOREHEAD], points[CHIN]);
        let face = (forehead[0] - chin[0]).hypot(forehead[1] - chin[1]);
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for point in points {
            for k in 0..2 {
                (low[k], high[k]) = (low[k].min(point[k]), high[k].max(point[k]));
            }
        }
        // Saturating casts clamp at zero.
        let pixel = |v: f32, length: usize| ((v * length as f32) as usize).min(length - 1);
        let [left, right] = [-STRIP, STRIP].map(|v| pixel(forehead[0] + v * face, picture.width));
        let above = pixel(low[1], picture.height);
        let covered = |row: &usize| {
            let line = &matte[row * picture.width..][left..=right];
            2 * line.iter().filter(|m| **m > 127).count() > line.len()
        };
        let crown = (0..above).rev().take_while(covered).count();
        low[1] = low[1].min((above - crown) as f32 / picture.height as f32);
        let corner = |point: [f32; 2]| [0, 1].map(|k| [crop.x, crop.y][k] + point[k] * crop.side);
        Self { low: corner(low), high: corner(high), face: face * crop.side }
    }

    /// The same box with what a picture should show around it.
    fn with_margins(&self) -> ([f32; 2], [f32; 2]) {
        let by = |point: [f32; 2], margin: [f32; 2]| [0, 1].map(|k| point[k] + margin[k] * self.face);
        (by(self.low, [-BESIDE, -ABOVE]), by(self.high, [BESIDE, BELOW]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A face of that height at that place, its crop and what a shape shows of it.
    fn shown(size: [f32; 2], face: f32, [x, y]: [f32; 2], shape: f32) -> (Crop, HeadBox, View) {
        let (forehead, chin) = ([x, y], [x, y + face]);
        let crop = Crop::around(forehead, chin, size[0] as usize, size[1] as usize);
        let head = HeadBox { low: [x - 0.4 * face, y - 0.2 * face], high: [x + 0.4 * face, y + face], face };
        let view = View::of_head(crop, size, &head, shape);
        (crop, head, view)
    }

    #[test]
    fn the_square_fits_the_shorter_side_where_the_photo_has_room() {
        for shape in [9.0 / 16.0, 0.9, 1.0, 1.1, 16.0 / 9.0] {
            let (crop, _, view) = shown([3000.0, 2500.0], 300.0, [1500.0, 1000.0], shape);
            assert!((view.width.min(view.height) - crop.side).abs() < 0.01, "{shape}: {view:?}");
            assert!(
                view.x <= crop.x && view.x + view.width >= crop.x + crop.side - 0.01,
                "{shape}: {view:?}"
            );
            assert!(
                view.y <= crop.y && view.y + view.height >= crop.y + crop.side - 0.01,
                "{shape}: {view:?}"
            );
        }
    }

    #[test]
    fn a_chin_that_is_cut_is_the_end_of_the_picture() {
        // Taller than the photo: all that is missing lies above.
        let (_, _, view) = shown([400.0, 300.0], 200.0, [200.0, 130.0], 9.0 / 16.0);
        assert!(view.y < -10.0 && (view.y + view.height - 300.0).abs() < 0.01, "{view:?}");
        // Nothing of the square around a face that the photo cuts is made up.
        for (face, y) in [(200.0, 130.0), (230.0, 20.0), (290.0, 5.0)] {
            let (_, _, view) = shown([400.0, 300.0], face, [200.0, y], 1.0);
            assert!(view.y >= 0.0 && view.y + view.height <= 300.01 && view.x >= 0.0, "{face} {y}: {view:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_view_has_its_shape_and_all_of_the_head_that_the_photo_has(
            (width, height) in (64_f32..3000.0, 64_f32..3000.0),
            (x, y, face) in (0.0_f32..1.0, -0.2_f32..1.0, 0.1_f32..1.2),
            shape in 0.1_f32..10.0,
        ) {
            let face = face * width.min(height);
            let (crop, head, view) = shown([width, height], face, [x * width, y * (height - face)], shape);
            proptest::prop_assert!((view.width / view.height / shape - 1.0).abs() < 1e-3, "{view:?}");
            proptest::prop_assert!(view.width.min(view.height) <= crop.side * 1.001, "{view:?} {crop:?}");
            for (k, (start, length, photo)) in
                [(view.x, view.width, width), (view.y, view.height, height)].into_iter().enumerate()
            {
                let (low, high) = (head.low[k].clamp(0.0, photo), head.high[k].clamp(0.0, photo));
                let off = 0.01 * photo;
                // The square around a small face that is cut may be smaller than its head.
                let fits = high - low <= length + off;
                proptest::prop_assert!(!fits || start <= low + off && start + length >= high - off, "{view:?}");
                proptest::prop_assert!(length > photo || start >= -off && start + length <= photo + off, "{view:?}");
            }
        }
    }

    #[test]
    fn the_whole_photo_is_in_every_shape_and_not_distorted() {
        for shape in [0.25, 9.0 / 16.0, 1.0, 1.5, 16.0 / 9.0, 4.0] {
            let view = View::whole(600, 400, shape);
            assert!((view.width / view.height - shape).abs() < 1e-4, "{view:?}");
            assert!(
                view.x <= 0.0 && view.y <= 0.0 && view.width >= 600.0 && view.height >= 400.0,
                "{view:?}"
            );
            assert!(view.width <= 600.001 || view.height <= 400.001, "{view:?}");
            let [[x, y], [right, bottom]] = [[0.0, 0.0], [600.0, 400.0]].map(|p| view.place(p));
            assert!((x + right - 1.0).abs() < 1e-5 && (y + bottom - 1.0).abs() < 1e-5, "in the middle");
        }
    }
}
