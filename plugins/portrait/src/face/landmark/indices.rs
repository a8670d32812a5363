//! Indices of MediaPipe's 478 face landmarks: 468 of the mesh, then five for each iris.
//!
//! Left and right are those of the viewer unless a name says otherwise.

/// Points of a face.
pub const COUNT: usize = 478;

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
