// SPDX-License-Identifier: MIT OR Apache-2.0
//! Squares that were drawn, in their place.

use super::canvas::Canvas;
use super::place::Place;
use super::sample::Drawn;
use crate::render::{
    Background, Format, Layout, Matrix, Output, Planes, RenderError, Source, Still, Transparency,
};

const SIDE: usize = 64;
const PHOTO: [usize; 2] = [100, 90];

/// A picture at rest, and what a generator drew.
struct Made {
    picture: Vec<u8>,
    photo: Vec<u8>,
    plate: Vec<u8>,
    matte: Vec<u8>,
    whole_matte: Vec<u8>,
    drawn: Drawn,
}

impl Made {
    /// Smooth colours, other ones in each; the person is the middle of the drawn square.
    fn new() -> Self {
        let rgb = |width: usize, height: usize, seed: usize| -> Vec<u8> {
            let value = |i: usize| (i / 3 % width + i / 3 / width + 40 * (i % 3) + seed) % 200;
            (0..width * height * 3).map(|i| value(i) as u8).collect()
        };
        let inside = |i: usize| (16..48).contains(&(i % SIDE)) && (16..48).contains(&(i / SIDE));
        let pixel = |i: usize| {
            let [x, y] = [i % SIDE, i / SIDE].map(|v| v as f32);
            [20.0 + 3.0 * x, 20.0 + 3.0 * y, 128.0, f32::from(u8::from(inside(i)))]
        };
        Self {
            picture: rgb(SIDE, SIDE, 3),
            photo: rgb(PHOTO[0], PHOTO[1], 11),
            plate: vec![0; SIDE * SIDE * 3],
            matte: vec![0; SIDE * SIDE],
            whole_matte: vec![0; PHOTO[0] * PHOTO[1]],
            drawn: Drawn { side: SIDE, pixels: (0..SIDE * SIDE).map(pixel).collect() },
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            side: SIDE,
            picture: &self.picture,
            landmarks: &[],
            matte: &self.matte,
            foreground: &self.picture,
            plate: &self.plate,
            mouth_code: &[],
            eye_code: &[],
            parallax: &[],
            covered: false,
            large_eyes: None,
        }
    }

    /// The square alone, of that side, or somewhere in the photo.
    fn still(&self, photo: bool) -> Still<'_> {
        let ([width, height], rgb) = if photo { (PHOTO, &self.photo) } else { ([SIDE; 2], &self.picture) };
        Still {
            width,
            height,
            rgb,
            origin: if photo { [20.0, 14.0] } else { [0.0; 2] },
            scale: [SIDE as f32; 2],
            photo: [0.0, 0.0, width as f32, height as f32],
            matte: photo.then_some(&self.whole_matte[..]),
            transparency: Transparency::None,
        }
    }

    fn draw_in(&self, still: Still<'_>, angle: f32, layout: Layout, background: Background) -> Vec<Vec<u8>> {
        let matrix = Matrix::new(0.2126, 0.0722, false, true);
        let output = Output { still, format: Format { layout, straight: true, matrix }, background };
        let place = Place::new(&output.still, angle, 0.1).unwrap();
        let mut canvas = Canvas::new(&self.source(), &output, place, SIDE).unwrap();
        draw(&mut canvas, &self.drawn, layout, [still.width, still.height])
    }

    fn draw(&self, photo: bool, angle: f32) -> Vec<[u8; 3]> {
        let planes = self.draw_in(self.still(photo), angle, Layout::Rgb, Background::Keep);
        planes[0].as_chunks::<3>().0.to_vec()
    }

    /// A drawn pixel in bytes.
    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let [r, g, b, _] = self.drawn.pixels[y * SIDE + x];
        [r, g, b].map(|v| (v + 0.5) as u8)
    }
}

fn draw(canvas: &mut Canvas, drawn: &Drawn, layout: Layout, [width, height]: [usize; 2]) -> Vec<Vec<u8>> {
    let sizes = match layout {
        Layout::I420 => vec![(width, height), (width / 2, height / 2), (width / 2, height / 2)],
        Layout::Nv12 => vec![(width, height), (width, height / 2)],
        packed => vec![(width * packed.pixel(), height)],
    };
    let mut out: Vec<Vec<u8>> = sizes.iter().map(|(w, h)| vec![0; w * h]).collect();
    let mut planes = Planes::default();
    for ((i, (w, _)), plane) in sizes.iter().enumerate().zip(&mut out) {
        (planes.data[i], planes.strides[i]) = (plane, *w);
    }
    canvas.draw(drawn, &mut planes).unwrap();
    out
}

#[test]
fn a_square_of_the_pictures_size_is_shown_as_it_was_drawn() {
    let made = Made::new();
    let shown = made.draw(false, 0.0);
    for (i, pixel) in shown.iter().enumerate() {
        assert_eq!(*pixel, made.at(i % SIDE, i / SIDE), "{i}");
    }
}

#[test]
fn in_the_photo_it_passes_into_what_is_around_it() {
    let made = Made::new();
    let shown = made.draw(true, 0.0);
    let photo = made.photo.as_chunks::<3>().0;
    for (i, pixel) in shown.iter().enumerate() {
        let (x, y) = (i % PHOTO[0], i / PHOTO[0]);
        let (column, row) = (x as isize - 20, y as isize - 14);
        let beside = column.min(row).min(63 - column).min(63 - row);
        match beside {
            ..0 => assert_eq!(*pixel, photo[i], "{x} {y} is the photo's"),
            // A tenth of the side is the edge.
            7.. => assert_eq!(*pixel, made.at(column as usize, row as usize), "{x} {y} is drawn"),
            _ => {
                let own = made.at(column as usize, row as usize);
                let between = |c: usize| {
                    let (low, high) = (own[c].min(photo[i][c]), own[c].max(photo[i][c]));
                    (low..=high).contains(&pixel[c])
                };
                assert!((0..3).all(between), "{x} {y} is between both");
            }
        }
    }
}

#[test]
fn a_turned_square_is_turned_back() {
    let made = Made::new();
    let shown = made.draw(false, std::f32::consts::FRAC_PI_2);
    for y in 8..SIDE - 8 {
        for x in 8..SIDE - 8 {
            // Turned clockwise: its left side is above.
            let (pixel, due) = (shown[y * SIDE + x], made.at(y, SIDE - 1 - x));
            assert!((0..3).all(|c| pixel[c].abs_diff(due[c]) <= 1), "{x} {y}: {pixel:?}, {due:?}");
        }
    }
    let small = made.draw(true, 0.3);
    let photo = made.photo.as_chunks::<3>().0;
    assert_eq!((small[0], small[99]), (photo[0], photo[99]), "beside it is the photo");
    let (x, y) = (20 + SIDE / 2, 14 + SIDE / 2);
    let (pixel, due) = (small[y * PHOTO[0] + x], made.at(SIDE / 2, SIDE / 2));
    assert!((0..3).all(|c| pixel[c].abs_diff(due[c]) <= 3), "its middle stays: {pixel:?}, {due:?}");
}

#[test]
fn every_format_shows_the_same_picture() {
    let made = Made::new();
    for angle in [0.0, 0.2] {
        let draw = |layout| made.draw_in(made.still(true), angle, layout, Background::Keep);
        let rgb = draw(Layout::Rgb);
        let pixels = rgb[0].as_chunks::<3>().0;
        for (layout, order) in [(Layout::Rgba, [0, 1, 2]), (Layout::Bgra, [2, 1, 0])] {
            for (four, three) in draw(layout)[0].as_chunks::<4>().0.iter().zip(pixels) {
                assert_eq!((order.map(|c| four[c]), four[3]), (*three, 255));
            }
        }
        let (planar, pairs) = (draw(Layout::I420), draw(Layout::Nv12));
        assert!(planar[0] == pairs[0]);
        let mut luma = vec![0; pixels.len()];
        Matrix::new(0.2126, 0.0722, false, true).luma(&rgb[0], &mut luma);
        assert!(planar[0] == luma);
        for (i, pair) in pairs[1].as_chunks::<2>().0.iter().enumerate() {
            assert_eq!(*pair, [planar[1][i], planar[2][i]]);
        }
    }
}

#[test]
fn the_person_stands_before_the_colour_and_the_colour_may_change() {
    let made = Made::new();
    let (green, red) = (Background::Colour([0, 255, 0, 255]), Background::Colour([255, 0, 0, 255]));
    let still = made.still(true);
    let matrix = Matrix::new(0.2126, 0.0722, false, true);
    let format = Format { layout: Layout::Rgb, straight: true, matrix };
    let output = |background| Output { still, format, background };
    let place = Place::new(&still, 0.0, 0.1).unwrap();
    let mut canvas = Canvas::new(&made.source(), &output(green), place, SIDE).unwrap();
    let size = [still.width, still.height];
    let pixels =
        |canvas: &mut Canvas| draw(canvas, &made.drawn, Layout::Rgb, size)[0].as_chunks::<3>().0.to_vec();
    let shown = pixels(&mut canvas);
    let at = |x: usize, y: usize| (14 + y) * PHOTO[0] + 20 + x;
    assert_eq!(shown[at(32, 32)], made.at(32, 32));
    assert_eq!([shown[0], shown[at(3, 3)], shown[at(60, 32)]], [[0, 255, 0]; 3]);
    assert!(canvas.repaint(&output(red)));
    let again = pixels(&mut canvas);
    assert_eq!(again, made.draw_in(still, 0.0, Layout::Rgb, red)[0].as_chunks::<3>().0);
    assert!(again[0] == [255, 0, 0] && !canvas.repaint(&output(Background::Keep)));
}

#[test]
fn a_square_is_scaled_without_gaps_at_every_size() {
    let made = Made::new();
    for (width, height) in [(16, 16), (32, 32), (63, 63), (200, 200), (128, 60)] {
        let rgb = vec![0; width * height * 3];
        let still = Still {
            width,
            height,
            rgb: &rgb,
            scale: [width as f32, height as f32],
            photo: [0.0, 0.0, width as f32, height as f32],
            ..made.still(false)
        };
        for angle in [0.0, 1e-3] {
            let planes = made.draw_in(still, angle, Layout::Rgb, Background::Keep);
            let pixels = planes[0].as_chunks::<3>().0;
            let pixel = pixels[height / 2 * width + width / 2];
            let due =
                |at: usize, size: usize| 20.0 + 3.0 * ((at as f32 + 0.5) / size as f32 * SIDE as f32 - 0.5);
            let (x, y) = (due(width / 2, width), due(height / 2, height));
            let near = |v: u8, due: f32| (f32::from(v) - due).abs() < 2.0;
            assert!(near(pixel[0], x) && near(pixel[1], y), "{width} {height} {angle}: {pixel:?} {x} {y}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let made = Made::new();
    let matrix = Matrix::new(0.2126, 0.0722, false, true);
    let format = |layout| Format { layout, straight: true, matrix };
    let still = Still { width: SIDE - 1, rgb: &made.picture[..(SIDE - 1) * SIDE * 3], ..made.still(false) };
    let output = Output { still, format: format(Layout::I420), background: Background::Keep };
    let place = Place::new(&still, 0.0, 0.1).unwrap();
    assert!(matches!(Canvas::new(&made.source(), &output, place, SIDE), Err(RenderError::Source(_))));
    let output =
        Output { still: made.still(false), format: format(Layout::Rgb), background: Background::Keep };
    let place = Place::new(&output.still, 0.0, 0.1).unwrap();
    let mut canvas = Canvas::new(&made.source(), &output, place, SIDE).unwrap();
    let mut out = vec![0; SIDE * SIDE * 3 - 1];
    let mut planes = Planes { data: [&mut out, &mut [], &mut []], strides: [SIDE * 3, 0, 0] };
    assert!(matches!(canvas.draw(&made.drawn, &mut planes), Err(RenderError::Output { .. })));
    assert!(Place::new(&Still { origin: [900.0, 0.0], ..made.still(false) }, 0.0, 0.1).is_err());
}
