//! What lives from start to stop: the photo, its renderer, and what was negotiated.

use std::sync::Arc;

use gst_video::prelude::*;

use super::formats::{self, Sizes};
use super::mix::{self, Mixer};
use super::resample::{Resampler, Shot};
use super::settings::{Look, Settings};
use super::source::{self, Rest};
use super::{AlphaMode, Framing};
use crate::element::check_input;
use crate::landmark::indices::LIPS_OUTER;
use crate::landmark::pose::Pose;
use crate::pack::Pack;
use crate::photo::{Photos, Portrait, View};
use crate::render::{self, Output, Planes, RenderError, Renderer};
use crate::tensor::{FrameMeta, TensorKind, buffer, meta};

/// What lives from start to stop.
pub struct State {
    pub pack: Arc<Pack>,
    /// The pack's id and version, as caps name it.
    pub id: String,
    pub latent_shape: Vec<usize>,
    /// Where the rate of the pictures is not that of the latents.
    pub resampler: Option<Resampler>,
    mixer: Mixer,
    device: tch::Device,
    portrait: Arc<Portrait>,
    renderer: Renderer,
    framing: Framing,
    latents: Vec<f32>,
    posed: Vec<[f32; 3]>,
    video: Option<Video>,
}

/// What was negotiated, and what the renderer was set to.
struct Video {
    info: gst_video::VideoInfo,
    look: Look,
    /// What of the photo is seen.
    view: View,
}

impl State {
    pub fn new(settings: &Settings, photos: Photos) -> Result<Self, RenderError> {
        let (pack, device) = settings.model.open()?;
        let manifest = pack.manifest();
        let latent_shape = vec![manifest.latents.count, 3];
        let numbers = latent_shape.iter().product();
        let Photos { portrait, open } = photos;
        let open = open.as_deref().map(source::of);
        Ok(Self {
            resampler: None,
            mixer: Mixer::new(&manifest.latents.control_points, &LIPS_OUTER, numbers),
            renderer: Renderer::new(&source::of(&portrait), open.as_ref(), &pack, device)?,
            framing: settings.framing,
            id: pack.id(),
            latents: vec![0.0; numbers],
            latent_shape,
            posed: vec![[0.0; 3]; manifest.landmarks.count],
            device,
            portrait,
            video: None,
            pack,
        })
    }

    /// Sizes of the pictures.
    pub fn sizes(&self) -> Sizes {
        source::sizes(&self.portrait, self.framing)
    }

    /// Bytes of a buffer of latents.
    pub fn input_size(&self) -> usize {
        size_of_val(self.latents.as_slice())
    }

    /// Takes negotiated caps.
    ///
    /// # Errors
    /// Why pictures cannot be drawn so.
    pub fn negotiate(&mut self, incaps: &gst::Caps, outcaps: &gst::Caps, look: Look) -> Result<(), String> {
        check_input(TensorKind::Latents, &self.latent_shape, &self.id, incaps)?;
        let info = gst_video::VideoInfo::from_caps(outcaps).map_err(|e| e.to_string())?;
        let rate = |caps: &gst::Caps| {
            let rate = caps.structure(0).and_then(|s| s.get::<gst::Fraction>("framerate").ok());
            rate.ok_or_else(|| "caps have no frame rate".to_owned())
        };
        let (latents, frames) = (rate(incaps)?, rate(outcaps)?);
        self.resampler = (latents != frames).then(|| Resampler::new(latents, frames));
        self.set_output(info, look)
    }

    /// How much later pictures come because of their rate.
    pub fn latency(&self) -> gst::ClockTime {
        self.resampler.as_ref().map_or(gst::ClockTime::ZERO, Resampler::latency)
    }

    fn set_output(&mut self, info: gst_video::VideoInfo, look: Look) -> Result<(), String> {
        let format = formats::format(&info, look.alpha == AlphaMode::Straight)?;
        let background = look.behind();
        let cut_out = background != render::Background::Keep;
        let size = [info.width() as usize, info.height() as usize];
        let view = source::view(&self.portrait, self.framing, size, formats::ratio(info.par()) as f32);
        let rest = Rest::new(&self.portrait, &view, size, cut_out.then_some((&*self.pack, self.device)))
            .map_err(|e| e.to_string())?;
        let output = Output { still: rest.still(), format, background };
        self.renderer.set_output(&source::of(&self.portrait), &output).map_err(|e| e.to_string())?;
        self.video = Some(Video { info, look, view });
        Ok(())
    }

    /// Posed landmarks in coordinates of the whole output picture, 0 to 1.
    fn picture_landmarks(&mut self, landmarks: &[f32], pose: [f32; 7]) -> &[[f32; 3]] {
        Pose::from_array(pose).apply(landmarks.as_chunks::<3>().0, &mut self.posed);
        let crop = self.portrait.crop;
        if let Some(view) = self.video.as_ref().map(|video| video.view).filter(|view| *view != crop.into()) {
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
        if let Some(video) = self.video.take_if(|video| video.look != look) {
            self.set_output(video.info, look)?;
        }
        let info = &self.video.as_ref().ok_or("no caps were negotiated")?.info;
        draw(&mut self.renderer, &source::of(&self.portrait), info, &self.latents, outbuf)?;
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

/// Draws latents into a picture buffer.
fn draw(
    renderer: &mut Renderer,
    source: &render::Source<'_>,
    info: &gst_video::VideoInfo,
    latents: &[f32],
    outbuf: &mut gst::BufferRef,
) -> Result<(), String> {
    let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(outbuf, info)
        .map_err(|_| "the picture buffer cannot be written")?;
    let mut strides = [0; render::PLANES];
    for (to, from) in strides.iter_mut().zip(frame.plane_stride()) {
        *to = usize::try_from(*from).map_err(|_| "the picture's stride is negative")?;
    }
    let [first, second, third, _] = frame.planes_data_mut();
    let mut planes = Planes { data: [first, second, third], strides };
    renderer.render(source, latents, &mut planes).map_err(|e| e.to_string())
}
