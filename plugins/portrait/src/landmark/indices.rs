//! Indices of MediaPipe's 478 face landmarks: 468 of the mesh, then five for each iris.
//!
//! Left and right are those of the viewer unless a name says otherwise.

/// Points of a face.
pub const COUNT: usize = 478;

/// Points that speech and expression move least: forehead, nose bridge, temples, eye corners.
pub const STABLE: [usize; 44] = [
    10, 67, 109, 338, 297, 103, 332, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 93, 323, 6, 168, 197,
    195, 8, 9, 151, 108, 337, 69, 299, 104, 333, 68, 298, 33, 133, 362, 263, 122, 351, 193, 417, 245, 465,
];

/// Outer edge of the lips: from the left corner along the lower lip, back along the upper one.
pub const LIPS_OUTER: [usize; 20] =
    [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185];

/// Inner edge of the lips, in the order of [`LIPS_OUTER`].
pub const LIPS_INNER: [usize; 20] =
    [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191];

/// Edge of the left eye (the subject's right): from the outer corner along the lower lid, back along the upper one.
pub const EYE_LEFT: [usize; 16] =
    [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246];

/// Edge of the right eye, the mirror of [`EYE_LEFT`].
pub const EYE_RIGHT: [usize; 16] =
    [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466];

/// Iris of the left eye: centre, then four points of its edge.
pub const IRIS_LEFT: [usize; 5] = [468, 469, 470, 471, 472];

/// Iris of the right eye.
pub const IRIS_RIGHT: [usize; 5] = [473, 474, 475, 476, 477];

/// Left brow: lower edge then upper edge.
pub const BROW_LEFT: [usize; 10] = [46, 53, 52, 65, 55, 70, 63, 105, 66, 107];

/// Right brow, the mirror of [`BROW_LEFT`].
pub const BROW_RIGHT: [usize; 10] = [276, 283, 282, 295, 285, 300, 293, 334, 296, 336];

/// Outline of the face, clockwise in the picture, from the top of the forehead.
pub const OVAL: [usize; 36] = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
    149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
];

/// Top of the forehead.
pub const FOREHEAD: usize = 10;

/// Tip of the chin.
pub const CHIN: usize = 152;

/// Tip of the nose: the origin of the mean face.
pub const NOSE_TIP: usize = 4;

/// Outer corner of the left eye.
pub const EYE_CORNER_LEFT: usize = 33;

/// Outer corner of the right eye; its distance to [`EYE_CORNER_LEFT`] is 1 in the mean face.
pub const EYE_CORNER_RIGHT: usize = 263;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_index_is_a_landmark_and_no_group_names_one_twice() {
        let groups: [&[usize]; 10] = [
            &STABLE,
            &LIPS_OUTER,
            &LIPS_INNER,
            &EYE_LEFT,
            &EYE_RIGHT,
            &IRIS_LEFT,
            &IRIS_RIGHT,
            &BROW_LEFT,
            &BROW_RIGHT,
            &OVAL,
        ];
        for group in groups {
            assert!(group.iter().all(|&i| i < COUNT), "{group:?}");
            assert_eq!(group.iter().collect::<BTreeSet<_>>().len(), group.len(), "{group:?}");
        }
    }
}
