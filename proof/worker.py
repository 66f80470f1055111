"""A real BullMQ worker that writes every run to a file, outside of Redis and the ledger.

``worker URL RECORD QUEUE…``. A job fails as often as its data says: while the generation of its
hand-over (0 before the first one) is at most ``fails_through``. Stamp and attempt are read from the
record that the library's own script returned when it made the job active, so that they are those
of this run.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from bullmq import Worker

LOCK_MILLISECONDS = 4000
STALL_CHECK_MILLISECONDS = 1000
CONCURRENCY = 8


class Record:
    """Lines appended in one write each: whole, even if the process is killed right after."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, event: str, run: str, **values: Any) -> None:
        line = {"event": event, "run": run, "at": time.time(), "pid": os.getpid(), **values}
        os.write(self._file, json.dumps(line).encode() + b"\n")


class StampedWorker(Worker):  # type: ignore[misc]  # bullmq ships no types
    """Keeps on the job what its record said at the moment it became active."""

    async def nextJobFromJobData(  # noqa: N802 - the library's name
        self, job_data: Any = None, job_id: Any = None, *others: Any
    ) -> Any:
        job = await super().nextJobFromJobData(job_data, job_id, *others)
        if job is not None:
            job.stamp = job_data.get("redrive")
        return job


class Processor:
    """Runs the jobs of one queue and records what happens."""

    def __init__(self, queue: str, record: Record) -> None:
        self._queue = queue
        self._record = record
        self._runs: dict[int, str] = {}

    async def run(self, job: Any, _token: str) -> str:
        run = uuid.uuid4().hex
        self._runs[id(job)] = run
        self._record.write(
            "start",
            run,
            queue=self._queue,
            job_id=job.id,
            stamp=job.stamp,
            attempt=job.attemptsStarted,
        )
        await asyncio.sleep(job.data["work_millis"] / 1000)
        fails = _generation(job.stamp) <= job.data["fails_through"]
        self._record.write("end", run, outcome="failed" if fails else "completed")
        if fails:
            raise RuntimeError(f"the provider refused {job.id}")
        return "done"

    def reported(self, job: Any, *_more: Any) -> None:
        """The library has told Redis how the run ended."""
        run = self._runs.pop(id(job), None)
        if run is not None:
            self._record.write("reported", run)


def _generation(stamp: str | None) -> int:
    return int(stamp.rpartition(":")[2]) if stamp else 0


async def work(url: str, record: Record, queues: list[str]) -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    workers = []
    for queue in queues:
        processor = Processor(queue, record)
        worker = StampedWorker(
            queue,
            processor.run,
            {
                "connection": url,
                "concurrency": CONCURRENCY,
                "lockDuration": LOCK_MILLISECONDS,
                "stalledInterval": STALL_CHECK_MILLISECONDS,
                "maxStalledCount": 1000,
                "runRetryDelay": 200,
                "drainDelay": 1,
            },
        )
        worker.on("completed", processor.reported)
        worker.on("failed", processor.reported)
        worker.on("error", lambda *_: None)
        workers.append(worker)
    await stop.wait()
    for worker in workers:
        await worker.close()


def node_worker() -> Path | None:
    """The same worker in Node.js, where Node.js and its packages are installed."""
    folder = Path(__file__).parents[1] / "tests" / "support" / "node"
    there = shutil.which("node") and (folder / "node_modules" / "bullmq").exists()
    return folder / "proof.mjs" if there else None


def main_in_node() -> None:
    """Become the worker in Node.js."""
    url, record, *queues = sys.argv[1:]
    numbers = [str(number) for number in (LOCK_MILLISECONDS, STALL_CHECK_MILLISECONDS, CONCURRENCY)]
    os.execvp("node", ["node", str(node_worker()), url, record, *numbers, *queues])


def main() -> None:
    url, record, *queues = sys.argv[1:]
    asyncio.run(work(url, Record(Path(record)), queues))


if __name__ == "__main__":
    main()
