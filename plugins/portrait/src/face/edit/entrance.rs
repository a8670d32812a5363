// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way from the photo into speech: the first picture of a presentation is the photo's own face, with its smile and open
//! lips, so that it can follow a still of the photo without a jump.

use crate::face::step::smooth_step;

/// Passes from the face of the photo to the one that speaks.
pub struct Entrance {
    photo: Vec<[f32; 3]>,
    /// Frames that have come.
    frames: u32,
}

impl Entrance {
    /// For a person with these normalised landmarks in the photo.
    pub fn new(photo: &[[f32; 3]]) -> Self {
        Self { photo: photo.to_vec(), frames: 0 }
    }

    /// Goes on, on the way that is left, from the face of another person in the photo.
    pub fn go_on_as(&mut self, photo: &[[f32; 3]]) {
        self.photo = photo.to_vec();
    }

    /// The next frame is a first one.
    pub fn reset(&mut self) {
        self.frames = 0;
    }

    /// Moves the `face` of the next frame, of `fps` a second, back towards that of the photo: all of the way in the first
    /// frame, none of it after `seconds`. Nothing is done for 0 seconds.
    pub fn apply(&mut self, face: &mut [[f32; 3]], seconds: f32, fps: f32) {
        let since = self.frames as f32 / fps;
        self.frames = self.frames.saturating_add(1);
        if since >= seconds {
            return;
        }
        let left = 1.0 - smooth_step(since / seconds);
        for (point, photo) in face.iter_mut().zip(&self.photo) {
            for axis in 0..3 {
                point[axis] += (photo[axis] - point[axis]) * left;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHOTO: [[f32; 3]; 1] = [[1.0, 0.5, -0.25]];

    fn run(entrance: &mut Entrance, seconds: f32, frames: usize) -> Vec<[f32; 3]> {
        let mut face = || {
            let mut face = [[0.0; 3]];
            entrance.apply(&mut face, seconds, 25.0);
            face[0]
        };
        (0..frames).map(|_| face()).collect()
    }

    #[test]
    fn the_first_frame_is_the_photo_and_the_way_to_speech_is_smooth() {
        let mut entrance = Entrance::new(&PHOTO);
        let way = run(&mut entrance, 0.24, 8);
        assert_eq!(way[0], PHOTO[0]);
        assert!(way[..7].windows(2).all(|w| (0.0..0.26).contains(&(w[0][0] - w[1][0]))), "{way:?}");
        assert_eq!(way[6..], [[0.0; 3]; 2], "nothing of the photo is left");
        entrance.reset();
        assert_eq!(run(&mut entrance, 0.24, 8), way, "a reset begins again");
    }

    #[test]
    fn no_time_leaves_every_frame_as_it_is() {
        assert_eq!(run(&mut Entrance::new(&PHOTO), 0.0, 3), [[0.0; 3]; 3]);
    }
}
