# SPDX-License-Identifier: MIT OR Apache-2.0
"""Clips, landmarks, the normal pose, synthetic speech."""
