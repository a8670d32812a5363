// SPDX-License-Identifier: MIT OR Apache-2.0
//! Indices of MediaPipe's 478 face landmarks: 468 of the mesh, then five for each iris.
//!
//! Left and right are those of the viewer unless a name says otherwise.

use crate::pack::LANDMARKS;

/// Points of a face.
pub const COUNT: usize = LANDMARKS;

/// Points that speech and expression move least: nose, cheeks, temples, forehead and the corners of the eyes; above the base
/// of the nose, away from lips, brows and the rims of the lids. Many, because each is tracked with its own error.
pub const STABLE: [usize; 205] = [
    1, 3, 4, 5, 6, 8, 9, 10, 19, 20, 21, 31, 33, 34, 35, 36, 44, 45, 47, 48, 49, 50, 51, 54, 59, 60, 64, 67,
    68, 69, 71, 75, 79, 93, 94, 98, 99, 100, 101, 102, 103, 104, 108, 109, 111, 113, 114, 115, 116, 117, 118,
    119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 131, 133, 134, 137, 139, 141, 142, 143, 151, 156,
    162, 166, 168, 174, 188, 193, 195, 196, 197, 198, 203, 205, 209, 217, 218, 219, 220, 221, 222, 223, 224,
    225, 227, 228, 229, 230, 231, 234, 235, 236, 237, 238, 239, 240, 241, 242, 245, 248, 250, 251, 261, 263,
    264, 265, 266, 274, 275, 277, 278, 279, 280, 281, 284, 289, 290, 294, 297, 298, 299, 301, 305, 309, 323,
    327, 328, 329, 330, 331, 332, 333, 337, 338, 340, 342, 343, 344, 345, 346, 347, 348, 349, 350, 351, 352,
    353, 354, 355, 356, 357, 358, 360, 362, 363, 366, 368, 370, 371, 372, 383, 389, 392, 399, 412, 417, 419,
    420, 423, 425, 429, 437, 438, 439, 440, 441, 442, 443, 444, 445, 447, 448, 449, 450, 451, 454, 455, 456,
    457, 458, 459, 460, 461, 462, 465,
];

/// Outer edge of the lips: from the left corner along the lower lip, back along the upper one.
pub const LIPS_OUTER: [usize; 20] =
    [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185];

/// Inner edge of the lips, in the order of [`LIPS_OUTER`].
pub const LIPS_INNER: [usize; 20] =
    [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191];

/// Outer edge of the lips from corner to corner, along the upper and along the lower one.
pub const OUTER_LIP_UPPER: [usize; 11] = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291];
pub const OUTER_LIP_LOWER: [usize; 11] = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291];

/// Inner edge of the lips from corner to corner, along the upper and along the lower one: the rims of the mouth's opening.
pub const INNER_LIP_UPPER: [usize; 11] = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308];
pub const INNER_LIP_LOWER: [usize; 11] = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308];

/// Corners of the outer and of the inner edge, left and right.
pub const LIP_CORNERS: [usize; 2] = [61, 291];
pub const INNER_LIP_CORNERS: [usize; 2] = [78, 308];

/// Middle of the upper and of the lower lip's inner edge.
pub const INNER_LIP_MIDDLES: [usize; 2] = [13, 14];

/// Middle of the upper lip's outer edge.
pub const UPPER_LIP: usize = 0;

/// Skin between the lower lip and the chin's outline, and that outline: both move with the jaw.
pub const CHIN_SKIN: [usize; 14] = [18, 83, 313, 182, 406, 200, 201, 421, 199, 208, 428, 175, 171, 396];
pub const JAW_LINE: [usize; 11] = [152, 148, 377, 176, 400, 149, 378, 140, 369, 32, 262];

/// The middle of [`CHIN_SKIN`].
pub const CHIN_MIDDLE: [usize; 6] = [18, 200, 199, 175, 83, 313];

/// Points on the skin all around the mouth.
pub const AROUND_MOUTH: [usize; 29] = [
    164, 167, 393, 165, 391, 18, 83, 313, 199, 200, 175, 57, 287, 43, 273, 212, 432, 202, 422, 204, 424, 186,
    410, 92, 322, 106, 335, 182, 406,
];

/// Edge of the left eye (the subject's right): from the outer corner along the lower lid, back along the upper one.
pub const EYE_LEFT: [usize; 16] =
    [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246];

/// Edge of the right eye, the mirror of [`EYE_LEFT`].
pub const EYE_RIGHT: [usize; 16] =
    [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466];

/// Upper lid point and the lower lid point below it, from the outer to the inner corner; the left eye first.
pub const LIDS: [[(usize, usize); 7]; 2] = [
    [(246, 7), (161, 163), (160, 144), (159, 145), (158, 153), (157, 154), (173, 155)],
    [(466, 249), (388, 390), (387, 373), (386, 374), (385, 380), (384, 381), (398, 382)],
];

/// Folds above the upper lids: skin that follows the lid, with the place in [`LIDS`] that it hangs on.
pub const FOLDS: [[(usize, usize); 5]; 2] =
    [[(30, 1), (29, 2), (27, 3), (28, 4), (56, 5)], [(260, 1), (259, 2), (257, 3), (258, 4), (286, 5)]];

/// Middle of the fold above and of the one below each eye.
pub const FOLD_UPPER: [[usize; 3]; 2] = [[27, 28, 56], [257, 258, 286]];
pub const FOLD_LOWER: [[usize; 2]; 2] = [[23, 24], [253, 254]];

/// Lower edge of the upper lid, in its middle, of the left and of the right eye, and lower edge of the brow above it.
pub const UPPER_LIDS: [usize; 2] = [159, 386];
pub const LOWER_BROWS: [usize; 2] = [52, 282];

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

/// Points of the face inside of its outline: eye corners, brows, forehead, cheeks, chin.
pub const INNER_FACE: [usize; 24] = [
    33, 263, 70, 300, 63, 293, 46, 276, 104, 333, 69, 299, 50, 280, 205, 425, 187, 411, 207, 427, 57, 287,
    32, 262,
];

/// Ridge, base and wings of the nose, from its bridge down.
pub const NOSE: [usize; 18] = [168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 98, 327, 48, 278, 64, 294, 129, 358];

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
        let groups: [&[usize]; 19] = [
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
            &OUTER_LIP_UPPER,
            &OUTER_LIP_LOWER,
            &INNER_LIP_UPPER,
            &INNER_LIP_LOWER,
            &CHIN_SKIN,
            &JAW_LINE,
            &CHIN_MIDDLE,
            &AROUND_MOUTH,
            &INNER_FACE,
        ];
        for group in groups {
            assert!(group.iter().all(|&i| i < COUNT), "{group:?}");
            assert_eq!(group.iter().collect::<BTreeSet<_>>().len(), group.len(), "{group:?}");
        }
    }

    #[test]
    fn the_halves_of_an_edge_are_the_edge() {
        for (edge, lower, upper) in
            [(LIPS_OUTER, OUTER_LIP_LOWER, OUTER_LIP_UPPER), (LIPS_INNER, INNER_LIP_LOWER, INNER_LIP_UPPER)]
        {
            let back = upper[1..10].iter().rev();
            assert_eq!(edge.to_vec(), lower.iter().chain(back).copied().collect::<Vec<_>>());
        }
        assert_eq!(LIP_CORNERS, [OUTER_LIP_UPPER[0], OUTER_LIP_LOWER[10]]);
        assert_eq!(INNER_LIP_CORNERS, [INNER_LIP_UPPER[0], INNER_LIP_LOWER[10]]);
        assert_eq!(INNER_LIP_MIDDLES, [INNER_LIP_UPPER[5], INNER_LIP_LOWER[5]]);
        assert_eq!(UPPER_LIP, OUTER_LIP_UPPER[5]);
        assert_eq!(UPPER_LIDS, LIDS.map(|lids| lids[3].0));
        for (eye, lids) in [EYE_LEFT, EYE_RIGHT].iter().zip(LIDS) {
            let (lower, upper) = (eye[1..8].to_vec(), eye[9..].iter().rev().copied().collect::<Vec<_>>());
            assert_eq!((upper, lower), lids.into_iter().unzip());
        }
        for (folds, upper) in FOLDS.iter().zip(FOLD_UPPER) {
            assert!(upper.iter().all(|i| folds.iter().any(|(fold, _)| fold == i)));
        }
        assert!(CHIN_MIDDLE.iter().all(|i| CHIN_SKIN.contains(i)));
    }
}
