"""A process that takes operations from the runners' queue and never finishes one.

Run as a script with Redis's URL; prints the id of each operation that it takes.
"""

from __future__ import annotations

import asyncio
import sys

from redrive.dispatch import BullMQOperationQueue
from redrive.domain import OperationId
from redrive.wiring import connect_redis


async def take(operation_id: OperationId) -> bool:
    sys.stdout.write(f"{operation_id}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
    return True


async def main(url: str) -> None:
    await BullMQOperationQueue(lambda: connect_redis(url)).work(take, asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
