// SPDX-License-Identifier: MIT OR Apache-2.0
//! From where each pixel of a ring along the known background is copied: shifts to patches that look like its surroundings.
//!
//! PatchMatch (C. Barnes et al., 2009): a shift that is good for a pixel is mostly good for its neighbours; what is left is
//! guessed. The ring is filled from its edge inwards, as structures go on (A. Criminisi et al., 2004), then once by voting
//! (Y. Wexler et al., Space-Time Completion of Video, 2007). Colours are whole numbers, so that every processor finds the same.

use std::ops::Range;

use multiversion::multiversion;

use super::matte::box_mean;

/// Pixels from the middle of a patch to its edge, and a patch's side.
pub(super) const HALF: usize = 3;
const SIDE: usize = 2 * HALF + 1;
/// Pixels of a patch's row and some that do not count, so that the processor takes them at once.
const ROW: usize = 8;

/// How much a known pixel counts in a comparison, and at most one that is made up; further inside they count less.
const KNOWN: i16 = 16;
const MADE: u16 = 5;

/// How often each layer of pixels is gone through.
const PASSES: usize = 2;

/// Guesses for a pixel, and for one that still differs by more than this.
const GUESSES: usize = 8;
const MOST_GUESSES: usize = 64;
const UNLIKE: u32 = 300_000;

/// The share by which a guess must be better than what a neighbour has, in sixteenths.
const GUESS: u64 = 15;

/// A difference counts by one part in so many more from as far as sources lie.
const NEARER: u64 = 2;

/// The weighted difference at which a patch's vote counts half.
const POOR: f32 = 100_000.0;

/// What a pixel has that has no shift.
const NONE: u32 = u32::MAX;

type Colour = [i16; 4];

/// A picture in which something is unknown, at one scale.
pub(super) struct Scale {
    pub width: usize,
    pub height: usize,
    /// Red, green, blue: guesses where unknown.
    pub colours: Vec<[f32; 3]>,
    pub known: Vec<bool>,
    /// Colours that are good enough to compare with, though not to be copied: all that is known and some beside.
    pub nearly: Vec<bool>,
    /// Steps from what is known, up to the ring's depth ([`distances`]).
    pub depth: Vec<u16>,
    /// What is to be filled, all of it unknown.
    pub ring: Vec<bool>,
}

/// Steps from the nearest of some pixels, `u16::MAX` beyond `most`, and which that is.
pub(super) fn distances(from: &[bool], width: usize, height: usize, most: u16) -> (Vec<u16>, Vec<usize>) {
    let mut steps: Vec<u16> = from.iter().map(|&is| if is { 0 } else { u16::MAX }).collect();
    let mut nearest: Vec<usize> = (0..from.len()).collect();
    let mut front: Vec<usize> = (0..from.len()).filter(|&i| from[i]).collect();
    for step in 1..=most {
        let mut next = Vec::new();
        for i in front {
            let (x, y) = (i % width, i / width);
            let mut reach = |is_inside: bool, j: usize| {
                if is_inside && steps[j] == u16::MAX {
                    steps[j] = step;
                    nearest[j] = nearest[i];
                    next.push(j);
                }
            };
            let (left, right, up, down) = (x > 0, x + 1 < width, y > 0, y + 1 < height);
            reach(left, i.wrapping_sub(1));
            reach(right, i + 1);
            reach(up, i.wrapping_sub(width));
            reach(down, i + width);
            // Diagonally every other time: an octagon.
            if step % 2 == 0 {
                reach(left && up, i.wrapping_sub(width + 1));
                reach(right && up, (i + 1).wrapping_sub(width));
                reach(left && down, (i + width).wrapping_sub(1));
                reach(right && down, i + width + 1);
            }
        }
        front = next;
    }
    (steps, nearest)
}

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    /// From `-radius` to `radius`.
    fn around(&mut self, radius: i16) -> i16 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let numbers = 2 * radius.unsigned_abs() as u64 + 1;
        (((self.0 >> 33) * numbers) >> 31) as i16 - radius
    }
}

/// What surrounds a pixel, and how much of it counts.
struct Patch {
    colours: [[Colour; ROW]; SIDE],
    trust: [[Colour; ROW]; SIDE],
}

/// A picture with shifts; planes have a border of half a patch.
pub(super) struct Shifts {
    stride: usize,
    photo: Vec<Colour>,
    /// The same with the ring filled.
    filled: Vec<Colour>,
    /// How much pixels count in a comparison.
    trust: Vec<i16>,
    /// Whether all of the patch around a pixel is known, and far enough from what is not.
    source: Vec<bool>,
    ring: Vec<bool>,
    nearly: Vec<bool>,
    /// Steps from what is known.
    depth: Vec<u16>,
    /// Pixels whose patches reach into the ring, from the known ones inwards.
    targets: Vec<usize>,
    shift: Vec<[i16; 2]>,
    cost: Vec<u32>,
    /// Longest shift along an axis.
    far: i16,
    random: Random,
}

impl Shifts {
    /// No shifts yet. Sources lie at most `far` away and at least `margin` from what is unknown; the ring is at most `deep`.
    pub fn new(scale: &Scale, deep: u16, far: i16, margin: usize) -> Self {
        let (width, height) = (scale.width, scale.height);
        let share = |of: &dyn Fn(usize) -> bool, radius: usize| {
            let plane: Vec<f32> = (0..width * height).map(|i| if of(i) { 1.0 } else { 0.0 }).collect();
            box_mean(&plane, width, height, radius)
        };
        let unknown = share(&|i| !scale.known[i], HALF + margin);
        let touched = share(&|i| scale.ring[i], HALF);
        let depth = &scale.depth;
        let stride = width + 2 * HALF;
        let size = stride * (height + 2 * HALF) + ROW;
        let mut shifts = Self {
            stride,
            photo: vec![[0; 4]; size],
            filled: Vec::new(),
            trust: vec![0; size],
            source: vec![false; size],
            ring: vec![false; size],
            nearly: vec![false; size],
            depth: vec![u16::MAX; size],
            targets: Vec::new(),
            shift: vec![[0; 2]; size],
            cost: vec![NONE; size],
            far,
            random: Random(1),
        };
        for i in 0..width * height {
            let (x, y) = (i % width, i / width);
            let p = shifts.place(x, y);
            let [r, g, b] = scale.colours[i].map(|v| (v + 0.5) as i16);
            shifts.photo[p] = [r, g, b, 0];
            shifts.depth[p] = depth[i];
            shifts.ring[p] = scale.ring[i] && depth[i] <= deep;
            shifts.nearly[p] = scale.nearly[i];
            let inside = (HALF..width - HALF).contains(&x) && (HALF..height - HALF).contains(&y);
            shifts.source[p] = unknown[i] < 1e-6 && inside;
            if scale.nearly[i] {
                shifts.trust[p] = KNOWN;
            } else if shifts.ring[p] {
                shifts.trust[p] = (1 + MADE * (deep + 1 - depth[i]) / (deep + 1)) as i16;
            }
            if touched[i] > 1e-6 && shifts.trust[p] > 0 {
                shifts.targets.push(p);
            }
        }
        shifts.filled.clone_from(&shifts.photo);
        let depth = &shifts.depth;
        shifts.targets.sort_by_key(|&p| depth[p]);
        shifts
    }

    /// Index of a pixel in the planes.
    pub fn place(&self, x: usize, y: usize) -> usize {
        (y + HALF) * self.stride + x + HALF
    }

    /// The shift of a pixel, and how well its patch fits, 0 to 1.
    pub fn at(&self, place: usize) -> Option<([i16; 2], f32)> {
        (self.cost[place] != NONE).then(|| (self.shift[place], worth(self.cost[place])))
    }

    /// First shifts: from the known pixels inwards, by what is known or filled before.
    pub fn grow(&mut self) {
        let wanted = self.trust.clone();
        self.trust
            .iter_mut()
            .zip(&self.nearly)
            .filter(|(_, nearly)| !**nearly)
            .for_each(|(trust, _)| *trust = 0);
        let targets = std::mem::take(&mut self.targets);
        for layer in targets
            .chunk_by(|&a, &b| self.depth[a] == self.depth[b])
            .map(<[usize]>::to_vec)
            .collect::<Vec<_>>()
        {
            self.targets = layer;
            // By rows, so that what is found is handed on.
            self.targets.sort_unstable();
            for pass in 0..PASSES {
                self.search(pass % 2 == 1, GUESSES..MOST_GUESSES);
            }
            for k in 0..self.targets.len() {
                let p = self.targets[k];
                if let Some(q) = self
                    .is_made(p)
                    .then(|| self.source_of(p, self.shift[p]))
                    .flatten()
                    .filter(|_| self.cost[p] != NONE)
                {
                    self.filled[p] = self.photo[q];
                    self.trust[p] = wanted[p];
                }
            }
        }
        self.targets = targets;
        self.trust = wanted;
    }

    /// Fills the ring by what the patches around each pixel say, then looks for better shifts, inwards and back.
    pub fn improve(&mut self) {
        self.vote();
        self.search(true, 0..0);
        self.search(false, 0..0);
    }

    /// Whether there is nothing to compare with at a pixel but what is made up.
    fn is_made(&self, p: usize) -> bool {
        self.ring[p] && !self.nearly[p]
    }

    fn source_of(&self, p: usize, [dx, dy]: [i16; 2]) -> Option<usize> {
        // Columns by which a long shift leaves its row are none of a source: rows end in a border.
        let x = p % self.stride;
        let column = x.checked_add_signed(isize::from(dx)).filter(|&x| x < self.stride)?;
        let q = (p - x + column).checked_add_signed(isize::from(dy) * self.stride as isize)?;
        self.source.get(q).is_some_and(|&is| is).then_some(q)
    }

    /// A difference that counts more from farther away.
    fn dearer(&self, cost: u32, shift: [i16; 2]) -> u32 {
        let square = |v: i16| u64::from(v.unsigned_abs()).pow(2);
        let whole = NEARER * square(self.far).max(1);
        // Differences are below 2^28.
        (u64::from(cost) * (whole + square(shift[0]) + square(shift[1])) / whole) as u32
    }

    fn patch(&self, p: usize) -> Patch {
        let mut patch = Patch { colours: [[[0; 4]; ROW]; SIDE], trust: [[[0; 4]; ROW]; SIDE] };
        for y in 0..SIDE {
            let from = self.row(p, y);
            patch.colours[y].copy_from_slice(&self.filled[from..from + ROW]);
            let trust = patch.trust[y].iter_mut().zip(&self.trust[from..from + SIDE]);
            trust.for_each(|(to, &trust)| *to = [trust; 4]);
        }
        patch
    }

    /// Where a row of the patch around a pixel begins.
    fn row(&self, p: usize, y: usize) -> usize {
        p + y * self.stride - HALF * self.stride - HALF
    }

    /// Improves the shifts of all targets by those of their neighbours and by guesses: at least and at most so many.
    fn search(&mut self, backwards: bool, guesses: Range<usize>) {
        let stride = self.stride;
        let mut tried: Vec<[i16; 2]> = Vec::new();
        for k in 0..self.targets.len() {
            let p = self.targets[if backwards { self.targets.len() - 1 - k } else { k }];
            let patch = self.patch(p);
            let (mut best, mut least) = (self.shift[p], NONE);
            tried.clear();
            let mut consider =
                |this: &Self, shift: [i16; 2], sixteenths: u64, best: &mut [i16; 2], least: &mut u32| {
                    if tried.contains(&shift) || shift.iter().any(|v| v.abs() > this.far) {
                        return;
                    }
                    tried.push(shift);
                    if let Some(q) = this.source_of(p, shift) {
                        let limit =
                            if *least == NONE { NONE } else { (u64::from(*least) * sixteenths / 16) as u32 };
                        let cost = difference(&patch, &this.photo, this.row(q, 0), stride, limit);
                        let cost = this.dearer(cost, shift);
                        if cost < limit {
                            (*best, *least) = (shift, cost);
                        }
                    }
                };
            if self.cost[p] != NONE {
                consider(self, self.shift[p], 16, &mut best, &mut least);
            }
            let [up, down] = [p - stride, p + stride];
            for q in [p - 1, p + 1, up, down, up - 1, up + 1, down - 1, down + 1] {
                if self.cost[q] != NONE {
                    consider(self, self.shift[q], 16, &mut best, &mut least);
                }
            }
            // Anywhere at first, then ever nearer to the best.
            let mut radius = self.far;
            for guess in 0..guesses.end {
                if guess >= guesses.start && least < UNLIKE {
                    break;
                }
                let [x, y] = if radius == self.far || least == NONE { [0; 2] } else { best };
                let guess = [x + self.random.around(radius), y + self.random.around(radius)];
                consider(self, guess, GUESS, &mut best, &mut least);
                radius = if radius > 2 { radius / 2 } else { self.far };
            }
            (self.shift[p], self.cost[p]) = (best, least);
        }
    }

    fn vote(&mut self) {
        let mut sums = vec![[0.0f32; 4]; self.photo.len()];
        for &p in self.targets.iter().filter(|&&p| self.cost[p] != NONE) {
            let Some(q) = self.source_of(p, self.shift[p]) else { continue };
            let depth = f32::from(self.depth[p]);
            let weight = worth(self.cost[p]) / (1.0 + 0.05 * depth * depth);
            for y in 0..SIDE {
                let (to, from) = (self.row(p, y), self.row(q, y));
                for (sum, colour) in sums[to..to + SIDE].iter_mut().zip(&self.photo[from..from + SIDE]) {
                    (0..3).for_each(|c| sum[c] += weight * f32::from(colour[c]));
                    sum[3] += weight;
                }
            }
        }
        let (ring, nearly) = (&self.ring, &self.nearly);
        for (p, sum) in sums.iter().enumerate().filter(|(p, sum)| ring[*p] && !nearly[*p] && sum[3] > 0.0) {
            (0..3).for_each(|c| self.filled[p][c] = (sum[c] / sum[3] + 0.5) as i16);
        }
    }

    /// How well the shifts of pixels beside the ring explain them: for each its place, what the copy lacks there, the mean
    /// squared difference over what is known around it, and the variance of that.
    pub fn misses(&self) -> impl Iterator<Item = ([usize; 2], [f32; 3], f32, f32)> + '_ {
        let edge =
            self.targets.iter().take_while(|&&p| self.depth[p] == 0).filter(|&&p| self.cost[p] != NONE);
        edge.filter_map(|&p| {
            let q = self.source_of(p, self.shift[p])?;
            let (mut count, mut off, mut sums, mut squares) = (0.0, 0.0, [0.0; 3], 0.0);
            for y in 0..SIDE {
                let (to, from) = (self.row(p, y), self.row(q, y));
                for i in (0..SIDE).filter(|i| self.nearly[to + i]) {
                    count += 1.0;
                    for c in 0..3 {
                        let own = f32::from(self.photo[to + i][c]);
                        off += (own - f32::from(self.photo[from + i][c])).powi(2);
                        sums[c] += own;
                        squares += own * own;
                    }
                }
            }
            let variance = squares - sums.iter().map(|s| s * s / count).sum::<f32>();
            let lack = [0, 1, 2].map(|c| f32::from(self.photo[p][c] - self.photo[q][c]));
            Some(([p % self.stride - HALF, p / self.stride - HALF], lack, off / count, variance / count))
        })
    }
}

fn worth(cost: u32) -> f32 {
    1.0 / (1.0 + cost as f32 / POOR)
}

/// Weighted squared difference of a patch and the one whose first row begins there; where it is not below the limit, any
/// number that is not.
#[multiversion(targets("x86_64+avx2"))]
fn difference(patch: &Patch, photo: &[Colour], first: usize, stride: usize, limit: u32) -> u32 {
    // All of it fits, and without a check of that the processor takes a row at once.
    let mut sum = 0i32;
    for rows in [0..2, 2..4, 4..SIDE] {
        let mut part = 0i32;
        for y in rows {
            let theirs = photo[first + y * stride..][..ROW].as_flattened();
            let ours = patch.colours[y].as_flattened().iter().zip(patch.trust[y].as_flattened());
            for ((own, trust), theirs) in ours.zip(theirs) {
                let off = own.wrapping_sub(*theirs);
                part = part.wrapping_add(i32::from(off.wrapping_mul(*trust)).wrapping_mul(i32::from(off)));
            }
        }
        sum += part;
        if sum.unsigned_abs() >= limit {
            break;
        }
    }
    sum.unsigned_abs()
}
