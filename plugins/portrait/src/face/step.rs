// SPDX-License-Identifier: MIT OR Apache-2.0
//! The soft step of everything that fades in space or eases in time.

/// Cubic step from 0 at `x <= 0` to 1 at `x >= 1`.
#[inline(always)]
pub fn smooth_step(x: f32) -> f32 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// The same from 0 at `from` to 1 at `to`, which may lie on either side; 0 where they are one.
pub fn step_between(from: f32, to: f32, x: f32) -> f32 {
    let way = to - from;
    if way == 0.0 { 0.0 } else { smooth_step((x - from) / way) }
}
