"""Failed jobs in bulk, as the library leaves them, and their entries in a ledger."""

from __future__ import annotations

import json
import time

from redis import Redis

from redrive.wiring import Services, build_follower
from tests.support.servers import RedisServer

QUEUE = "mail"
_CHUNK = 2000
_BASE_MILLIS = 1_760_000_000_000
_REWRITES, _WHEN_DOUBLED = "auto-aof-rewrite-percentage", 100
_LOOK_SECONDS = 0.02
_STACK = json.dumps(
    ["Error: connect ECONNREFUSED 10.0.0.7:443\n    at deliver (/srv/app/mail.js:42:11)"]
)


def seed_failed_jobs(
    server: RedisServer, count: int, *, apps: int = 20, first_number: int = 0
) -> None:
    """Write ``count`` failed jobs of ``apps`` apps, from a number on, into an emptied Redis.

    Its append-only file holds them and nothing else then, so that what is measured does not pay
    for the seeding; from then on the server rewrites the file when it would anyway.
    """
    client = server.client()
    client.config_set(_REWRITES, 0)
    _wait_for_rewrite(client)
    client.flushall()
    client.hset(f"bull:{QUEUE}:meta", mapping={"opts.maxLenEvents": 10000})
    end = first_number + count
    for first in range(first_number, end, _CHUNK):
        _write(client, range(first, min(first + _CHUNK, end)), apps)
    client.bgrewriteaof()
    _wait_for_rewrite(client)
    client.config_set(_REWRITES, _WHEN_DOUBLED)
    client.close()


def _wait_for_rewrite(client: Redis) -> None:
    while True:
        state = client.info("persistence")
        if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
            return
        time.sleep(_LOOK_SECONDS)


def _write(client: Redis, numbers: range, apps: int) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for number in numbers:
            failed_at = _BASE_MILLIS + number
            data = {"app_id": f"app-{number % apps}", "to": f"user{number}@example.com"}
            pipeline.hset(
                f"bull:{QUEUE}:{number}",
                mapping={
                    "name": "deliver",
                    "data": json.dumps(data, separators=(",", ":")),
                    "opts": '{"attempts":3}',
                    "timestamp": failed_at - 60_000,
                    "delay": 0,
                    "priority": 0,
                    "processedOn": failed_at - 50,
                    "finishedOn": failed_at,
                    "failedReason": "connect ECONNREFUSED 10.0.0.7:443",
                    "stacktrace": _STACK,
                    "atm": 3,
                    "ats": 3,
                },
            )
        pipeline.zadd(
            f"bull:{QUEUE}:failed", {str(number): _BASE_MILLIS + number for number in numbers}
        )
        pipeline.execute()


async def take_in(services: Services) -> int:
    """Let the follower take in everything; returns how many failures there were."""
    return await build_follower(services, services.engines["default"]).scan()
