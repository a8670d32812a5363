// SPDX-License-Identifier: MIT OR Apache-2.0
//! Photos that are transparent in parts: what is seen there.
//!
//! With `background=keep` transparent parts stay so in pictures with alpha; where there is none they are `background-color`.

use super::Background;
use super::settings::Look;
use crate::photo::{Alpha, Portrait};
use crate::render;

/// What the renderer puts behind the person of a portrait, in pictures with or without alpha. The background of a cut-out is
/// nothing, which shows what is behind.
pub fn background(look: &Look, portrait: &Portrait, has_alpha: bool) -> render::Background {
    match (look.background, &portrait.alpha) {
        (Background::Keep, Some(Alpha { cut_out: true, .. })) => {
            render::Background::Colour(behind(look, has_alpha))
        }
        _ => look.behind(),
    }
}

/// What is behind the photo: red, green, blue, alpha.
pub fn behind(look: &Look, has_alpha: bool) -> [u8; 4] {
    let [a, r, g, b] = look.color.to_be_bytes();
    if has_alpha { [0; 4] } else { [r, g, b, a] }
}
