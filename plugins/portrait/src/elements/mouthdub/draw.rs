// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lives from start to stop: the person in the video, and the painter of their mouth.

use super::amount::Amount;
use super::settings::Controls;
use super::voice::Said;
use super::whose::Whose;
use crate::elements::facelandmarks::square;
use crate::face::landmark::neutral::close_mouth;
use crate::face::landmark::pose::decompose;
use crate::face::landmark::{COUNT, Pose};
use crate::face::person::{Amplitude, Person, gap};
use crate::pack::Pack;
use crate::render::RenderError;
use crate::render::dub::component::{Component, Kind};
use crate::render::dub::{COMPONENTS, Mouth, Shown, Task};
use crate::stream::presentation::Presentation;
use crate::stream::tensor::marks::Drawn;
use crate::stream::tensor::meta;

/// Degrees from which on a face is turned too far to be drawn, and up to which it must come back.
const TURNED_DEG: (f32, f32) = (50.0, 44.0);

/// Frames until it is known how much a video moves: before, what looks like another shot need not be one.
const UNSURE: u32 = 12;

/// What was learned of a person.
#[derive(Clone)]
pub struct Learned {
    person: Person,
    amplitude: Amplitude,
    shown: Shown,
    /// Of the frames.
    format: Option<gst_video::VideoFormat>,
    /// How many frames showed the face.
    pub frames: u32,
}

/// See the module.
pub struct State {
    pub presentation: Presentation,
    pub info: Option<gst_video::VideoInfo>,
    /// Seconds of a frame without a duration.
    pub frame: f32,
    pub pack: String,
    whose: Whose,
    mean_face: Vec<[f32; 3]>,
    /// The mean face with closed lips: what the voice's motion starts from.
    rest: Vec<[f32; 3]>,
    person: Person,
    amplitude: Amplitude,
    mouth: Mouth,
    amount: Amount,
    /// What was learned before the first frame.
    learned: Option<Learned>,
    /// Whether it is only learned, of one shot; whether that is over, and how many frames showed the face.
    studies: bool,
    studied: bool,
    seen: u32,
    /// Frames since the presentation began.
    frames: u32,
    /// Other shots since then.
    turns: u32,
    turn: Option<u64>,
    turned: bool,
    source: Vec<[f32; 3]>,
    normal: Vec<[f32; 3]>,
    motion: Vec<[f32; 3]>,
    said: Vec<[f32; 3]>,
    posed: [Vec<[f32; 3]>; 2],
    driving: Vec<[f32; 3]>,
}

impl State {
    pub fn new(pack: &Pack, whose: Whose) -> Result<Self, RenderError> {
        let mean_face = pack.mean_face().to_vec();
        let mut rest = mean_face.clone();
        close_mouth(&mut rest);
        let points = || vec![[0.0; 3]; COUNT];
        Ok(Self {
            presentation: Presentation::default(),
            info: None,
            frame: 0.04,
            pack: pack.id(),
            whose,
            person: Person::new(&mean_face),
            amplitude: Amplitude::default(),
            mouth: Mouth::new(&pack.manifest().latents.control_points)?,
            amount: Amount::default(),
            learned: None,
            studies: false,
            studied: false,
            seen: 0,
            frames: 0,
            turns: 0,
            turn: None,
            turned: false,
            source: points(),
            normal: points(),
            motion: points(),
            said: points(),
            posed: [points(), points()],
            driving: points(),
            mean_face,
            rest,
        })
    }

    /// Another presentation begins.
    pub fn reset(&mut self) {
        self.amplitude = Amplitude::default();
        self.forget();
        self.recall();
        self.amount.reset();
        (self.turn, self.turned) = (None, false);
        (self.seen, self.frames, self.turns) = (0, 0, 0);
    }

    /// Another person may begin.
    fn forget(&mut self) {
        self.person.reset();
        self.amplitude.reset();
        self.mouth.reset();
    }

    /// Begins with what was learned before.
    fn recall(&mut self) {
        let Some(learned) = &self.learned else { return };
        self.person.clone_from(&learned.person);
        self.amplitude.begin_with(&learned.amplitude);
        if self.info.as_ref().map(gst_video::VideoInfo::format) == learned.format {
            self.mouth.begin_with(&learned.shown);
        }
    }

    /// Only learns, from the first shot.
    pub fn study(&mut self) {
        self.studies = true;
    }

    /// What was learned so far; `None` where no face was seen.
    pub fn learned(&self) -> Option<Learned> {
        let format = self.info.as_ref().map(gst_video::VideoInfo::format);
        (self.seen > 0).then(|| Learned {
            person: self.person.clone(),
            amplitude: self.amplitude,
            shown: self.mouth.shown(),
            format,
            frames: self.seen,
        })
    }

    /// Takes what was learned of the person elsewhere, unless another shot has begun already.
    pub fn learn(&mut self, learned: Learned) {
        self.learned = Some(learned);
        if self.turns == 0 {
            self.recall();
        }
    }

    /// The video's format and size.
    pub fn set_info(&mut self, info: gst_video::VideoInfo) {
        let format = |info: &gst_video::VideoInfo| (info.format(), info.width(), info.height(), info.par());
        let same = self.info.as_ref().is_some_and(|old| format(old) == format(&info));
        self.info = Some(info);
        if !same {
            self.reset();
        }
    }

    /// Draws a frame. Returns what became of its mouth, and how much of the voice's is drawn; `None` where the buffer is no
    /// frame.
    pub fn step(
        &mut self,
        buffer: &mut gst::BufferRef,
        said: Option<&Said>,
        controls: &Controls,
    ) -> Option<(Drawn, f32)> {
        let info = self.info.clone()?;
        let size = [info.width() as usize, info.height() as usize];
        let dt = buffer.duration().map_or(self.frame, |d| d.nseconds() as f32 / 1e9);
        let mark = self.whose.mark(buffer).unwrap_or_default();
        let cut = self.turn.replace(mark.turn).is_some_and(|last| last != mark.turn);
        if cut {
            self.studied |= self.studies && self.seen >= UNSURE;
            if !self.studied {
                self.forget();
                self.seen = 0;
            }
            if self.frames < UNSURE {
                self.recall();
            } else {
                self.turns += 1;
            }
        }
        if self.studied {
            return Some((Drawn::NoVoice, 0.0));
        }
        self.frames = self.frames.saturating_add(1);
        let pose = mark.found.then(|| self.look(buffer, size)).flatten();
        let mut drawn = match pose {
            None => Drawn::NoFace,
            Some(pose) if self.is_turned(pose.yaw) => Drawn::Turned,
            Some(_) if mark.covered => Drawn::Covered,
            Some(_) if said.is_none() => Drawn::NoVoice,
            Some(_) => Drawn::Voice,
        };
        let shown = matches!(drawn, Drawn::Voice | Drawn::NoVoice);
        let levels = said.map(|said| said.word.loudness.unwrap_or([0.0; 2]));
        let amount = self.amount.step(levels, shown, cut, dt, controls);
        let mut amount = if pose.is_some() { amount } else { 0.0 };
        if drawn == Drawn::Voice && self.amount.is_silent() {
            drawn = Drawn::Silence;
        }
        if let Some(pose) = pose {
            if shown || !self.person.is_known() {
                self.person.look(&self.normal);
            }
            self.seen = self.seen.saturating_add(1);
            if self.studies && shown {
                self.amplitude.look_at_person(gap(&self.normal));
            }
            self.speak(&pose, said, controls.gain, amount);
            let wide = self.ratio();
            for point in self.source.iter_mut().chain(&mut self.driving) {
                point[0] /= wide;
                point[2] /= wide;
            }
            let task = Task {
                source: &self.source,
                driving: &self.driving,
                unit: pose.scale,
                yaw: pose.yaw,
                size,
                amount,
                clear: shown,
            };
            if self.mouth.pose(&task) {
                self.paint(buffer, &info)?;
            } else {
                amount = 0.0;
                drawn = Drawn::Turned;
            }
        } else {
            // Whoever sends a buffer that is no frame hears of it, with a face or without.
            gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).ok()?;
        }
        if amount > 0.0 {
            self.tell(buffer, size);
        }
        self.whose.attach_drawn(buffer, drawn, f64::from(amount));
        Some((drawn, amount))
    }

    /// Takes the face of a frame.
    fn look(&mut self, buffer: &gst::BufferRef, size: [usize; 2]) -> Option<Pose> {
        let landmarks = self.whose.landmarks(buffer)?;
        let (points, _) = landmarks.as_chunks::<3>();
        if points.len() != COUNT || landmarks.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let [width, height] = size.map(|v| v as f32);
        self.source.clear();
        // Pixel centres lie on whole numbers here, and pixels are square: as wide as they are high.
        let wide = self.ratio();
        self.source.extend(
            points.iter().map(|p| [wide * (p[0] * width - 0.5), p[1] * height - 0.5, wide * p[2] * width]),
        );
        let pose = decompose(&self.source, &self.mean_face);
        if !(pose.scale.is_finite() && pose.scale > 1.0) {
            return None;
        }
        self.normal.resize(COUNT, [0.0; 3]);
        pose.remove(&self.source, &mut self.normal);
        Some(pose)
    }

    /// Width of a pixel in heights of it.
    fn ratio(&self) -> f32 {
        self.info.as_ref().map_or(1.0, square::ratio)
    }

    fn is_turned(&mut self, yaw: f32) -> bool {
        let limit = if self.turned { TURNED_DEG.1 } else { TURNED_DEG.0 };
        self.turned = yaw.abs() > limit;
        self.turned
    }

    /// Puts the voice's mouth on the face, as much as it is drawn.
    fn speak(&mut self, pose: &Pose, said: Option<&Said>, gain: f32, amount: f32) {
        match said {
            Some(said) => {
                if !self.amount.is_silent() {
                    self.amplitude.look(gap(&self.normal), gap(&said.word.landmarks));
                }
                let gain = gain * self.amplitude.gain();
                self.motion.clear();
                let next = said.next.as_ref();
                self.motion.extend(said.word.landmarks.iter().zip(&self.rest).enumerate().map(
                    |(i, (word, rest))| {
                        let (to, t) = next
                            .and_then(|(next, t)| Some((next.landmarks.get(i)?, *t)))
                            .unwrap_or((word, 0.0));
                        std::array::from_fn(|k| (word[k] + (to[k] - word[k]) * t - rest[k]) * gain)
                    },
                ));
            }
            // What was said last fades while the video's own mouth comes back.
            None => self.motion.iter_mut().flatten().for_each(|v| *v *= 0.6),
        }
        self.person.speak(&self.normal, &self.motion, &mut self.said);
        let [was, is] = &mut self.posed;
        pose.apply(&self.normal, was);
        pose.apply(&self.said, is);
        self.driving.clear();
        self.driving.extend(
            self.source
                .iter()
                .zip(was.iter().zip(is.iter()))
                .map(|(s, (was, is))| std::array::from_fn(|k| s[k] + (is[k] - was[k]) * amount)),
        );
    }

    fn paint(&mut self, buffer: &mut gst::BufferRef, info: &gst_video::VideoInfo) -> Option<()> {
        use gst_video::prelude::*;
        let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, info).ok()?;
        let full = info.colorimetry().range() == gst_video::VideoColorRange::Range0_255;
        let size = [info.width() as usize, info.height() as usize];
        for index in 0..COMPONENTS {
            let number = index as u32;
            let [stride, pixel, width, height] = [
                usize::try_from(frame.comp_stride(number)).ok()?,
                usize::try_from(frame.comp_pstride(number)).ok()?,
                frame.comp_width(number) as usize,
                frame.comp_height(number) as usize,
            ];
            let step = [size[0].div_ceil(width.max(1)), size[1].div_ceil(height.max(1))];
            let kind = match (info.is_rgb(), index) {
                (true, _) => Kind::Colour,
                (false, 0) => Kind::Luma(full),
                (false, _) => Kind::Chroma,
            };
            let data = frame.comp_data_mut(number).ok()?;
            let mut component = Component { data, stride, pixel, size: [width, height], step, kind };
            self.mouth.draw(index, &mut component);
        }
        Some(())
    }

    /// Writes on the frame where the face is as drawn, and that it is.
    fn tell(&self, buffer: &mut gst::BufferRef, size: [usize; 2]) {
        let [width, height] = size.map(|v| v as f32);
        let picture: Vec<[f32; 3]> = self
            .driving
            .iter()
            .map(|p| [(p[0] + 0.5) / width, (p[1] + 0.5) / height, p[2] / width])
            .collect();
        self.whose.attach_landmarks(buffer, &picture, &self.said);
        meta::mark_synthetic(buffer, &self.pack);
    }
}
