"""``python -m benchmarks.runner_process OPERATION_ID``: one runner, in a process of its own.

Says ``ready``, waits for a line, carries the operation out and says as JSON how long that took
(``seconds``), the processor time that it used for it (``cpu_seconds``) and the most memory that
the process ever had (``peak_megabytes``).
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from time import perf_counter, process_time

import structlog

from redrive.domain import OperationId
from redrive.garbage import collect_rarely
from redrive.settings import load_settings
from redrive.wiring import build_runner, open_services


async def main(operation_id: OperationId) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    async with open_services(load_settings()) as services:
        await services.overview.operation(operation_id)
        collect_rarely()
        print("ready", flush=True)
        sys.stdin.readline()
        began, used = perf_counter(), process_time()
        await build_runner(services).run(operation_id)
        said = {"seconds": perf_counter() - began, "cpu_seconds": process_time() - used}
    print(json.dumps(said | {"peak_megabytes": _peak_megabytes()}))


def _peak_megabytes() -> float:
    """Of this process alone: what ``getrusage`` tells begins with its parent's memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    asyncio.run(main(OperationId(sys.argv[1])))
