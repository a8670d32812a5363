// SPDX-License-Identifier: MIT OR Apache-2.0
//! Another mouth in the frame of a video.
//!
//! The frame itself is warped: lips, chin and cheeks move from where they are to where the voice has them, each lip by its
//! own flow ([`field`]), so that nothing between them is squeezed to a line. What shows between the lips is laid in
//! ([`opening`]): from the frame or from a frame of the same person that showed more ([`store`]). It all happens in the
//! components as the frame has them ([`component`]), within a window around the mouth; no other pixel is written.

pub mod component;
mod field;
mod opening;
mod store;

use component::{Component, Crop, Kind};
use field::Field;
use opening::Opening;
use store::{Donor, Store};

use super::RenderError;
use super::warp::points::{Point, Rows};
use crate::face::step::smooth_step;

/// Most components of a format that are drawn.
pub const COMPONENTS: usize = 3;

/// How far the rims of an open mouth are taken into the lips, in distances of the outer eye corners: landmarks miss the edge
/// of a lip by so much, and what they miss would show as crumbs of teeth between shut lips.
const INTO_LIPS: f32 = 0.012;

/// Gap of the lips from which on that is needed in full.
const OPEN: f32 = 0.06;

/// A component of what is drawn where nothing is known of the mouth's inside: its share of the skin's, and of the skin's
/// colour.
const DARK: (f32, f32) = (0.22, 0.5);

/// The line between shut lips of a mouth that was open: how dark it is, and half its width in distances of the outer eye
/// corners. Lips that meet in the frame have one.
const SEAM: (f32, f32) = (0.3, 0.010);

/// Gap of the lips from which on they show whose teeth are seen, upper or lower; and how much a frame counts.
const TELLS: f32 = 0.08;
const LEAN_SHARE: f32 = 0.1;

/// Points of the skin around the mouth that tell the light.
const SKIN: [usize; 10] = [36, 266, 205, 425, 216, 436, 212, 432, 164, 200];

/// How a face is to be drawn in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// All landmarks as the frame has them, in pixels.
    pub source: &'a [[f32; 3]],
    /// The same as the voice has them.
    pub driving: &'a [[f32; 3]],
    /// Pixels of a distance of the outer eye corners.
    pub unit: f32,
    /// Degrees.
    pub yaw: f32,
    /// Pixels of a row, and rows.
    pub size: [usize; 2],
    /// How much of the voice's mouth is drawn: 0 = the frame's own. The landmarks are on their way already.
    pub amount: f32,
    /// Whether the frame shows the mouth well: others are not drawn from it else.
    pub clear: bool,
}

/// Draws the mouth of one person.
pub struct Mouth {
    rows: Rows,
    rims: [[usize; 11]; 2],
    field: Field,
    store: Store,
    /// Of the frame, and as it is drawn.
    own: Opening,
    drawn: Opening,
    crop: Crop,
    maps: [Map; 2],
    amount: f32,
    unit: f32,
    /// How dark the seam of this frame's lips is.
    seam: f32,
    /// Whether the mouth is seen well.
    clear: bool,
    /// How far what the person shows between the lips hangs at the lower one, once it was seen.
    lean: Option<f32>,
    skin: [Point; SKIN.len()],
}

/// What was learned of a person: what their mouth shows when it is open.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    store: Store,
    lean: Option<f32>,
}

/// Where each sample of a component comes from.
#[derive(Debug, Default)]
struct Map {
    /// Samples of a component's distance.
    step: [usize; 2],
    /// Left, top, width, height in samples of the component.
    bounds: [usize; 4],
    samples: Vec<Sample>,
}

/// One sample.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Displacement by the flow of the upper and of the lower lip, in samples.
    upper: Point,
    lower: Point,
    /// Share of the lower one.
    below: f32,
    /// Share of the mouth's inside, and where that is: along the mouth and below its upper rim, pixels.
    inside: f32,
    at: Point,
    /// How dark the line between the lips is.
    shade: f32,
}

impl Mouth {
    /// A painter for faces whose pack has these control points.
    ///
    /// # Errors
    /// Where the pack lacks one that is needed.
    pub fn new(control: &[usize]) -> Result<Self, RenderError> {
        let rows = Rows::new(control)?;
        Ok(Self {
            rims: rows.rims.map(|rim| rim.map(|row| rows.control[row])),
            rows,
            field: Field::default(),
            store: Store::default(),
            own: Opening::default(),
            drawn: Opening::default(),
            crop: Crop::default(),
            maps: [Map::default(), Map::default()],
            amount: 0.0,
            unit: 1.0,
            seam: 0.0,
            clear: false,
            lean: None,
            skin: [[0.0; 2]; SKIN.len()],
        })
    }

    /// Forgets the person.
    pub fn reset(&mut self) {
        self.store.reset();
        self.lean = None;
    }

    /// What was learned so far.
    pub fn shown(&self) -> Shown {
        Shown { store: self.store.clone(), lean: self.lean }
    }

    /// Begins with what was learned of the person elsewhere, in frames of the same format.
    pub fn begin_with(&mut self, shown: &Shown) {
        self.store.clone_from(&shown.store);
        self.lean = shown.lean;
    }

    /// Takes the face of a frame. Returns whether its mouth lies within the picture.
    pub fn pose(&mut self, task: &Task<'_>) -> bool {
        let flat = |p: &[f32; 3]| [p[0], p[1]];
        let within = |p: &Point| {
            p[0] >= 0.0 && p[1] >= 0.0 && p[0] < task.size[0] as f32 && p[1] < task.size[1] as f32
        };
        let fits = task.source.len() == crate::face::landmark::COUNT
            && task.driving.len() == task.source.len()
            && task.source.iter().chain(task.driving).flatten().all(|v| v.is_finite())
            && task.unit > 4.0
            && self.rims.as_flattened().iter().all(|&i| within(&flat(&task.source[i])));
        if !fits {
            return false;
        }
        (self.amount, self.unit, self.clear) = (task.amount, task.unit, task.clear);
        self.own = Opening::new(task.source, &self.rims);
        self.drawn = Opening::new(task.driving, &self.rims);
        self.skin = SKIN.map(|i| flat(&task.source[i]));
        let opened = smooth_step(self.own.gap() / (OPEN * task.unit)) * task.amount;
        let into = INTO_LIPS * task.unit * opened;
        self.seam = SEAM.0 * opened * (1.0 - smooth_step(self.drawn.gap() / (OPEN * task.unit)));
        if task.amount > 0.0 {
            self.field.pose(&self.rows, task, self.own.down(into));
        } else {
            self.field.place(task);
        }
        self.store.consider(&self.own, task);
        self.maps.iter_mut().for_each(|map| map.samples.clear());
        true
    }

    /// Draws component number `index` of the frame, all of which are to be drawn one by one.
    pub fn draw(&mut self, index: usize, component: &mut Component<'_>) {
        let step = component.step;
        // A region in the middle of a displacement reaches beyond its bounds.
        let bounds = self.field.bounds(self.unit * field::REACH, step, component.size);
        self.crop.take(component, bounds);
        let light = self.crop.mean(&self.skin, step);
        self.store.keep(index, &self.crop, light, step);
        // All components of a frame lean the same way.
        if index == 0 && self.clear && self.own.gap() > TELLS * self.unit {
            let now = self.own.lean(&self.crop, step, light);
            self.lean = Some(self.lean.map_or(now, |lean| lean + (now - lean) * LEAN_SHARE));
        }
        if self.amount <= 0.0 {
            return;
        }
        let which = usize::from(step != [1, 1]);
        if self.maps[which].samples.is_empty() {
            let bounds = self.field.bounds(0.0, step, component.size);
            self.maps[which].fill(&self.field, &self.drawn, (self.seam, SEAM.1 * self.unit), step, bounds);
        }
        let share = smooth_step(self.amount * 1.5);
        let (donor, before) = (self.store.chosen(index), self.store.before(index));
        let dark = component.kind.dark(light, DARK);
        let (kind, lean) = (component.kind, self.lean.unwrap_or(0.0));
        let of = |donor: &Donor<'_>, at: Point| {
            let scale = (donor.unit / self.unit, lean);
            let (value, unseen) = donor.opening.sample(donor.crop, donor.step, at, &self.drawn, scale);
            let value = kind.relit(value, light, donor.light);
            value + (dark - value) * unseen
        };
        // The frame itself shows best what is in it, where it shows so much.
        let seen = self.own.gap() / self.drawn.gap().max(1e-3);
        let known = smooth_step((seen - 0.5) / 0.35);
        let lacks = donor.as_ref().map_or(1.0, |donor| {
            let open = donor.opening.gap() / donor.unit * self.unit;
            smooth_step((self.drawn.gap() / open.max(1e-3) - 1.0) / 0.3)
        });
        let inside = |at: Point| {
            let own = || {
                let (value, unseen) = self.own.sample(&self.crop, step, at, &self.drawn, (1.0, lean));
                value + (dark - value) * unseen
            };
            let mut value = match donor {
                Some(donor) => {
                    let value = of(&donor, at);
                    before.map_or(value, |(before, share)| value + (of(&before, at) - value) * share)
                }
                None => dark,
            };
            if known * lacks > 0.0 {
                value += (own() - value) * known * lacks;
            }
            // On the way to and from the frame's own mouth, what it shows is not darkened.
            if share < 1.0 {
                value += (self.own.sample(&self.crop, step, at, &self.drawn, (1.0, lean)).0 - value)
                    * (1.0 - share);
            }
            value
        };
        self.maps[which].draw(&self.crop, kind, inside, component.data, component.stride, component.pixel);
    }
}

impl Map {
    fn fill(
        &mut self,
        field: &Field,
        drawn: &Opening,
        (seam, half): (f32, f32),
        step: [usize; 2],
        bounds: [usize; 4],
    ) {
        (self.step, self.bounds) = (step, bounds);
        let [left, top, width, height] = bounds;
        let pixel = step[1] as f32;
        self.samples.clear();
        for y in top..top + height {
            for x in left..left + width {
                let p = [component::centre(x, step[0]), component::centre(y, step[1])];
                let [upper, lower] = field.at(p).map(|u| [u[0] / step[0] as f32, u[1] / step[1] as f32]);
                let shape = drawn.at(p);
                let edge = |v: f32| (v / pixel + 0.5).clamp(0.0, 1.0);
                self.samples.push(Sample {
                    upper,
                    lower,
                    below: edge(shape.v - (shape.top + shape.bottom) / 2.0),
                    inside: edge(shape.v - shape.top) * edge(shape.bottom - shape.v) * shape.within,
                    at: [shape.u, shape.v - shape.top],
                    shade: if seam > 0.0 && shape.within > 0.0 {
                        let way = (shape.v - (shape.top + shape.bottom) / 2.0) / half;
                        let corner =
                            smooth_step((1.0 - (2.0 * shape.u / drawn.width().max(1.0)).abs()) / 0.25);
                        seam * corner * (1.0 - way * way).max(0.0)
                    } else {
                        0.0
                    },
                });
            }
        }
    }

    /// Writes the samples that are not the frame's own.
    fn draw(
        &self,
        crop: &Crop,
        kind: Kind,
        inside: impl Fn(Point) -> f32,
        data: &mut [u8],
        stride: usize,
        pixel: usize,
    ) {
        let ([left, top, width, _], (low, high)) = (self.bounds, kind.range());
        for (row, samples) in self.samples.chunks_exact(width.max(1)).enumerate() {
            let y = top + row;
            for (column, s) in samples.iter().enumerate() {
                let x = left + column;
                let still = s.upper == [0.0; 2] && s.lower == [0.0; 2];
                if still && s.inside <= 0.0 {
                    continue;
                }
                let from = |u: Point| crop.sharp([x as f32 + u[0], y as f32 + u[1]]);
                let mut value = 0.0;
                if s.inside < 1.0 {
                    value = if s.below <= 0.0 {
                        from(s.upper)
                    } else if s.below >= 1.0 || s.upper == s.lower {
                        from(s.lower)
                    } else {
                        let upper = from(s.upper);
                        upper + (from(s.lower) - upper) * s.below
                    };
                }
                value = kind.shaded(value, s.shade);
                if s.inside > 0.0 {
                    value += (inside(s.at) - value) * s.inside;
                }
                if let Some(out) = data.get_mut(y * stride + x * pixel) {
                    *out = (value.clamp(low, high) + 0.5) as u8;
                }
            }
        }
    }
}
