// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold for every picture.

use std::cell::Cell;

use super::head::{CROWN as HAIR, Head};
use super::painters::Painted;
use super::parity::{Golden, setting};
use super::patch::Patch;
use super::roi::Part;
use super::*;
use crate::face::landmark::pose::PIVOT;
use crate::pack::DEFAULT_PACK;
use crate::render::{Format, Layout, Matrix};

/// A made-up portrait with the golden face's landmarks: a textured person before a textured wall.
struct Made {
    side: usize,
    picture: Vec<u8>,
    matte: Vec<u8>,
    plate: Vec<u8>,
    landmarks: Vec<[f32; 3]>,
    photo: Vec<u8>,
    photo_size: (usize, usize),
    crop: ([f32; 2], f32),
    codes: [Vec<f32>; 2],
}

impl Made {
    fn new(side: usize) -> Self {
        let texture = |x: usize, y: usize, seed: usize| {
            let v = (x * 7919 + y * 104_729 + seed * 31) as u32;
            (v.wrapping_mul(2_654_435_761) >> 24) as u8
        };
        let rgb = |width: usize, height: usize, seed: usize| -> Vec<u8> {
            (0..width * height * 3).map(|i| texture(i / 3 % width, i / 3 / width, seed + i % 3)).collect()
        };
        let matte = (0..side * side)
            .map(|i| {
                let (x, y) = ((i % side) as f32 / side as f32 - 0.5, (i / side) as f32 / side as f32 - 0.45);
                let inside = (1.0 - (x * x / 0.07 + y * y / 0.12)) * 1500.0;
                let shoulders = if y > 0.3 && x.abs() < 0.4 { 255.0 } else { 0.0 };
                inside.clamp(shoulders, 255.0) as u8
            })
            .collect();
        let photo_size = (300, 260);
        let code = |stage: &str, input| {
            let stage = Pack::open(DEFAULT_PACK).unwrap().stage(stage, Device::Cpu).unwrap();
            vec![0.0; stage.input_shape(input).iter().product::<i64>() as usize]
        };
        Self {
            side,
            picture: rgb(side, side, 1),
            matte,
            plate: rgb(side, side, 5),
            landmarks: Golden::open().landmarks("S"),
            photo: rgb(photo_size.0, photo_size.1, 9),
            photo_size,
            crop: ([80.3, -20.6], 231.7),
            codes: [code("mouth", 3), code("eyes", 2)],
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            side: self.side,
            picture: &self.picture,
            landmarks: &self.landmarks,
            matte: &self.matte,
            foreground: &self.picture,
            plate: &self.plate,
            mouth_code: &self.codes[0],
            eye_code: &self.codes[1],
            parallax: &[],
            covered: false,
            large_eyes: None,
        }
    }

    /// The output at rest.
    fn output(&self, framing: Framing) -> Output<'_> {
        let still = match framing {
            Framing::Crop => Still {
                width: self.side,
                height: self.side,
                rgb: &self.picture,
                origin: [0.0; 2],
                scale: [self.side as f32; 2],
                photo: [0.0, 0.0, self.side as f32, self.side as f32],
                matte: None,
                transparency: Transparency::None,
            },
            Framing::Full => Still {
                width: self.photo_size.0,
                height: self.photo_size.1,
                rgb: &self.photo,
                origin: self.crop.0,
                scale: [self.crop.1; 2],
                photo: [0.0, 0.0, self.photo_size.0 as f32, self.photo_size.1 as f32],
                matte: None,
                transparency: Transparency::None,
            },
        };
        Output { still, format: format(Layout::Rgb), background: Background::Keep }
    }
}

/// What the output shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Crop,
    Full,
}

fn format(layout: Layout) -> Format {
    Format { layout, straight: false, matrix: Matrix::new(0.2126, 0.0722, false, true) }
}

/// A renderer whose painters leave everything as it is.
struct Plain {
    geometry: Geometry,
    canvas: Canvas,
    patches: [Patch; 3],
    layout: Layout,
    /// How often the upper rows are asked for before the mouth is there.
    ahead: usize,
    lift: f32,
}

impl Plain {
    fn new(source: &Source<'_>, output: &Output<'_>) -> Self {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let latents = &pack.manifest().latents;
        let mut geometry =
            Geometry::new(&latents.control_points, latents.count, source.landmarks, pack.mean_face())
                .unwrap();
        geometry.parallax = Parallax::new(source.parallax).unwrap();
        let part = |part| Patch::new(part, &geometry.driving, &geometry.rows);
        let patches = [part(Part::Mouth), part(Part::EyeRight), part(Part::EyeLeft)];
        let crown = Head::crown(&geometry.driving, &geometry.rows, source.matte, source.side);
        Self {
            canvas: canvas(source, output, crown).unwrap(),
            geometry,
            patches,
            layout: output.format.layout,
            ahead: 0,
            lift: 0.0,
        }
    }

    fn latents(&self, face: &[[f32; 3]]) -> Vec<f32> {
        let mut values: Vec<f32> = self.geometry.rows.control.iter().flat_map(|&i| face[i]).collect();
        values.resize(self.geometry.latents, 0.0);
        values
    }

    /// The only plane of a packed layout.
    fn draw(&mut self, latents: &[f32]) -> Vec<u8> {
        self.draw_planes(latents).swap_remove(0)
    }

    /// Planes without the space between their rows, which must stay as it was.
    fn draw_planes(&mut self, latents: &[f32]) -> Vec<Vec<u8>> {
        let (width, height) = self.canvas.size();
        let sizes = match self.layout {
            Layout::I420 => vec![(width, height), (width / 2, height / 2), (width / 2, height / 2)],
            Layout::Nv12 => vec![(width, height), (width, height / 2)],
            packed => vec![(width * packed.pixel(), height)],
        };
        let guard = 64;
        let mut out: Vec<Vec<u8>> = sizes.iter().map(|(w, h)| vec![171; (w + 5) * h + guard]).collect();
        self.geometry.pose(latents).unwrap();
        let Geometry { rows, fine, smooth, driving, parallax, turn, .. } = &self.geometry;
        self.canvas.pose(smooth, parallax.as_ref(), turn, driving, rows, self.lift);
        for patch in &mut self.patches {
            patch.pose(fine, driving, rows);
        }
        let [mouth, right, left] = [0, 1, 2].map(|i| self.patches[i].frame());
        let mut planes = Planes::default();
        for ((i, (w, _)), plane) in sizes.iter().enumerate().zip(&mut out) {
            let end = plane.len() - guard;
            planes.data[i] = &mut plane[..end];
            planes.strides[i] = w + 5;
        }
        self.canvas.fits(&planes).unwrap();
        let painted = |mouth| Painted { patches: [mouth, Some(right), Some(left)], inside: None };
        let turns = Cell::new(self.ahead);
        let waits = || turns.replace(turns.get().saturating_sub(1)) > 0;
        self.canvas.draw_ahead(painted(None), mouth.bounds, &mut planes, waits);
        self.canvas.draw(painted(Some(mouth)), &mut planes);
        out.iter()
            .zip(sizes)
            .map(|(plane, (w, h))| {
                assert!(plane[(w + 5) * h..].iter().all(|b| *b == 171), "wrote beyond the last row");
                let rows = plane.chunks_exact(w + 5).take(h);
                rows.flat_map(|row| {
                    assert!(row[w..].iter().all(|b| *b == 171), "wrote between the rows");
                    row[..w].to_vec()
                })
                .collect()
            })
            .collect()
    }
}

#[test]
fn a_face_at_rest_is_the_photo() {
    for side in [128, 512] {
        let made = Made::new(side);
        for framing in [Framing::Crop, Framing::Full] {
            let mut plain = Plain::new(&made.source(), &made.output(framing));
            let latents = plain.latents(&made.landmarks);
            assert!(plain.draw(&latents) == made.output(framing).still.rgb, "{side} {framing:?}");
        }
    }
}

/// Rows above the mouth may be drawn while it is painted, as many as there is time for.
#[test]
fn rows_that_are_drawn_ahead_are_those_that_are_drawn_at_last() {
    let made = Made::new(512);
    for layout in [Layout::Rgb, Layout::I420, Layout::Nv12] {
        for framing in [Framing::Crop, Framing::Full] {
            let mut output = made.output(framing);
            output.format.layout = layout;
            let mut plain = Plain::new(&made.source(), &output);
            let latents = plain.latents(&Golden::open().landmarks("D"));
            let at_last = plain.draw_planes(&latents);
            for ahead in [1, 5, usize::MAX] {
                plain.ahead = ahead;
                assert!(plain.draw_planes(&latents) == at_last, "{layout:?} {framing:?} {ahead}");
                let drawn = plain.canvas.drawn();
                assert!(drawn > 0 && drawn < plain.canvas.size().1, "{drawn}");
            }
        }
    }
}

#[test]
fn what_is_far_from_the_person_keeps_its_bytes() {
    let made = Made::new(512);
    let mut plain = Plain::new(&made.source(), &made.output(Framing::Crop));
    let out = plain.draw(&plain.latents(&Golden::open().landmarks("D")));
    assert!(out != made.picture, "nothing moved");
    for y in 0..512 {
        for x in 0..512 {
            let i = y * 512 + x;
            let around = |d: usize| {
                let line = |v: usize| v.saturating_sub(d)..(v + d).min(512);
                line(y).step_by(4).any(|y| line(x).step_by(4).any(|x| made.matte[y * 512 + x] > 0))
            };
            if !(60..452).contains(&x) && !around(48) {
                assert_eq!(out[i * 3..i * 3 + 3], made.picture[i * 3..i * 3 + 3], "{x} {y}");
            }
        }
    }
}

/// A head that moves takes shoulders and chest along a part of its way; one that only turns leaves them alone.
#[test]
fn the_body_follows_the_neck_and_not_the_turn_of_the_head() {
    let made = Made::new(512);
    let mut plain = Plain::new(&made.source(), &made.output(Framing::Crop));
    let mut drawn = |face: &dyn Fn([f32; 3]) -> [f32; 3]| {
        let face: Vec<_> = made.landmarks.iter().map(|&point| face(point)).collect();
        let latents = plain.latents(&face);
        plain.draw(&latents)
    };
    // So far that the body goes eight pixels.
    let way = 8.0 / 512.0 / grid::BODY_SHARE + grid::BODY_REST;
    let moved = drawn(&|[x, y, z]| [x + way, y, z]);
    // The top of the neck, by which the head hangs: beneath the middle of the face and behind it.
    let rest = decompose(&made.landmarks, Pack::open(DEFAULT_PACK).unwrap().mean_face());
    let mut pivot = [[0.0; 3]];
    rest.apply(&[PIVOT], &mut pivot);
    let (sin, cos) = 6.0_f32.to_radians().sin_cos();
    let rolled = drawn(&|[x, y, z]| {
        let (x, y) = (x - pivot[0][0], y - pivot[0][1]);
        [pivot[0][0] + cos * x - sin * y, pivot[0][1] + sin * x + cos * y, z]
    });
    assert!(rolled != made.picture, "the head was not turned");
    for y in 490..510 {
        for x in (80..120).chain(390..430) {
            let [here, left] = [x, x - 8].map(|x| (y * 512 + x) * 3);
            let near = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 2);
            assert!(near(&moved[here..here + 3], &made.picture[left..left + 3]), "{x} {y}");
            assert_eq!(rolled[here..here + 3], made.picture[here..here + 3], "{x} {y}");
        }
    }
}

/// Breath lifts shoulders and chest; face and background stay, and at the photo's edge nothing comes from beyond.
#[test]
fn breath_lifts_the_body_alone() {
    let made = Made::new(512);
    let mut plain = Plain::new(&made.source(), &made.output(Framing::Crop));
    let latents = plain.latents(&made.landmarks);
    plain.lift = 6.0 / 512.0;
    let out = plain.draw(&latents);
    let pixel =
        |rgb: &[u8], x: usize, y: usize| -> [u8; 3] { rgb[(y * 512 + x) * 3..][..3].try_into().unwrap() };
    for (x, y) in (472..488).flat_map(|y| (80..110).chain(400..430).map(move |x| (x, y))) {
        let (here, below) = (pixel(&out, x, y), pixel(&made.picture, x, y + 6));
        assert!(here.iter().zip(below).all(|(a, b)| a.abs_diff(b) <= 2), "{x} {y}: {here:?} {below:?}");
    }
    let rows = &plain.geometry.rows;
    let [top, bottom] = [0, 1].map(|end| (made.landmarks[rows.control[rows.head[end]]][1] * 512.0) as usize);
    for y in (top..bottom).step_by(3) {
        for x in (200..312).chain(0..30) {
            assert_eq!(pixel(&out, x, y), pixel(&made.picture, x, y), "{x} {y}");
        }
    }
    assert_eq!(pixel(&out, 256, 511), pixel(&made.picture, 256, 511));
}

#[test]
fn nothing_moves_at_the_seams_of_a_pasted_crop() {
    let mut made = Made::new(256);
    made.matte.fill(255);
    let mut plain = Plain::new(&made.source(), &made.output(Framing::Full));
    let mut latents = plain.latents(&made.landmarks);
    latents.as_chunks_mut::<3>().0.iter_mut().for_each(|p| p[1] += 0.05);
    let out = plain.draw(&latents);
    assert!(out != made.photo, "nothing moved");
    let (width, height) = made.photo_size;
    let ([x, y], side) = made.crop;
    // Left and below the photo goes on; above and at the right it ends with the crop, and there the head may move.
    // Motion is known on a grid of 64 points a side: half a cell along the seam is still for sure.
    let edge = side / 128.0;
    let still =
        |column: usize, row: usize| (column as f32) + 0.5 < x + edge || row as f32 + 0.5 > y + side - edge;
    for i in (0..width * height).filter(|i| still(i % width, i / width)) {
        assert_eq!(out[i * 3..][..3], made.photo[i * 3..][..3], "{} {}", i % width, i / width);
    }
    let high = |rgb: &[u8]| rgb[(2 * width + width / 2) * 3..][..width / 4 * 3].to_vec();
    assert!(high(&out) != high(&made.photo), "the top of the head is held by the photo's border");
}

#[test]
fn a_hat_moves_with_the_head_as_one_piece() {
    let (_, rows, source, ..) = setting();
    let side = 256;
    // A person from the chin up to a tenth of the picture.
    let [top, bottom] = [rows.head[0], rows.head[1]].map(|row| source[row]);
    let matte = |until: f32| -> Vec<u8> {
        (0..side * side).map(|i| if (i / side) as f32 / side as f32 > until { 255 } else { 0 }).collect()
    };
    let middle = (top[1] + bottom[1]) / 2.0;
    let height = (top[0] - bottom[0]).hypot(top[1] - bottom[1]);
    assert_eq!(Head::crown(&source, &rows, &matte(top[1]), side), HAIR);
    let hat = Head::crown(&source, &rows, &matte(middle - 1.3 * height), side);
    assert!((hat - 1.3).abs() < 0.1 || middle - 1.3 * height < 0.0, "{hat}");
    let tall = Head::crown(&source, &rows, &matte(-1.0), side);
    assert!(tall > 1.5, "a hat that the picture cuts goes on: {tall}");
    let head = Head::new(&source, &rows, tall, Default::default(), Default::default());
    for share in [0.0, 0.3, 0.6] {
        let at = [top[0], top[1] * share];
        assert!(head.weights(at, Default::default())[0] > 0.99, "{share}: bends");
    }
}

#[test]
fn the_same_latents_give_the_same_bytes() {
    let made = Made::new(256);
    let golden = Golden::open();
    let mut plain = Plain::new(&made.source(), &made.output(Framing::Full));
    let (rest, moved) = (plain.latents(&made.landmarks), plain.latents(&golden.landmarks("D")));
    let first = plain.draw(&moved);
    plain.draw(&rest);
    assert!(plain.draw(&moved) == first);
    assert!(Plain::new(&made.source(), &made.output(Framing::Full)).draw(&moved) == first);
}

#[test]
fn the_parallax_of_a_turned_head_moves_the_person_there_and_nothing_else() {
    let made = Made::new(256);
    // Of a turn to either side: what the left half of the photo shows.
    let slide = |i: usize| {
        if [0, 2].contains(&(i / 4096)) { (0.5 - (i % 64) as f32 / 64.0).max(0.0) * 0.1 } else { 0.0 }
    };
    let maps: Vec<f32> = (0..10 * 4096).map(slide).collect();
    let output = made.output(Framing::Crop);
    let mut without = Plain::new(&made.source(), &output);
    let mut with = Plain::new(&Source { parallax: &maps, ..made.source() }, &output);
    let latents = without.latents(&made.landmarks);
    assert!(with.draw(&latents) == without.draw(&latents), "a head at rest");
    let (sin, cos) = 15f32.to_radians().sin_cos();
    let turned = |&[x, y, z]: &[f32; 3]| [0.5 + (x - 0.5) * cos + z * sin, y, z * cos - (x - 0.5) * sin];
    let face: Vec<_> = made.landmarks.iter().map(turned).collect();
    let latents = without.latents(&face);
    let (without, with) = (without.draw(&latents), with.draw(&latents));
    let pixels = without.as_chunks::<3>().0.iter().zip(with.as_chunks::<3>().0).enumerate();
    let changed: Vec<[usize; 2]> =
        pixels.filter(|(_, (a, b))| a != b).map(|(i, _)| [i % made.side, i / made.side]).collect();
    assert!(changed.len() > 2000, "{}", changed.len());
    // The person's left side, with what the turn moves; the corners are wall.
    for [x, y] in changed {
        assert!(x < 170 && !(x < 40 && y < 40), "{x} {y}");
    }
}

#[test]
fn unusable_input_is_refused() {
    let made = Made::new(512);
    let pack = Pack::open(DEFAULT_PACK).unwrap();
    let mut renderer = Warp::new(&made.source(), None, &pack, Device::Cpu).unwrap();
    let count = pack.manifest().latents.count * 3;
    let mut out = vec![0; 512 * 512 * 3];
    let mut latents = vec![0.5; count];
    let mut render = |renderer: &mut Warp, latents: &[f32], bytes: usize, stride: usize| {
        let mut planes = Planes { data: [&mut out[..bytes], &mut [], &mut []], strides: [stride, 0, 0] };
        renderer.draw(&made.source(), Motion { latents, lift: 0.0 }, &mut planes)
    };
    let (bytes, stride) = (512 * 512 * 3, 512 * 3);
    assert!(matches!(render(&mut renderer, &latents, bytes, stride), Err(RenderError::NoOutput)));
    renderer.set_output(&made.source(), &made.output(Framing::Crop)).unwrap();
    render(&mut renderer, &latents, bytes, stride).unwrap();
    assert!(matches!(render(&mut renderer, &latents[1..], bytes, stride), Err(RenderError::Latents(_))));
    for (bytes, stride) in [(bytes - 1, stride), (bytes, stride - 1), (bytes, usize::MAX), (0, 0)] {
        let refused = render(&mut renderer, &latents, bytes, stride);
        assert!(matches!(refused, Err(RenderError::Output { .. })), "{bytes} {stride}");
    }
    for bad in [f32::NAN, f32::INFINITY] {
        latents[7] = bad;
        assert!(matches!(render(&mut renderer, &latents, bytes, stride), Err(RenderError::Latents(_))));
    }
    let source = Source { matte: &made.matte[1..], ..made.source() };
    assert!(Warp::new(&source, None, &pack, Device::Cpu).is_err());
    let source = Source { landmarks: &made.landmarks[1..], ..made.source() };
    assert!(Warp::new(&source, None, &pack, Device::Cpu).is_err());
    let mut output = made.output(Framing::Full);
    output.still.origin = [900.0, 0.0];
    assert!(renderer.set_output(&made.source(), &output).is_err(), "the crop is beside the photo");
    let mut output = made.output(Framing::Full);
    output.still.width += 1;
    assert!(renderer.set_output(&made.source(), &output).is_err(), "the photo is smaller than it says");
}

#[test]
fn every_format_shows_the_same_picture() {
    let made = Made::new(256);
    let moved = Golden::open().landmarks("D");
    for framing in [Framing::Crop, Framing::Full] {
        let output = made.output(framing);
        let mut plain = Plain::new(&made.source(), &output);
        let latents = plain.latents(&moved);
        let rgb = plain.draw(&latents);
        let draw = |layout| {
            Plain::new(&made.source(), &Output { format: format(layout), ..output }).draw_planes(&latents)
        };
        let pixels = rgb.as_chunks::<3>().0;
        for (layout, order) in [(Layout::Rgba, [0, 1, 2]), (Layout::Bgra, [2, 1, 0])] {
            let out = draw(layout);
            for (out, pixel) in out[0].as_chunks::<4>().0.iter().zip(pixels) {
                assert_eq!(*out, [pixel[order[0]], pixel[order[1]], pixel[order[2]], 255], "{layout:?}");
            }
        }
        let (width, height) = (output.still.width, output.still.height);
        let planes = draw(Layout::I420);
        let mut luma = vec![0; width * height];
        format(Layout::I420).matrix.luma(&rgb, &mut luma);
        assert!(planes[0] == luma, "{framing:?}");
        for (y, rows) in rgb.chunks_exact(width * 6).enumerate() {
            let rows = [&rows[..width * 3], &rows[width * 3..]];
            format(Layout::I420).matrix.chroma(rows, 0..width / 2, |x, u, v| {
                let at = y * width / 2 + x;
                assert_eq!([planes[1][at], planes[2][at]], [u, v], "{framing:?} {x} {y}");
            });
        }
        let pairs = draw(Layout::Nv12);
        assert!(pairs[0] == planes[0]);
        let (u, v): (Vec<u8>, Vec<u8>) = pairs[1].as_chunks::<2>().0.iter().map(|p| (p[0], p[1])).unzip();
        assert!(u == planes[1] && v == planes[2]);
    }
}

#[test]
fn a_person_cut_out_covers_what_is_behind_by_the_matte() {
    let made = Made::new(256);
    let draw = |layout, straight, colour| {
        let format = Format { straight, ..format(layout) };
        let background = Background::Colour(colour);
        let output = Output { format, background, ..made.output(Framing::Crop) };
        let mut plain = Plain::new(&made.source(), &output);
        let latents = plain.latents(&Golden::open().landmarks("D"));
        plain.draw(&latents)
    };
    let through = draw(Layout::Rgba, false, [0; 4]);
    let straight = draw(Layout::Rgba, true, [0; 4]);
    let green = draw(Layout::Rgb, false, [10, 200, 30, 255]);
    let glass = draw(Layout::Rgba, false, [10, 200, 30, 128]);
    let pixel = |of: &[u8], x: usize, y: usize| -> [u8; 4] {
        *of.as_chunks::<4>().0[y * 256..][x..].first().unwrap()
    };
    assert_eq!(pixel(&through, 2, 2), [0; 4]);
    assert_eq!(pixel(&through, 128, 115)[3], 255);
    assert_eq!(pixel(&glass, 2, 2), [5, 100, 15, 128]);
    let all =
        through.as_chunks::<4>().0.iter().zip(straight.as_chunks::<4>().0).zip(green.as_chunks::<3>().0);
    for ((&[r, g, b, a], s), over) in all {
        assert!(r.max(g).max(b) <= a, "brighter than its alpha");
        assert_eq!(a, s[3]);
        for (c, (p, behind)) in [r, g, b].into_iter().zip([10.0, 200.0, 30.0]).enumerate() {
            let share = f32::from(a) / 255.0;
            assert!((f32::from(s[c]) * share - f32::from(p)).abs() <= 1.5, "straight {s:?}, else {p}");
            // Sharp sampling overshoots on noise; with alpha it is cut off at the alpha.
            if p > 0 && p < a {
                assert!((f32::from(p) + behind * (1.0 - share) - f32::from(over[c])).abs() <= 1.6);
            }
        }
    }
}

#[test]
fn a_person_cut_out_has_the_colours_of_the_person_and_not_of_what_shines_through() {
    let made = Made::new(256);
    let foreground: Vec<u8> = (0..256 * 256 * 3).map(|i| [200, 40, 90][i % 3]).collect();
    let source = Source { foreground: &foreground, ..made.source() };
    let output = Output {
        format: Format { straight: false, ..format(Layout::Rgba) },
        background: Background::Colour([0; 4]),
        ..made.output(Framing::Crop)
    };
    let mut plain = Plain::new(&source, &output);
    let at_rest = plain.latents(&made.landmarks);
    let drawn = plain.draw(&at_rest);
    let edge = drawn.as_chunks::<4>().0.iter().filter(|p| (40..215).contains(&p[3]));
    let mut seen = 0;
    for p in edge {
        for (c, own) in [200.0, 40.0, 90.0].into_iter().enumerate() {
            let due = own * f32::from(p[3]) / 255.0;
            assert!((f32::from(p[c]) - due).abs() <= 2.0, "{p:?}");
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    #[test]
    fn any_finite_latents_draw_a_picture(
        seed in proptest::collection::vec(-1.0_f32..1.0, 64),
        power in 0_i32..9,
        full in proptest::bool::ANY,
    ) {
        let made = Made::new(128);
        let framing = if full { Framing::Full } else { Framing::Crop };
        let mut plain = Plain::new(&made.source(), &made.output(framing));
        let mut latents = plain.latents(&made.landmarks);
        let size = 0.003 * 10.0_f32.powi(power);
        for (i, v) in latents.iter_mut().enumerate() {
            *v += seed[i * 37 % 64] * size;
        }
        let first = plain.draw(&latents);
        proptest::prop_assert!(first == plain.draw(&latents));
    }
}
