// SPDX-License-Identifier: MIT OR Apache-2.0
//! The convolutions of one pass of a full-size generator of the face-vid2vid class, on random numbers.
//!
//! Layer by layer those of LivePortrait (its warping network and SPADE decoder at 256x256 features, 512x512 picture).

use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};

/// Multiply-accumulates of one pass, in 10^9.
pub const GMAC: u64 = 617;

/// A convolution with stride 1 that keeps its size: input and output channels, kernel, and size of the picture or, with
/// a depth, the volume.
struct Layer {
    channels: (i64, i64),
    kernel: i64,
    depth: Option<i64>,
    side: i64,
    times: u32,
}

const fn flat(channels: (i64, i64), kernel: i64, side: i64, times: u32) -> Layer {
    Layer { channels, kernel, depth: None, side, times }
}

const fn deep(channels: (i64, i64), kernel: i64, side: i64) -> Layer {
    Layer { channels, kernel, depth: Some(16), side, times: 1 }
}

/// What the layers' time was.
pub struct Yardstick {
    pub ms: f64,
    pub threads: i32,
}

fn layers() -> Vec<Layer> {
    vec![
        // Dense motion: hourglass over volumes of 16 x 64 x 64, then a mask for each of 22 keypoints.
        deep((110, 64), 3, 64),
        deep((64, 128), 3, 32),
        deep((128, 256), 3, 16),
        deep((256, 512), 3, 8),
        deep((512, 1024), 3, 4),
        deep((1024, 512), 3, 4),
        deep((1024, 256), 3, 8),
        deep((512, 128), 3, 16),
        deep((256, 64), 3, 32),
        deep((128, 32), 3, 64),
        deep((142, 142), 3, 64),
        deep((142, 22), 7, 64),
        flat((2272, 1), 7, 64, 1),
        // From the warped volume to the decoder's features.
        flat((512, 256), 3, 64, 1),
        flat((256, 256), 1, 64, 1),
        // Decoder: six blocks at 64 x 64; each has two convolutions and two SPADE normalisations of three.
        flat((256, 512), 3, 64, 1),
        flat((512, 512), 3, 64, 12),
        flat((256, 128), 3, 64, 12),
        flat((128, 512), 3, 64, 24),
        // Up to 128 x 128, with a learned shortcut.
        flat((512, 256), 1, 128, 1),
        flat((512, 256), 3, 128, 1),
        flat((256, 256), 3, 128, 1),
        flat((256, 128), 3, 128, 3),
        flat((128, 512), 3, 128, 4),
        flat((128, 256), 3, 128, 2),
        // Up to 256 x 256.
        flat((256, 64), 1, 256, 1),
        flat((256, 64), 3, 256, 1),
        flat((64, 64), 3, 256, 1),
        flat((256, 128), 3, 256, 3),
        flat((128, 256), 3, 256, 4),
        flat((128, 64), 3, 256, 2),
        // The picture of 512 x 512, by pixel shuffle.
        flat((64, 12), 3, 256, 1),
    ]
}

impl Layer {
    #[cfg(test)]
    fn macs(&self) -> i64 {
        let dimensions = if self.depth.is_some() { 3 } else { 2 };
        let volume = self.side * self.side * self.depth.unwrap_or(1);
        self.channels.0 * self.channels.1 * self.kernel.pow(dimensions) * volume * i64::from(self.times)
    }

    /// Time of all its passes; the first, which sets up the kernel, is not counted.
    fn time(&self) -> Duration {
        let options = (Kind::Float, Device::Cpu);
        let (input, output) = self.channels;
        let (k, side, padding) = (self.kernel, self.side, self.kernel / 2);
        let (x, weight) = match self.depth {
            Some(depth) => (
                Tensor::rand([1, input, depth, side, side], options),
                Tensor::rand([output, input, k, k, k], options),
            ),
            None => {
                (Tensor::rand([1, input, side, side], options), Tensor::rand([output, input, k, k], options))
            }
        };
        let pass = || match self.depth {
            Some(_) => x.conv3d(&weight, None::<&Tensor>, 1, padding, 1, 1),
            None => x.conv2d(&weight, None::<&Tensor>, 1, padding, 1, 1),
        };
        drop(std::hint::black_box(pass()));
        let start = Instant::now();
        for _ in 0..self.times {
            drop(std::hint::black_box(pass()));
        }
        start.elapsed()
    }
}

pub fn measure() -> Yardstick {
    let _no_grad = tch::no_grad_guard();
    let layers = layers();
    let time: Duration = layers.iter().map(Layer::time).sum();
    Yardstick { ms: time.as_secs_f64() * 1e3, threads: tch::get_num_threads() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_add_up_to_the_figure() {
        let total: i64 = layers().iter().map(Layer::macs).sum();
        let giga = total as f64 / 1e9;
        assert!((giga - GMAC as f64).abs() < GMAC as f64 * 0.005, "{giga} GMAC");
    }
}
