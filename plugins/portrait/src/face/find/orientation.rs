// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures that lie on their side, stand on their head or are mirrored.

/// How a picture is to be shown: mirrored or not, then turned by quarters; the words of GStreamer's tag
/// `image-orientation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    mirrored: bool,
    /// Clockwise, 0 to 3.
    quarters: u8,
}

impl Orientation {
    /// A turn by that many quarters, clockwise.
    pub fn turn(quarters: u8) -> Self {
        Self { mirrored: false, quarters: quarters % 4 }
    }

    /// What the tag says; `None` where it is none of its eight words.
    pub fn from_tag(text: &str) -> Option<Self> {
        let (mirrored, turn) = match text.strip_prefix("flip-") {
            Some(turn) => (true, turn),
            None => (false, text),
        };
        let quarters = match turn {
            "rotate-0" => 0,
            "rotate-90" => 1,
            "rotate-180" => 2,
            "rotate-270" => 3,
            _ => return None,
        };
        Some(Self { mirrored, quarters })
    }

    /// The same, then turned clockwise by so many quarters more.
    pub fn then_turned(self, quarters: u8) -> Self {
        Self { quarters: (self.quarters + quarters) % 4, ..self }
    }

    /// Degrees of the turn, clockwise.
    pub fn degrees(self) -> u32 {
        90 * u32::from(self.quarters)
    }

    /// Size of a picture when it is shown.
    pub fn size(self, (width, height): (usize, usize)) -> (usize, usize) {
        if self.quarters % 2 == 1 { (height, width) } else { (width, height) }
    }

    /// A point of the picture as it is shown, in the stored picture of that size; edges lie on 0 and the size.
    pub fn to_stored(self, [u, v]: [f32; 2], (width, height): (usize, usize)) -> [f32; 2] {
        let (w, h) = (width as f32, height as f32);
        let [x, y] = match self.quarters {
            0 => [u, v],
            1 => [v, h - u],
            2 => [w - u, h - v],
            _ => [w - v, u],
        };
        [if self.mirrored { w - x } else { x }, y]
    }

    /// The inverse of [`Orientation::to_stored`].
    pub fn to_shown(self, [x, y]: [f32; 2], (width, height): (usize, usize)) -> [f32; 2] {
        let (w, h) = (width as f32, height as f32);
        let x = if self.mirrored { w - x } else { x };
        match self.quarters {
            0 => [x, y],
            1 => [h - y, x],
            2 => [w - x, h - y],
            _ => [y, w - x],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (40, 30);
    const WORDS: [&str; 4] = ["rotate-0", "rotate-90", "rotate-180", "rotate-270"];

    fn all() -> Vec<Orientation> {
        let words = WORDS.into_iter().flat_map(|word| [word.to_owned(), format!("flip-{word}")]);
        words.map(|word| Orientation::from_tag(&word).unwrap()).collect()
    }

    #[test]
    fn words_of_the_tag_turn_clockwise_after_mirroring() {
        let corner = |word: &str| Orientation::from_tag(word).unwrap().to_shown([1.0, 2.0], SIZE);
        assert_eq!(corner("rotate-0"), [1.0, 2.0]);
        // What was at the upper left is at the upper right.
        assert_eq!(corner("rotate-90"), [28.0, 1.0]);
        assert_eq!(corner("rotate-180"), [39.0, 28.0]);
        assert_eq!(corner("rotate-270"), [2.0, 39.0]);
        assert_eq!(corner("flip-rotate-0"), [39.0, 2.0]);
        assert_eq!(corner("flip-rotate-90"), [28.0, 39.0]);
        for wrong in ["", "rotate", "rotate-45", "flip", "flip-", "Rotate-90"] {
            assert_eq!(Orientation::from_tag(wrong), None);
        }
    }

    #[test]
    fn there_and_back_is_the_same_point_within_the_picture() {
        for orientation in all() {
            let (w, h) = orientation.size(SIZE);
            for point in [[0.0, 0.0], [3.0, 7.5], [40.0, 30.0]] {
                let shown = orientation.to_shown(point, SIZE);
                assert!(shown[0] <= w as f32 && shown[1] <= h as f32, "{orientation:?}: {shown:?}");
                assert_eq!(orientation.to_stored(shown, SIZE), point, "{orientation:?}");
            }
        }
    }

    #[test]
    fn four_quarters_are_none() {
        let turned = Orientation::turn(3).then_turned(1);
        assert_eq!((turned, turned.degrees()), (Orientation::default(), 0));
        assert_eq!(Orientation::turn(1).then_turned(2).degrees(), 270);
    }
}
