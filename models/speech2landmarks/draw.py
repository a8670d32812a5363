# SPDX-License-Identifier: MIT OR Apache-2.0
"""Draw normalised or posed landmarks as line drawings (contact sheets for inspection)."""

import cv2
import numpy as np

OVAL = [
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
    93,
    234,
    127,
    162,
    21,
    54,
    103,
    67,
    109,
    10,
]
LINES = [
    OVAL,
    [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 61],
    [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191, 78],
    [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 33],
    [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466, 263],
    [70, 63, 105, 66, 107],
    [46, 53, 52, 65, 55],
    [300, 293, 334, 296, 336],
    [276, 283, 282, 295, 285],
    [168, 6, 197, 195, 5, 4],
    [98, 97, 2, 326, 327],
    [64, 98],
    [294, 327],
    [469, 470, 471, 472, 469],
    [474, 475, 476, 477, 474],
]


def face(n: np.ndarray, size: int = 220, text: str = "", other: np.ndarray | None = None) -> np.ndarray:
    """Picture of one normalised face; `other` (e.g. the neutral) is drawn in grey below it."""
    img = np.full((size, size, 3), 255, np.uint8)
    for pts, col, w in ((other, (190, 190, 190), 1), (n, (30, 30, 30), 1)):
        if pts is None:
            continue
        q = (pts[:, :2] * 0.45 + 0.5) * size
        for line in LINES:
            cv2.polylines(img, [np.round(q[line] * 8).astype(np.int32)], False, col, w, cv2.LINE_AA, 3)
    cv2.putText(img, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 200), 1, cv2.LINE_AA)
    return img


def sheet(pics: list[np.ndarray], cols: int = 8) -> np.ndarray:
    blank = np.full_like(pics[0], 255)
    pics = pics + [blank] * (-len(pics) % cols)
    return np.concatenate([np.concatenate(pics[i : i + cols], 1) for i in range(0, len(pics), cols)])
