"""Packs from the published weights of other systems: `python -m models.convert.liveportrait`, `….sadtalker`."""
