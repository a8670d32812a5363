// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of several faces is meant: the property `face`.

use std::fmt;
use std::str::FromStr;

/// What the property says unless told otherwise.
pub const DEFAULT_FACE: &str = "largest";

/// A choice among the faces of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum FaceChoice {
    /// The largest one.
    #[default]
    Largest,
    /// The first from the left, as the viewer sees it.
    Left,
    /// The first from the right.
    Right,
    /// A number, from 1: from the left in a photo; as [`FaceChoice`]'s user numbers them in a video.
    Number(usize),
    /// The nearest one to a point: x in widths of the picture, y in heights, from its upper left corner.
    Point([f32; 2]),
}

/// Why a text chooses no face; the text says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// None of the words, no number, no point.
    #[error(
        "\"{0}\" names no face; write largest, left, right, a number (1 is the first from the left) or x,y (parts of the \
         picture's width and height: 0.3,0.5)"
    )]
    Unknown(String),
    /// A number below the first.
    #[error("there is no face 0; faces are counted from 1, from the left")]
    Zero,
    /// A point that lies outside of the picture.
    #[error(
        "the point \"{0}\" lies outside of the picture; x and y go from 0 to 1, from its upper left corner"
    )]
    Outside(String),
}

impl FromStr for FaceChoice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let text = text.trim();
        let unknown = || ChoiceError::Unknown(text.to_owned());
        if let Some((x, y)) = text.split_once(',') {
            let number = |v: &str| v.trim().parse::<f32>().map_err(|_| unknown());
            let point = [number(x)?, number(y)?];
            if point.iter().any(|v| !(0.0..=1.0).contains(v)) {
                return Err(ChoiceError::Outside(text.to_owned()));
            }
            return Ok(Self::Point(point));
        }
        match text.to_ascii_lowercase().as_str() {
            "largest" => Ok(Self::Largest),
            "left" => Ok(Self::Left),
            "right" => Ok(Self::Right),
            number => match number.parse() {
                Ok(0) => Err(ChoiceError::Zero),
                Ok(number) => Ok(Self::Number(number)),
                Err(_) => Err(unknown()),
            },
        }
    }
}

impl fmt::Display for FaceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Largest => f.write_str("largest"),
            Self::Left => f.write_str("left"),
            Self::Right => f.write_str("right"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Point([x, y]) => write!(f, "{x},{y}"),
        }
    }
}

/// Where a face lies in a picture. x and y in one unit, from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// Left, top, right, bottom.
    pub bounds: [f32; 4],
}

impl Spot {
    /// The box around points; `None` around nothing and around numbers that are not finite.
    pub fn around(points: impl IntoIterator<Item = [f32; 2]>) -> Option<Self> {
        let mut bounds = [f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
        let [x0, y0, x1, y1] = &mut bounds;
        for [x, y] in points {
            // `min` and `max` pass over a NaN.
            if !(x.is_finite() && y.is_finite()) {
                return None;
            }
            (*x0, *y0, *x1, *y1) = (x0.min(x), y0.min(y), x1.max(x), y1.max(y));
        }
        (bounds[0] <= bounds[2]).then_some(Self { bounds })
    }

    /// A square around the mean of points.
    pub fn square(points: &[[f32; 2]], side: f32) -> Self {
        let mean = |axis: usize| points.iter().map(|p| p[axis]).sum::<f32>() / points.len().max(1) as f32;
        let ([x, y], half) = ([mean(0), mean(1)], side / 2.0);
        Self { bounds: [x - half, y - half, x + half, y + half] }
    }

    /// Its middle.
    pub fn centre(&self) -> [f32; 2] {
        let [x0, y0, x1, y1] = self.bounds;
        [(x0 + x1) / 2.0, (y0 + y1) / 2.0]
    }

    /// Its larger extent.
    pub fn side(&self) -> f32 {
        let [x0, y0, x1, y1] = self.bounds;
        (x1 - x0).max(y1 - y0)
    }

    /// How far a point lies from the box, then from its middle.
    fn distance(&self, [x, y]: [f32; 2]) -> (f32, f32) {
        let [x0, y0, x1, y1] = self.bounds;
        let beyond = |v: f32, low: f32, high: f32| (low - v).max(v - high).max(0.0);
        let [cx, cy] = self.centre();
        (beyond(x, x0, x1).hypot(beyond(y, y0, y1)), (x - cx).hypot(y - cy))
    }
}

/// Indices of the faces from the left to the right.
pub fn from_left(spots: &[Spot]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..spots.len()).collect();
    order.sort_by(|&a, &b| {
        let ([ax, ay], [bx, by]) = (spots[a].centre(), spots[b].centre());
        ax.total_cmp(&bx).then(ay.total_cmp(&by))
    });
    order
}

impl FaceChoice {
    /// Index of the chosen face in a picture of that size; numbers count from the left. `None` where there are not so many.
    pub fn among(&self, spots: &[Spot], (width, height): (f32, f32)) -> Option<usize> {
        match *self {
            Self::Largest => {
                (0..spots.len()).reduce(|a, b| if spots[b].side() > spots[a].side() { b } else { a })
            }
            Self::Left => from_left(spots).first().copied(),
            Self::Right => from_left(spots).last().copied(),
            Self::Number(number) => from_left(spots).get(number.checked_sub(1)?).copied(),
            Self::Point([x, y]) => {
                let point = [x * width, y * height];
                (0..spots.len()).min_by(|&a, &b| {
                    let ((a, a_middle), (b, b_middle)) = (spots[a].distance(point), spots[b].distance(point));
                    a.total_cmp(&b).then(a_middle.total_cmp(&b_middle))
                })
            }
        }
    }
}

/// Where faces are, for a message: `1 at 0.25,0.40 and 2 at 0.74,0.38`; a number and a spot each.
pub fn places(faces: &[(usize, Spot)], (width, height): (f32, f32)) -> String {
    let one = |(number, spot): &(usize, Spot)| {
        let [x, y] = spot.centre();
        format!("{number} at {:.2},{:.2}", x / width, y / height)
    };
    match faces {
        [] => "none".into(),
        [face] => one(face),
        [first @ .., last] => {
            format!("{} and {}", first.iter().map(one).collect::<Vec<_>>().join(", "), one(last))
        }
    }
}

/// The property as it was written, and what that means.
#[derive(Clone, Debug)]
pub struct FaceProperty {
    text: String,
    /// What it chooses.
    pub choice: FaceChoice,
}

impl Default for FaceProperty {
    fn default() -> Self {
        Self { text: DEFAULT_FACE.into(), choice: FaceChoice::default() }
    }
}

impl FaceProperty {
    /// Stores a text; none and an empty one are the default.
    ///
    /// # Errors
    /// Where it chooses nothing: the old one stays.
    pub fn set(&mut self, text: Option<String>) -> Result<(), ChoiceError> {
        *self = match text.filter(|text| !text.trim().is_empty()) {
            None => Self::default(),
            Some(text) => Self { choice: text.parse()?, text },
        };
        Ok(())
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(x: f32, y: f32, side: f32) -> Spot {
        let half = side / 2.0;
        Spot { bounds: [x - half, y - half, x + half, y + half] }
    }

    #[test]
    fn a_choice_is_read_as_it_is_written() {
        for (text, choice) in [
            ("largest", FaceChoice::Largest),
            ("left", FaceChoice::Left),
            ("right", FaceChoice::Right),
            ("1", FaceChoice::Number(1)),
            ("12", FaceChoice::Number(12)),
            ("0.25,0.5", FaceChoice::Point([0.25, 0.5])),
            ("0,1", FaceChoice::Point([0.0, 1.0])),
        ] {
            assert_eq!(text.parse(), Ok(choice));
            assert_eq!(choice.to_string(), text);
        }
        assert_eq!(" Right ".parse(), Ok(FaceChoice::Right));
        assert_eq!(" .3 , 0.50 ".parse(), Ok(FaceChoice::Point([0.3, 0.5])));
    }

    #[test]
    fn an_error_names_what_is_wrong_and_what_is_right() {
        let text = |choice: &str| choice.parse::<FaceChoice>().unwrap_err().to_string();
        for unknown in ["biggest", "-1", "1.5", "0.3;0.5", "0.3,", ",", "0.1,0.2,0.3", "left,right"] {
            let error = text(unknown);
            assert!(error.contains(&format!("\"{unknown}\"")) && error.contains("largest"), "{error}");
        }
        assert!(text("0").contains("counted from 1"));
        for outside in ["1.1,0.5", "0.5,-0.1", "NaN,0.5", "100,200", "inf,0"] {
            assert!(text(outside).contains(&format!("\"{outside}\"")), "{outside}");
            assert!(text(outside).contains("0 to 1"), "{outside}");
        }
    }

    #[test]
    fn each_choice_finds_its_face_in_any_order() {
        // A large one in the middle, small ones left and right of it.
        let faces = [spot(500.0, 300.0, 200.0), spot(900.0, 250.0, 80.0), spot(100.0, 400.0, 90.0)];
        let size = (1000.0, 600.0);
        let chosen = |text: &str| text.parse::<FaceChoice>().unwrap().among(&faces, size);
        assert_eq!([chosen("largest"), chosen("left"), chosen("right")], [Some(0), Some(2), Some(1)]);
        assert_eq!([chosen("1"), chosen("2"), chosen("3"), chosen("4")], [Some(2), Some(0), Some(1), None]);
        assert_eq!([chosen("0,0"), chosen("0.95,0.9"), chosen("0.5,0")], [Some(2), Some(1), Some(0)]);
        // Nearer to the middle of the small one, but within the large one.
        let near = [spot(500.0, 300.0, 400.0), spot(720.0, 300.0, 20.0)];
        assert_eq!(FaceChoice::Point([0.69, 0.5]).among(&near, size), Some(0));
        for text in ["largest", "left", "right", "1", "0.5,0.5"] {
            assert_eq!(text.parse::<FaceChoice>().unwrap().among(&[], size), None);
        }
    }

    #[test]
    fn places_are_parts_of_the_picture() {
        let faces = [(1, spot(250.0, 240.0, 80.0)), (2, spot(740.0, 228.0, 80.0))];
        assert_eq!(places(&faces, (1000.0, 600.0)), "1 at 0.25,0.40 and 2 at 0.74,0.38");
        assert_eq!(places(&faces[..1], (1000.0, 600.0)), "1 at 0.25,0.40");
        assert_eq!(places(&[], (1000.0, 600.0)), "none");
    }

    #[test]
    fn a_box_is_that_of_all_its_points() {
        let boxed = Spot::around([[3.0, 9.0], [1.0, 4.0], [2.0, 5.0]]).unwrap();
        assert_eq!((boxed.bounds, boxed.side()), ([1.0, 4.0, 3.0, 9.0], 5.0));
        assert_eq!(Spot::around([]), None);
        assert_eq!(Spot::around([[1.0, 2.0], [f32::NAN, 2.0]]), None);
        assert_eq!(Spot::around([[1.0, 2.0], [2.0, f32::NAN]]), None);
    }

    #[test]
    fn the_property_keeps_its_text_and_a_bad_one_changes_nothing() {
        let mut face = FaceProperty::default();
        assert_eq!((face.text(), face.choice), ("largest", FaceChoice::Largest));
        face.set(Some("0.30,0.5".into())).unwrap();
        assert!(face.set(Some("nobody".into())).is_err());
        assert_eq!((face.text(), face.choice), ("0.30,0.5", FaceChoice::Point([0.3, 0.5])));
        face.set(None).unwrap();
        assert_eq!((face.text(), face.choice), ("largest", FaceChoice::Largest));
    }
}
