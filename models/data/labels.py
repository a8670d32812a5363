# SPDX-License-Identifier: MIT OR Apache-2.0
"""The emotion vector's labels, in its order; imported by the other programs."""

EMOTIONS = ["neutral", "happy", "sad", "surprise", "fear", "angry", "disgust", "contempt"]
