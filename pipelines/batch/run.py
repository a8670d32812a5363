#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""A table of films on Ray: on this machine, or on a cluster with --address.

python3 run.py jobs.csv [--workers 4] [--cpus 1] [--address auto]

Each worker is an actor with one process of `animate --job-worker`, which keeps models and photos between films. Rows go to
whoever is free, those of one photo to the same worker as long as others have their own, two at a time to each, so that nobody
waits and nothing piles up. A worker that dies is replaced and its row done again; what is done is done: rows whose film is
there are left out, and films get their names when they are whole. All machines see the table's folder at the same path.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import time
from typing import Any

try:
    import ray
except ImportError as absent:
    raise SystemExit(f"error: Python has no Ray ({absent}): pip install ray, or do without: animate --jobs") from absent

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from arguments import Parser, whole  # noqa: E402

#: How often a row is begun whose worker dies.
TRIES = 3
#: Rows on their way to each worker: one that is done, and one that waits.
IN_FLIGHT = 2
#: Seconds without any worker after which that is told.
IMPATIENCE = 30


def animate_program() -> str:
    """The program: $ANIMATE, that of the Python package, of the PATH, or of this checkout's build."""
    named = os.environ.get("ANIMATE") or shutil.which("portrait-animate")
    if named:
        return named
    try:
        import gst_portrait

        if found := gst_portrait.program():
            return str(found)
    except ImportError:
        pass
    built = pathlib.Path(__file__).resolve().parents[2] / "target" / "release" / "animate"
    if built.is_file():
        return str(built)
    raise SystemExit("error: portrait-animate is not there: install gst-portrait, or set ANIMATE to its file")


def plan(program: str, table: pathlib.Path) -> list[dict[str, Any]]:
    """The table's rows as the program reads them: a line of JSON each, bad rows with their error."""
    output = subprocess.run([program, "--jobs", str(table), "--plan"], capture_output=True, text=True, check=False)
    if output.returncode:
        raise SystemExit(output.stderr.strip() or f"error: {program} cannot read {table}")
    return [json.loads(line) for line in output.stdout.splitlines()]


def choose(waiting: list[dict[str, Any]], photo: str | None, taken: set[str]) -> int:
    """Where the next row is: one of the photo that the worker has loaded, else of one that no worker has, else the first."""
    same = (at for at, row in enumerate(waiting) if row["photo"] == photo)
    free = (at for at, row in enumerate(waiting) if row["photo"] not in taken)
    return next(same, next(free, 0))


# Ray starts an actor anew that died, waits for it, and does its rows again.
@ray.remote(max_restarts=-1, max_task_retries=TRIES - 1)
class Worker:
    """Makes films, one after the other, with models and photos kept between them."""

    def __init__(self, program: str, patience: int) -> None:
        self.program, self.patience = program, patience
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> str | None:
        """Starts its process; says why, where that cannot be."""
        try:
            self._process()
        except OSError as error:
            return f"{os.uname().nodename} cannot start {self.program}: {error.strerror}"
        return None

    def _process(self) -> subprocess.Popen[str]:
        if self.process is None:
            # It ends with this actor: its input ends.
            command = [self.program, "--job-worker"]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self.process

    def make(self, job: dict[str, Any]) -> dict[str, Any]:
        """Makes the film of a row and returns its line of the report; a process that dies is replaced."""
        status = 0
        for _ in range(TRIES):
            if outcome := self._ask(job):
                return outcome
            process, self.process = self._process(), None
            process.kill()
            process.communicate()
            status = process.returncode
        reason = f"the process that rendered it died {TRIES} times, with status {status}"
        return {"row": job["row"], "output": job["output"], "status": "failed", "error": reason}

    def _ask(self, job: dict[str, Any]) -> dict[str, Any] | None:
        process = self._process()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps({"job": job, "patience": self.patience}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            return None
        # A line that was cut is that of a process that died.
        return json.loads(line) if line.endswith("\n") else None


def start_ray(arguments: argparse.Namespace) -> None:
    """Joins a cluster, or starts one on this machine with a core for each worker, whether there are as many or not."""
    options: dict[str, Any] = {"address": arguments.address, "log_to_driver": False}
    if arguments.address is None and "RAY_ADDRESS" not in os.environ:
        wanted = math.ceil(arguments.workers * arguments.cpus)
        options |= {"include_dashboard": False, "num_cpus": max(os.cpu_count() or 1, wanted)}
        # Ray would start workers with `nice -n 15`, behind whatever else runs here: that is for who starts this to say.
        os.environ.setdefault("RAY_worker_niceness", "0")
    ray.init(**options)


def run(arguments: argparse.Namespace) -> int:
    program = animate_program()
    table = arguments.table.resolve()
    rows = plan(program, table)
    report = (arguments.report or table.with_name(table.name + ".report.jsonl")).open("a", encoding="utf-8")

    count = {"done": 0, "failed": 0, "skipped": 0}
    start = time.monotonic()

    def tell(outcome: dict[str, Any]) -> None:
        count[outcome["status"]] += 1
        report.write(json.dumps(outcome) + "\n")
        report.flush()
        done = sum(count.values())
        rate = done / (time.monotonic() - start)
        rest = (len(rows) - done) / rate
        if outcome.get("error"):
            print(f"error: row {outcome['row']}: {outcome['error']}", file=sys.stderr, flush=True)
        print(f"{done} of {len(rows)} films, {rate:.2f} a second, {rest:.0f} s to go", flush=True)

    waiting = []
    for row in rows:
        if "error" in row:
            tell(row | {"status": "failed"})
        elif pathlib.Path(row["output"]).is_file() and not arguments.again:
            tell({"row": row["row"], "output": row["output"], "status": "skipped", "error": None})
        else:
            waiting.append(row)

    start_ray(arguments)
    workers = [
        Worker.options(num_cpus=arguments.cpus).remote(program, arguments.patience)  # type: ignore[attr-defined]
        for _ in range(min(arguments.workers, len(waiting)))
    ]
    # A worker has rows from when it has started: one for which there is no core, or no program where it is, takes none.
    flying: dict[Any, tuple[int, dict[str, Any] | None]] = {
        worker.start.remote(): (number, None) for number, worker in enumerate(workers)
    }
    photos: dict[int, str] = {}

    def send(worker: int) -> None:
        if waiting:
            job = waiting.pop(choose(waiting, photos.get(worker), set(photos.values())))
            photos[worker] = job["photo"]
            flying[workers[worker].make.remote(job)] = (worker, job)

    why = ""
    while flying and (waiting or any(job for _, job in flying.values())):
        ready, _ = ray.wait(list(flying), num_returns=1, timeout=None if photos else IMPATIENCE)
        if not ready:
            cores = ray.cluster_resources().get("CPU", 0)
            print(f"no worker has a place yet: Ray has {cores:g} cores in all", file=sys.stderr, flush=True)
        for one in ready:
            worker, job = flying.pop(one)
            try:
                answer, died = ray.get(one), False
            except ray.exceptions.RayActorError as error:
                answer, died = f"its worker died {TRIES} times: {type(error).__name__}", True
            except ray.exceptions.RayError as error:
                answer, died = str(error).strip().splitlines()[-1], True
            if job is not None:
                failed = {"row": job["row"], "output": job["output"], "status": "failed", "error": answer}
                tell(failed if died else answer)
                send(worker)
            elif answer is None:
                for _ in range(IN_FLIGHT):
                    send(worker)
            else:
                why = answer
                print(f"error: worker {worker + 1} does not start: {why}", file=sys.stderr, flush=True)
    for job in waiting:
        reason = f"no worker has started: {why}"
        tell({"row": job["row"], "output": job["output"], "status": "failed", "error": reason})
    seconds = time.monotonic() - start
    print(
        f"{count['done']} films done, {count['skipped']} skipped, {count['failed']} failed of {len(rows)}"
        f" in {seconds:.1f} s ({count['done'] / seconds:.2f} films a second)"
    )
    ray.shutdown()
    return 1 if count["failed"] else 0


def main() -> int:
    parser = Parser(description="A table of films on Ray")
    parser.add_argument("table", type=pathlib.Path, help="CSV, JSON Lines or Parquet, as of animate --jobs")
    parser.add_argument("--workers", type=whole(1), default=os.cpu_count() or 1, help="films side by side")
    parser.add_argument("--cpus", type=float, default=1, help="cores that Ray reserves for each worker")
    parser.add_argument("--address", help="of a cluster, as in auto or ray://HOST:10001; none = this machine")
    parser.add_argument("--patience", type=whole(1), default=20, help="seconds without progress before a film is given up")
    parser.add_argument("--report", type=pathlib.Path, help="file for a line of JSON a row; else beside the table")
    parser.add_argument("--again", action="store_true", help="make films anew that are there")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
