// SPDX-License-Identifier: MIT OR Apache-2.0
//! A person that is drawn: the photo, its renderer, and what that was set to.

use std::sync::Arc;

use gst_video::prelude::*;
use tch::Device;

use super::settings::Look;
use super::source::{self, Rest};
use super::{AlphaMode, Framing, formats, see_through};
use crate::pack::Pack;
use crate::photo::{Photos, Portrait, View};
use crate::render::{self, Background, Motion, Output, Planes, RenderError, Renderer};

/// One person.
pub struct Person {
    pub portrait: Arc<Portrait>,
    renderer: Box<dyn Renderer>,
    drawn: Option<Drawn>,
}

/// What the renderer was set to.
struct Drawn {
    info: gst_video::VideoInfo,
    /// What of the photo is seen.
    view: View,
    background: Background,
    behind: [u8; 4],
    straight: bool,
    rest: Rest,
}

impl Person {
    /// The person of the photos.
    ///
    /// # Errors
    /// As [`render::prepare`].
    pub fn new(photos: Photos, pack: &Arc<Pack>, device: Device) -> Result<Self, RenderError> {
        let Photos { portrait, open } = photos;
        let open = open.as_deref().map(source::of);
        let renderer = render::prepare(&portrait, &source::of(&portrait), open.as_ref(), pack, device)?;
        Ok(Self { portrait, renderer, drawn: None })
    }

    /// What the renderer's largest network computes in.
    pub fn precision(&self) -> &'static str {
        self.renderer.precision()
    }

    /// What of the photo is seen, once that was negotiated.
    pub fn view(&self) -> Option<View> {
        self.drawn.as_ref().map(|drawn| drawn.view)
    }

    /// Sets what pictures look like; does no more than has changed. `models` are those of [`Person::new`].
    ///
    /// # Errors
    /// Why pictures cannot be drawn so.
    pub fn set_output(
        &mut self,
        info: &gst_video::VideoInfo,
        look: Look,
        framing: Framing,
        (pack, device): (&Arc<Pack>, Device),
    ) -> Result<(), String> {
        let straight = look.alpha == AlphaMode::Straight;
        let background = see_through::background(&look, &self.portrait, info.has_alpha());
        let behind = see_through::behind(&look, info.has_alpha());
        let wanted = (background, behind, straight);
        let same = self.drawn.as_ref().filter(|drawn| drawn.info == *info);
        if same.is_some_and(|drawn| (drawn.background, drawn.behind, drawn.straight) == wanted) {
            return Ok(());
        }
        let format = formats::format(info, straight)?;
        let cut_out = background != Background::Keep;
        let source = if cut_out { source::cut_out(&self.portrait) } else { source::of(&self.portrait) };
        let size = [info.width() as usize, info.height() as usize];
        let view = source::view(&self.portrait, framing, size, formats::ratio(info.par()) as f32);
        let rest = match self.drawn.take_if(|drawn| drawn.info == *info) {
            // Only what is behind the person changes, with keyframes in each picture.
            Some(mut drawn) if cut_out == (drawn.background != Background::Keep) => {
                drawn.rest.put_behind(behind);
                let output = Output { still: drawn.rest.still(&self.portrait), format, background };
                self.renderer.set_background(&source, &output).map_err(|e| e.to_string())?;
                drawn.rest
            }
            _ => {
                let matte = cut_out.then_some((&**pack, device));
                let rest =
                    Rest::new(&self.portrait, &view, size, matte, behind).map_err(|e| e.to_string())?;
                let output = Output { still: rest.still(&self.portrait), format, background };
                self.renderer.set_output(&source, &output).map_err(|e| e.to_string())?;
                rest
            }
        };
        self.drawn = Some(Drawn { info: info.clone(), view, background, behind, straight, rest });
        Ok(())
    }

    /// Draws latents into a picture buffer of that format, the one of [`Person::set_output`].
    ///
    /// # Errors
    /// A buffer that is not what `info` says, or a model that fails.
    pub fn draw(
        &mut self,
        info: &gst_video::VideoInfo,
        motion: Motion<'_>,
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
        self.renderer.draw(&source::of(&self.portrait), motion, &mut planes).map_err(|e| e.to_string())
    }
}
