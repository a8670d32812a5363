# SPDX-License-Identifier: MIT OR Apache-2.0
"""Packs from the published weights of other systems: `python -m models.convert.liveportrait`, `….sadtalker`."""
