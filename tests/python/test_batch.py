# SPDX-License-Identifier: MIT OR Apache-2.0
"""What `pipelines/batch/run.py` does on Ray: which row a worker gets, and what becomes of one whose process or worker dies."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import pathlib
import re
import subprocess
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


class RayError(Exception):
    pass


class RayActorError(RayError):
    pass


class Cluster:
    """As much of Ray as the script uses: what a worker is asked is answered when somebody waits, or never."""

    exceptions = types.SimpleNamespace(RayError=RayError, RayActorError=RayActorError)

    def __init__(self, workers: list[dict[str, object]]) -> None:
        #: What each worker answers to `start`, and to `make`; where nothing is said, it never does.
        self.workers = workers
        self.made: list[tuple[int, int]] = []
        self.waited = 0

    def worker(self) -> types.SimpleNamespace:
        numbers = iter(range(len(self.workers)))
        return types.SimpleNamespace(
            options=lambda **_: types.SimpleNamespace(remote=lambda *_: self.actor(next(numbers)))
        )

    def actor(self, number: int) -> types.SimpleNamespace:
        def method(name: str) -> types.SimpleNamespace:
            return types.SimpleNamespace(remote=lambda *args: (number, name, *[json.dumps(arg) for arg in args]))

        return types.SimpleNamespace(start=method("start"), make=method("make"))

    def init(self, **options: object) -> None:
        self.options = options
        self.niceness = os.environ.get("RAY_worker_niceness")

    def shutdown(self) -> None:
        pass

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def wait(self, calls: list[tuple], num_returns: int, timeout: float | None) -> tuple[list, list]:
        self.waited += 1
        there = [call for call in calls if call[1] in self.workers[call[0]]]
        if self.waited > 50 or (not there and timeout is None):
            raise AssertionError("it waits for ever")
        return there[:num_returns], []

    def get(self, call: tuple) -> object:
        answer = self.workers[call[0]][call[1]]
        if isinstance(answer, Exception):
            raise answer
        if call[1] == "make":
            job = json.loads(call[2])
            self.made.append((call[0], job["row"]))
            return {"row": job["row"], "output": job["output"], "status": answer, "error": None}
        return answer


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
            self.assertIsNone(worker.start())
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

    def run_on(self, cluster: Cluster, rows: int, **options: object) -> tuple[int, list[dict[str, object]], str]:
        """Exit status, report and what was said of a table of rows."""
        module = program()
        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder) / "jobs.csv"
            plan = [{"row": row, "photo": "a", "output": f"{folder}/{row}.mp4"} for row in range(1, rows + 1)]
            arguments = argparse.Namespace(
                table=table, workers=len(cluster.workers), cpus=1, address=None, patience=20, report=None, again=False
            )
            vars(arguments).update(options)
            said = io.StringIO()
            with (
                mock.patch.multiple(module, ray=cluster, Worker=cluster.worker(), plan=lambda *_: plan),
                mock.patch.object(module, "animate_program", lambda: "animate"),
                mock.patch.dict(os.environ),
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(said),
            ):
                status = module.run(arguments)
            report = (table.parent / "jobs.csv.report.jsonl").read_text(encoding="utf-8")
        return status, [json.loads(line) for line in report.splitlines()], said.getvalue()

    def test_a_worker_for_which_there_is_no_core_keeps_no_row(self) -> None:
        cluster = Cluster([{"start": None, "make": "done"}, {}])
        status, report, _ = self.run_on(cluster, 5)
        self.assertEqual((0, [1, 2, 3, 4, 5]), (status, sorted(line["row"] for line in report)))
        self.assertEqual({0}, {worker for worker, _ in cluster.made})

    def test_a_worker_that_cannot_start_spoils_no_row(self) -> None:
        for no in ("node7 cannot start animate: No such file or directory", RayActorError("gone")):
            cluster = Cluster([{"start": no, "make": RayActorError("gone")}, {"start": None, "make": "done"}])
            status, report, said = self.run_on(cluster, 5)
            self.assertEqual((0, ["done"] * 5), (status, [line["status"] for line in report]))
            self.assertIn("error: worker 1 does not start: ", said)

    def test_without_any_worker_each_row_says_why(self) -> None:
        status, report, _ = self.run_on(Cluster([{"start": "node7 has no animate"}] * 2), 3)
        self.assertEqual((1, 3), (status, len(report)))
        self.assertIn("node7 has no animate", report[2]["error"])

    def test_a_row_that_fails_is_told_and_the_others_go_on(self) -> None:
        deaths = (RayActorError("x"), "died 3 times"), (RayError("Traceback\nOSError: no room"), "OSError: no room")
        for death, said in deaths:
            status, report, _ = self.run_on(Cluster([{"start": None, "make": death}]), 3)
            self.assertEqual((1, ["failed"] * 3), (status, [line["status"] for line in report]))
            self.assertIn(said, report[0]["error"])

    def test_without_ray_and_with_options_that_are_none_it_says_so_in_a_line(self) -> None:
        script = onair.ROOT / "pipelines" / "batch" / "run.py"
        with tempfile.TemporaryDirectory() as folder:
            for there, said in (
                ("raise ImportError('No module named ray')", "Python has no Ray (No module named ray): pip install ray, "),
                ("remote = lambda **_: lambda worker: worker", "--workers: 0 is no whole number from 1 on"),
            ):
                pathlib.Path(folder, "ray.py").write_text(there)
                environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
                command = [sys.executable, script, "jobs.csv", "--workers", "0"]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)
                self.assertTrue(done.returncode)
                self.assertRegex(done.stderr, f"^error: {re.escape(said)}.*\n$")

    def test_this_machine_has_a_core_for_each_worker(self) -> None:
        cluster = Cluster([{"start": None, "make": "done"}])
        with mock.patch.dict(os.environ):
            os.environ.pop("RAY_ADDRESS", None)
            self.run_on(cluster, 1, workers=512)
            self.assertEqual(512, cluster.options["num_cpus"])
            # Of a cluster nobody says how many it has.
            self.run_on(cluster, 1, address="auto")
            self.assertNotIn("num_cpus", cluster.options)

    def test_workers_have_the_niceness_of_who_starts_them(self) -> None:
        for said, niceness in ((None, "0"), ("5", "5")):
            cluster = Cluster([{"start": None, "make": "done"}])
            with mock.patch.dict(os.environ, {"RAY_worker_niceness": said} if said else {}):
                self.run_on(cluster, 1)
            self.assertEqual(niceness, cluster.niceness)
