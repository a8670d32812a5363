// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dots and lines in a video frame of any format whose samples are bytes.

use gst_video::prelude::*;

use crate::face::pixel::{BT601, BT709, single};

/// Formats that can be drawn on.
pub const FORMATS: [gst_video::VideoFormat; 16] = [
    gst_video::VideoFormat::Rgb,
    gst_video::VideoFormat::Bgr,
    gst_video::VideoFormat::Rgba,
    gst_video::VideoFormat::Bgra,
    gst_video::VideoFormat::Argb,
    gst_video::VideoFormat::Abgr,
    gst_video::VideoFormat::Rgbx,
    gst_video::VideoFormat::Bgrx,
    gst_video::VideoFormat::Xrgb,
    gst_video::VideoFormat::Xbgr,
    gst_video::VideoFormat::I420,
    gst_video::VideoFormat::Yv12,
    gst_video::VideoFormat::Nv12,
    gst_video::VideoFormat::Nv21,
    gst_video::VideoFormat::Y42b,
    gst_video::VideoFormat::Y444,
];

/// A colour, red, green, blue.
pub type Colour = [u8; 3];

/// Where the samples of a component lie.
#[derive(Clone, Copy, Debug)]
struct Component {
    plane: u32,
    offset: usize,
    pixel: usize,
    line: usize,
    /// Subsampling, as shifts.
    shift: (u32, u32),
}

/// A frame that is drawn on.
pub struct VideoCanvas<'a, 'b> {
    frame: &'a mut gst_video::VideoFrameRef<&'b mut gst::BufferRef>,
    components: Vec<Component>,
    size: (i64, i64),
    yuv: bool,
    /// BT.709 instead of BT.601.
    wide: bool,
}

impl<'a, 'b> VideoCanvas<'a, 'b> {
    /// A canvas over a frame of one of the [`FORMATS`].
    pub fn new(frame: &'a mut gst_video::VideoFrameRef<&'b mut gst::BufferRef>) -> Self {
        let format = frame.format_info();
        let strides = frame.plane_stride();
        let components = (0..format.n_components() as usize)
            .map(|c| {
                let plane = format.plane()[c];
                Component {
                    plane,
                    offset: format.poffset()[c] as usize,
                    pixel: usize::try_from(format.pixel_stride()[c]).unwrap_or(0),
                    line: usize::try_from(strides[plane as usize]).unwrap_or(0),
                    shift: (format.w_sub()[c], format.h_sub()[c]),
                }
            })
            .collect();
        let matrix = frame.info().colorimetry().matrix();
        Self {
            components,
            size: (i64::from(frame.width()), i64::from(frame.height())),
            yuv: format.is_yuv(),
            wide: matrix == gst_video::VideoColorMatrix::Bt709,
            frame,
        }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (f32, f32) {
        (self.size.0 as f32, self.size.1 as f32)
    }

    /// A filled square of `side` pixels around a point in pixels; what lies outside of the frame is left out.
    pub fn dot(&mut self, at: [f32; 2], side: u32, colour: Colour) {
        if !at.iter().all(|v| v.is_finite() && v.abs() < 1e6) {
            return;
        }
        let first = at.map(|v| (v - (side as f32 - 1.0) / 2.0).round() as i64);
        let span = |first: i64, size: i64| first.clamp(0, size)..(first + i64::from(side)).clamp(0, size);
        let (columns, rows) = (span(first[0], self.size.0), span(first[1], self.size.1));
        let samples = self.samples(colour);
        for (part, value) in self.components.iter().zip(samples) {
            let Ok(data) = self.frame.plane_data_mut(part.plane) else { return };
            for row in rows.clone() {
                for column in columns.clone() {
                    let (x, y) = ((column >> part.shift.0) as usize, (row >> part.shift.1) as usize);
                    if let Some(sample) = data.get_mut(y * part.line + x * part.pixel + part.offset) {
                        *sample = value;
                    }
                }
            }
        }
    }

    /// A line of `width` pixels.
    pub fn line(&mut self, from: [f32; 2], to: [f32; 2], width: u32, colour: Colour) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let longest = dx.abs().max(dy.abs());
        // Longer than any picture: not the landmarks of a face.
        if !longest.is_finite() || longest > 1e5 {
            return;
        }
        let steps = longest.ceil().max(1.0);
        for i in 0..=steps as u32 {
            let t = i as f32 / steps;
            self.dot([from[0] + dx * t, from[1] + dy * t], width, colour);
        }
    }

    /// A colour in the components of the frame; the fourth is alpha.
    fn samples(&self, [r, g, b]: Colour) -> [u8; 4] {
        if !self.yuv {
            return [r, g, b, 255];
        }
        let [r, g, b] = [r, g, b].map(|v| f32::from(v) / 255.0);
        let [kr, _, kb] = single(if self.wide { BT709 } else { BT601 });
        let y = kr * r + (1.0 - kr - kb) * g + kb * b;
        let (u, v) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
        [(16.0 + 219.0 * y) as u8, (128.0 + 224.0 * u) as u8, (128.0 + 224.0 * v) as u8, 255]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(format: gst_video::VideoFormat, at: [f32; 2], side: u32) -> Vec<u8> {
        let info = gst_video::VideoInfo::builder(format, 8, 8).build().unwrap();
        let mut buffer = gst::Buffer::from_mut_slice(vec![0u8; info.size()]);
        {
            let buffer = buffer.get_mut().unwrap();
            let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &info).unwrap();
            VideoCanvas::new(&mut frame).dot(at, side, [255, 0, 0]);
        }
        buffer.map_readable().unwrap().to_vec()
    }

    #[test]
    fn dots_lie_where_they_should_in_every_format() {
        gst::init().unwrap();
        for format in FORMATS {
            assert!(draw(format, [3.0, 3.0], 2).iter().any(|&b| b != 0), "{format:?}");
            // Outside, half outside, nowhere.
            for at in [[-5.0, 3.0], [100.0, 100.0], [f32::NAN, 0.0], [f32::INFINITY, 0.0]] {
                assert!(draw(format, at, 3).iter().all(|&b| b == 0), "{format:?} {at:?}");
            }
            draw(format, [-1.0, 7.5], 5);
        }
        let rgb = draw(gst_video::VideoFormat::Rgb, [3.0, 2.0], 1);
        let red: Vec<usize> = (0..rgb.len()).filter(|&i| rgb[i] != 0).collect();
        assert_eq!(red, [2 * 24 + 3 * 3]);
        assert_eq!(draw(gst_video::VideoFormat::Bgrx, [3.0, 2.0], 1)[2 * 32 + 3 * 4 + 2], 255);
    }
}
