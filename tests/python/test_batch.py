# SPDX-License-Identifier: MIT OR Apache-2.0
"""What `pipelines/batch/run.py` does on Ray: which row a worker gets, and what becomes of one whose process dies."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
import tempfile
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


# Answers as `animate --job-worker` does; dies as often as there are lines in the file `deaths`.
RENDERER = """#!/bin/sh
while read -r job; do
    if [ -s "$0.deaths" ]; then sed -i 1d "$0.deaths"; printf '{"row"'; kill -9 $$; fi
    echo "{\\"status\\": \\"done\\", \\"pid\\": $$}"
done
"""


class Batch(unittest.TestCase):
    """Photos are analysed once, where that can be, and rows are done whatever dies."""

    def test_a_process_that_dies_is_replaced_and_its_row_done_again(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            renderer = pathlib.Path(folder) / "renderer"
            renderer.write_text(RENDERER)
            renderer.chmod(0o755)
            deaths = pathlib.Path(f"{renderer}.deaths")
            module = program()
            worker = module.Worker(str(renderer), 20)
            self.addCleanup(lambda: worker.process.communicate())
            job = {"row": 7, "output": "a.mp4"}
            first = worker.make(job)
            self.assertEqual(first, worker.make(job), "one process makes many films")
            deaths.write_text("\n" * (module.TRIES - 1))
            outcome = worker.make(job)
            self.assertEqual("done", outcome["status"])
            self.assertNotEqual(first["pid"], outcome["pid"])
            deaths.write_text("\n" * module.TRIES)
            failed = worker.make(job)
            self.assertEqual(("failed", 7, "a.mp4"), (failed["status"], failed["row"], failed["output"]))
            self.assertIn("died 3 times, with status -9", failed["error"])
            self.assertEqual("done", worker.make(job)["status"], "the next row is not lost")

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
