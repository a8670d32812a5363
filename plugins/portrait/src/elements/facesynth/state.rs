// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lives from start to stop: the person who is drawn, and what was negotiated.

use std::sync::Arc;

use super::formats::Sizes;
use super::mix::{self, Mixer};
use super::person::Person;
use super::resample::{Resampler, Shot};
use super::settings::{Look, Settings};
use super::{Framing, source};
use crate::face::landmark::indices::LIPS_OUTER;
use crate::face::landmark::pose::Pose;
use crate::pack::Pack;
use crate::photo::Photos;
use crate::render::{Motion, RenderError};
use crate::stream::tensor::{FrameMeta, buffer, meta};

/// What lives from start to stop.
pub struct State {
    pub pack: Arc<Pack>,
    /// The pack's id and version, as caps name it.
    pub id: String,
    pub latent_shape: Vec<usize>,
    /// Where the rate of the pictures is not that of the latents.
    pub resampler: Option<Resampler>,
    /// Rates of the latents and of the pictures, once negotiated.
    rates: Option<[gst::Fraction; 2]>,
    mixer: Mixer,
    device: tch::Device,
    person: Person,
    framing: Framing,
    latents: Vec<f32>,
    posed: Vec<[f32; 3]>,
    info: Option<gst_video::VideoInfo>,
}

impl State {
    pub fn new(settings: &Settings, photos: Photos) -> Result<Self, RenderError> {
        let (pack, device) = settings.model.open()?;
        let manifest = pack.manifest();
        let latent_shape = manifest.latents.shape().to_vec();
        let numbers = latent_shape.iter().product();
        Ok(Self {
            resampler: None,
            rates: None,
            mixer: Mixer::new(&manifest.latents.control_points, &LIPS_OUTER, numbers),
            person: Person::new(photos, &pack, device)?,
            framing: settings.framing,
            id: pack.id(),
            latents: vec![0.0; numbers],
            latent_shape,
            posed: vec![[0.0; 3]; manifest.landmarks.count],
            device,
            info: None,
            pack,
        })
    }

    /// Draws another person from now on; gives back the one before.
    pub fn replace(&mut self, person: Person) -> Person {
        std::mem::replace(&mut self.person, person)
    }

    /// What the largest network computes in.
    pub fn precision(&self) -> &'static str {
        self.person.precision()
    }

    /// Sizes of the pictures.
    pub fn sizes(&self) -> Sizes {
        source::sizes(&self.person.portrait, self.framing)
    }

    /// Takes negotiated caps.
    ///
    /// # Errors
    /// Why pictures cannot be drawn so.
    pub fn negotiate(&mut self, incaps: &gst::Caps, outcaps: &gst::Caps, look: Look) -> Result<(), String> {
        let info = gst_video::VideoInfo::from_caps(outcaps).map_err(|e| e.to_string())?;
        let rate = |caps: &gst::Caps| {
            let rate = caps.structure(0).and_then(|s| s.get::<gst::Fraction>("framerate").ok());
            rate.ok_or_else(|| "caps have no frame rate".to_owned())
        };
        let rates @ [latents, frames] = [rate(incaps)?, rate(outcaps)?];
        // What waits to be interpolated outlives another size or format.
        if self.rates.replace(rates) != Some(rates) {
            self.resampler = (latents != frames).then(|| Resampler::new(latents, frames));
        }
        self.person.set_output(&info, look, self.framing, (&self.pack, self.device))?;
        self.info = Some(info);
        Ok(())
    }

    /// How much later pictures come because of their rate.
    pub fn latency(&self) -> gst::ClockTime {
        self.resampler.as_ref().map_or(gst::ClockTime::ZERO, Resampler::latency)
    }

    /// Posed landmarks in coordinates of the whole output picture, 0 to 1.
    fn picture_landmarks(&mut self, landmarks: &[f32], pose: [f32; 7]) -> &[[f32; 3]] {
        Pose::from_array(pose).apply(landmarks.as_chunks::<3>().0, &mut self.posed);
        let crop = self.person.portrait.crop;
        if let Some(view) = self.person.view().filter(|view| *view != crop.into()) {
            for point in &mut self.posed {
                let [x, y] = [crop.x + point[0] * crop.side, crop.y + point[1] * crop.side];
                [point[0], point[1]] = view.place([x, y]);
                point[2] *= crop.side / view.width;
            }
        }
        &self.posed
    }

    /// Draws the frame of a buffer of latents.
    ///
    /// # Errors
    /// Latents or a picture buffer that are not what the caps promise, or a model that fails.
    pub fn render(
        &mut self,
        inbuf: &gst::BufferRef,
        outbuf: &mut gst::BufferRef,
        look: Look,
    ) -> Result<(), String> {
        buffer::read_f32(inbuf, &mut self.latents).map_err(|e| e.to_string())?;
        self.draw(outbuf, look)
    }

    /// Draws a frame between two buffers of latents. `outbuf` has the metadata of one of them.
    ///
    /// # Errors
    /// As [`State::render`].
    pub fn render_between(
        &mut self,
        shot: &Shot,
        outbuf: &mut gst::BufferRef,
        look: Look,
    ) -> Result<(), String> {
        self.mixer.latents(shot, &mut self.latents).map_err(|e| e.to_string())?;
        mix::metadata(shot, outbuf);
        self.draw(outbuf, look)
    }

    /// Draws the latents; landmarks and pose are those on the picture buffer.
    fn draw(&mut self, outbuf: &mut gst::BufferRef, look: Look) -> Result<(), String> {
        let info = self.info.as_ref().ok_or("no caps were negotiated")?;
        self.person.set_output(info, look, self.framing, (&self.pack, self.device))?;
        let lift = meta::read(outbuf, FrameMeta::Breath).and_then(|m| m.data.first().copied());
        // A number that is none would move the body nowhere.
        let lift = lift.filter(|lift| lift.is_finite()).unwrap_or_default();
        self.person.draw(info, Motion { latents: &self.latents, lift }, outbuf)?;
        meta::attach(outbuf, FrameMeta::Latents, &self.latent_shape, &self.latents);
        meta::mark_synthetic(outbuf, &self.id);
        let landmarks = meta::read(outbuf, FrameMeta::Landmarks).map(|m| m.data);
        let pose = meta::read(outbuf, FrameMeta::Pose).and_then(|m| m.data.try_into().ok());
        if let (Some(landmarks), Some(pose)) = (landmarks, pose)
            && landmarks.len() == self.posed.len() * 3
        {
            let posed = self.picture_landmarks(&landmarks, pose);
            meta::attach(outbuf, FrameMeta::PictureLandmarks, &[posed.len(), 3], posed.as_flattened());
        }
        Ok(())
    }
}
