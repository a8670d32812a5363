// SPDX-License-Identifier: MIT OR Apache-2.0
//! One region of the face in a frame: what its painter gets, and what of it reaches the picture.

use super::flow::Flow;
use super::iris::Iris;
use super::lips::Lips;
use super::maps::{CHANNELS, Shapes, carry};
use super::math::{Tap, resize, resize_taps, smooth_step};
use super::points::{Point, Rows};
use super::remap;
use super::roi::{Affine, COARSE, Core, Part, centres, region, window};
use super::seam::Seam;
use super::teeth::Teeth;

/// A region of the face: buffers that live as long as the renderer.
#[derive(Clone, Debug)]
pub struct Patch {
    part: Part,
    shapes: Shapes,
    /// Soft shapes of the source.
    source_shapes: Vec<f32>,
    /// From picture to source patch.
    to_source: Affine,
    /// Source patch to picture: residual flow is in its units.
    from_source: Affine,
    line: Vec<f32>,
    to_half: Vec<Tap>,
    to_full: Vec<Tap>,
    coarse: [Vec<f32>; 4],
    lids: Option<Lids>,
    iris: Option<Iris>,
    lips: Option<Lips>,
    teeth: Option<Teeth>,
    scratch: [Vec<f32>; 2],
    frame: Frame,
}

/// Across and down, at each cell of the coarse grid.
type Displacement = [Vec<f32>; 2];

/// How the lids of an eye close.
#[derive(Clone, Debug)]
struct Lids {
    flow: Flow,
    /// How far the source's eye is open, in widths.
    open: f32,
    /// How far the eye is closed in this frame: 0 as in the source to 1.
    closed: f32,
    displacement: Displacement,
    /// The lower lid's, where the lids meet at a line, and the rims of both.
    lower: Option<(Displacement, [Vec<usize>; 2])>,
}

/// Pace of the flow through the source, rows a row, from which on what closes lips is taken from the painter's patch, and
/// where all of it is.
const SQUEEZED: (f32, f32) = (1.4, 2.2);

/// Share of the source's opening below which the iris of a large eye gives way to the lids.
const NARROW: f32 = 0.25;

/// Farther than any face is high, in picture units.
const FAR: f32 = 10.0;

/// Below this opening in widths the source's own eye is closed.
const CLOSED: f32 = 0.06;

/// What the compositor needs of a region.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Picture to patch.
    pub to_patch: Affine,
    /// Box around the region in picture units: left, top, right, bottom.
    pub bounds: [f32; 4],
    /// Side of `ways`.
    pub half: usize,
    /// Where the flow is the region's own when the head is turned.
    pub core: Core,
    /// Displacement towards the source in picture units, then the same as the painter saw it: without its residual, eyes
    /// squeezed instead of closed. Each across and down.
    pub ways: Vec<[f32; 4]>,
    /// Side of `paint`.
    pub side: usize,
    /// Change of colour times alpha in levels, and alpha.
    pub paint: Vec<[f32; 4]>,
    /// What the painter saw where lips close over a squeezed mouth: colour times weight in levels, and weight. Empty where
    /// they do not.
    pub squeezed: Vec<[f32; 4]>,
    /// Whether any alpha is above zero.
    pub painted: bool,
    /// Where the lids of a large eye meet.
    pub seam: Option<Seam>,
}

impl Patch {
    /// The region of a part of a photo.
    pub fn new(part: Part, source: &[Point], rows: &Rows) -> Self {
        let mut shapes = Shapes::new(part);
        let (half, side) = (shapes.side(), part.side());
        let from_source = region(part, source, rows);
        let to_source = from_source.inverse();
        let mut source_shapes = vec![0.0; 3 * half * half];
        shapes.draw(source, &to_source, rows, &mut source_shapes);
        let plane = || vec![0.0; COARSE * COARSE];
        Self {
            part,
            shapes,
            source_shapes,
            to_source,
            from_source,
            line: centres(COARSE).collect(),
            to_half: resize_taps(COARSE, half),
            to_full: resize_taps(COARSE, side),
            coarse: [plane(), plane(), plane(), plane()],
            lids: part.eye().map(|eye| Lids::new(Flow::lids(rows, source, eye))).filter(|l| l.open > CLOSED),
            iris: None,
            lips: None,
            teeth: None,
            scratch: [vec![0.0; side * side], vec![0.0; side * side]],
            frame: Frame {
                half,
                core: part.core(false),
                ways: vec![[0.0; 4]; half * half],
                side,
                paint: vec![[0.0; 4]; side * side],
                ..Frame::default()
            },
        }
    }

    /// The same with an iris that turns inside of the lids: beyond the geometry of the painters' training, in which
    /// irises hardly move.
    pub fn with_iris(mut self, source: &[Point], rows: &Rows) -> Self {
        self.iris = self.part.eye().map(|eye| Iris::new(rows, source, eye));
        self
    }

    /// The same of an eye that is larger than people's, with irises of that radius in picture units.
    pub fn with_large_iris(mut self, radius: Option<f32>, source: &[Point], rows: &Rows) -> Self {
        let (Some(eye), Some(radius)) = (self.part.eye(), radius) else { return self };
        let [[a, _], [c, _]] = self.from_source.m;
        self.iris = self.iris.map(|iris| iris.with_radius(radius / a.hypot(c)));
        if let Some(lids) = &mut self.lids {
            let plane = || vec![0.0; COARSE * COARSE];
            self.frame.core = self.part.core(true);
            lids.flow = Flow::large_lids(rows, source, eye);
            lids.lower = Some(([plane(), plane()], rows.lids(eye)));
            self.frame.seam = Some(Seam::new(self.frame.half));
        }
        self
    }

    /// The same with lips that close over an open mouth of the square RGB8 photo.
    pub fn with_lips(mut self, rgb: &[u8], side: usize, source: &[Point], rows: &Rows) -> Self {
        self.lips = if self.part == Part::Mouth { Lips::new(rgb, side, source, rows) } else { None };
        self
    }

    /// The same with softer paint for teeth that the photo with these points does not show.
    pub fn with_teeth(mut self, source: &[Point], rows: &Rows) -> Self {
        self.teeth = (self.part == Part::Mouth).then(|| Teeth::new(source, rows, self.side()));
        self
    }

    /// Side of the painter's patch.
    pub fn side(&self) -> usize {
        self.frame.side
    }

    /// How far each cell of the coarse grid lies inside of the frame's opening (of mouth or lids), in patch units.
    pub fn depth(&self) -> &[f32] {
        self.shapes.depth()
    }

    /// What the compositor needs.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Places the region in the driving picture and computes its flow.
    pub fn pose(&mut self, flow: &Flow, driving: &[Point], rows: &Rows) {
        let from_patch = region(self.part, driving, rows);
        let [x, y, ux, uy] = &mut self.coarse;
        for (i, (x, y)) in x.iter_mut().zip(y.iter_mut()).enumerate() {
            [*x, *y] = from_patch.apply([self.line[i % COARSE], self.line[i / COARSE]]);
        }
        flow.displace(x, y, ux, uy);
        if let Some(lips) = &mut self.lips {
            lips.pose(flow.opening());
        }
        if let Some(teeth) = &mut self.teeth {
            teeth.pose(driving, rows);
        }
        let frame = &mut self.frame;
        frame.to_patch = from_patch.inverse();
        frame.bounds = from_patch.bounds();
        frame.painted = false;
        if let Some(iris) = &mut self.iris {
            iris.pose(driving, rows, &frame.to_patch);
            iris.turn(x, y, ux, uy);
        }
        // The painter sees the plain flow, which squeezes a closing eye; the picture gets lids that slide over it.
        let iris = self.iris.as_ref();
        let lids = self.lids.as_mut().and_then(|lids| lids.pose(driving, iris, [x, y], [ux, uy]));
        let fine = &mut self.scratch[0][..frame.half * frame.half];
        let [x, y] = lids.unwrap_or([ux, uy]);
        spread([x, y, ux, uy], &self.to_half, fine, &mut frame.ways);
        if let Some(seam) = &mut frame.seam {
            let lids = self.lids.as_ref().filter(|lids| lids.closed > 0.0);
            seam.shown = lids.is_some();
            if let Some(([x, y], rims)) = lids.and_then(|lids| lids.lower.as_ref()) {
                spread([x, y], &self.to_half, fine, &mut seam.lower);
                let to_patch = &frame.to_patch;
                seam.pose(rims.each_ref().map(|rim| rim.iter().map(|&row| to_patch.apply(driving[row]))));
            }
        }
    }

    /// The painter's inputs: the warped patch (3 planes) and the maps (11 planes of half the side).
    pub fn inputs(
        &mut self,
        driving: &[Point],
        rows: &Rows,
        rgb: &[u8],
        rgb_side: usize,
        patch: &mut [f32],
        maps: &mut [f32],
    ) {
        let area = self.frame.half * self.frame.half;
        debug_assert_eq!(maps.len(), CHANNELS * area);
        let [x, y, ux, uy] = &mut self.coarse;
        // From here on the displacement is the source position: in picture units, then in those of the source patch.
        for (u, x) in ux.iter_mut().zip(x.iter()).chain(uy.iter_mut().zip(y.iter())) {
            *u += x;
        }
        let [fx, fy] = &mut self.scratch;
        resize(ux, COARSE, &self.to_full, fx);
        resize(uy, COARSE, &self.to_full, fy);
        remap::patch(rgb, rgb_side, fx, fy, patch);
        if let Some(lips) = self.lips.as_ref().filter(|lips| lips.closed() > 0.0) {
            lips.cover(fx, fy, patch);
        }
        for (x, y) in ux.iter_mut().zip(uy.iter_mut()) {
            [*x, *y] = self.to_source.apply([*x, *y]);
        }
        self.squeeze(patch);
        let [ux, uy] = [2, 3].map(|k| &self.coarse[k]);
        let (shapes, coordinates) = maps.split_at_mut(9 * area);
        let (fx, fy) = coordinates.split_at_mut(area);
        resize(ux, COARSE, &self.to_half, fx);
        resize(uy, COARSE, &self.to_half, fy);
        self.shapes.draw(driving, &self.frame.to_patch, rows, &mut shapes[..3 * area]);
        carry(&self.source_shapes, self.frame.half, fx, fy, &mut shapes[3 * area..6 * area]);
        shapes[6 * area..].copy_from_slice(&self.source_shapes);
    }

    /// Keeps of the painter's patch what the flow squeezes while lips cover it; the displacement is the position in the
    /// source's patch.
    fn squeeze(&mut self, patch: &[f32]) {
        let frame = &mut self.frame;
        frame.squeezed.clear();
        let covered = self.lips.as_ref().map_or(0.0, Lips::closed);
        if covered <= 0.0 {
            return;
        }
        let (uy, [weight, fine]) = (&self.coarse[3], &mut self.scratch);
        let weight = &mut weight[..COARSE * COARSE];
        let (share, cell) = (smooth_step(covered * 3.0), 2.0 / COARSE as f32);
        for (i, weight) in weight.iter_mut().enumerate() {
            let (above, below) = (i.max(COARSE) - COARSE, (i + COARSE).min(COARSE * COARSE - 1));
            let rows = below / COARSE - above / COARSE;
            let pace = (uy[below] - uy[above]) / (cell * rows as f32);
            *weight = share * smooth_step((pace - SQUEEZED.0) / (SQUEEZED.1 - SQUEEZED.0));
        }
        resize(weight, COARSE, &self.to_full, fine);
        let area = frame.side * frame.side;
        let colour = |c: usize, i: usize| patch[c * area + i] * 255.0;
        let pixel = |(i, &w): (usize, &f32)| [colour(0, i) * w, colour(1, i) * w, colour(2, i) * w, w];
        frame.squeezed.extend(fine.iter().enumerate().map(pixel));
    }

    /// Takes the painter's outputs.
    pub fn paint(&mut self, delta: &mut [f32], alpha: &[f32], residual: &[f32]) {
        if let Some(teeth) = &mut self.teeth {
            teeth.soften(delta);
        }
        let frame = &mut self.frame;
        let area = frame.side * frame.side;
        let closed = self.lids.as_ref().map_or(0.0, |lids| lids.closed);
        // Lids that meet by themselves are not painted.
        let kept = if frame.seam.is_some() { 1.0 - closed } else { 1.0 };
        let mut most = 0.0_f32;
        for (i, (out, alpha)) in frame.paint.iter_mut().zip(alpha).enumerate() {
            let alpha = alpha.clamp(0.0, 1.0) * kept;
            most = most.max(alpha);
            let colour = |c: usize| delta[c * area + i].clamp(-1.0, 1.0) * alpha * 255.0;
            *out = [colour(0), colour(1), colour(2), alpha];
        }
        frame.painted = most > 0.0;
        let half = frame.half;
        // The painter's residual belongs to a flow as in its training: there lids only squeeze and irises lag behind.
        let turned = self.iris.as_ref().map_or(0.0, Iris::turned);
        let share = (1.0 - closed) * (1.0 - turned);
        let [[a, b], [c, d]] = self.from_source.m.map(|row| row.map(|v| v * share));
        let (rx, ry) = residual.split_at(half * half);
        let mut lower = frame.seam.as_mut().filter(|seam| seam.shown);
        let cells = centres(half).flat_map(|v| centres(half).map(move |u| [u, v]));
        for (i, ([u, v], (x, y))) in cells.zip(rx.iter().zip(ry)).enumerate() {
            let win = window(u, frame.side) * window(v, frame.side);
            let residual = [(a * x + b * y) * win, (c * x + d * y) * win];
            for k in 0..2 {
                frame.ways[i][k] += residual[k];
                if let Some(seam) = &mut lower {
                    seam.lower[i][k] += residual[k];
                }
            }
        }
    }
}

/// Resizes planes of the coarse grid to the channels of a finer one; `fine` holds one of them.
fn spread<const C: usize>(planes: [&Vec<f32>; C], taps: &[Tap], fine: &mut [f32], out: &mut [[f32; C]]) {
    for (k, plane) in planes.into_iter().enumerate() {
        resize(plane, COARSE, taps, fine);
        for (out, v) in out.iter_mut().zip(fine.iter()) {
            out[k] = *v;
        }
    }
}

impl Lids {
    fn new(flow: Flow) -> Self {
        let plane = || vec![0.0; COARSE * COARSE];
        Self { open: flow.opening(), flow, closed: 0.0, displacement: [plane(), plane()], lower: None }
    }

    /// Mixes the lids' flow into the plain one `ux`, `uy` as far as the eye closes; nothing where it does not.
    fn pose(
        &mut self,
        driving: &[Point],
        iris: Option<&Iris>,
        [x, y]: [&[f32]; 2],
        [ux, uy]: [&[f32]; 2],
    ) -> Option<[&Vec<f32>; 2]> {
        self.flow.pose(driving, &[]);
        let open = self.flow.opening() / self.open;
        self.closed = smooth_step((0.8 - open) / 0.5);
        if self.closed <= 0.0 {
            return None;
        }
        let closed = self.closed;
        let mix = |lid: &mut [Vec<f32>; 2], share: f32| {
            let [lx, ly] = lid;
            if let Some(iris) = iris {
                iris.turn_by(share, x, y, lx, ly);
            }
            for (lid, plain) in lx.iter_mut().zip(ux).chain(ly.iter_mut().zip(uy)) {
                *lid = plain + (*lid - plain) * closed;
            }
        };
        if let Some((lower, _)) = &mut self.lower {
            // Each lid as if the other were not there; at a line no iris is seen.
            let share = (open / NARROW).min(1.0);
            for (lid, away) in [(&mut self.displacement, FAR), (lower, -2.0 * FAR)] {
                self.flow.lower_gate(away);
                let [lx, ly] = &mut *lid;
                self.flow.displace(x, y, lx, ly);
                mix(lid, share);
            }
        } else {
            let [lx, ly] = &mut self.displacement;
            self.flow.displace(x, y, lx, ly);
            mix(&mut self.displacement, 1.0);
        }
        let [lx, ly] = &self.displacement;
        Some([lx, ly])
    }
}
