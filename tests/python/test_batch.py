# SPDX-License-Identifier: MIT OR Apache-2.0
"""Which row `pipelines/batch/run.py` gives to a worker on Ray."""

from __future__ import annotations

import importlib.util
import sys
import types
import unittest
from unittest import mock

import onair


def program() -> types.ModuleType:
    """The script as a module; Ray itself is not asked for anything, so it need not be there."""
    ray = types.SimpleNamespace(remote=lambda **_: lambda worker: worker)
    spec = importlib.util.spec_from_file_location("batch", onair.ROOT / "pipelines" / "batch" / "run.py")
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {"ray": ray}):
        spec.loader.exec_module(module)
    return module


class Batch(unittest.TestCase):
    """Photos are analysed once, where that can be."""

    def test_workers_do_not_share_a_photo_while_there_are_others(self) -> None:
        choose = program().choose
        waiting = [{"row": row, "photo": photo} for row, photo in enumerate("aaabb", 1)]
        photos: dict[int, str] = {}

        def take(worker: int) -> int:
            row = waiting.pop(choose(waiting, photos.get(worker), set(photos.values())))
            photos[worker] = row["photo"]
            return row["row"]

        self.assertEqual([1, 4, 2, 5], [take(0), take(1), take(0), take(1)])
        # There is no other any more: they share.
        self.assertEqual(3, take(1))
