"""``python -m benchmarks``: measure, print tables, write JSON to ``benchmarks/results``."""

from __future__ import annotations

import argparse
import asyncio

import structlog

from benchmarks import (
    bulk_retry,
    cancelling,
    costs,
    following,
    neighbours,
    others,
    pacing,
    planning,
    reading,
    retention,
    space,
)
from benchmarks.report import Measured, show_servers
from benchmarks.worlds import BACKENDS, world
from tests.support.interrupting import ended_in_order

PARTS = (
    *("bulk-retry", "others", "cancelling", "neighbours", "following"),
    *("reading", "planning", "retention", "pacing", "costs", "space"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="may be given repeatedly")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        action="append",
        help="may be given repeatedly; default: both",
    )
    parser.add_argument(
        "--sizes", default="1000,10000,100000", help="entries of a bulk retry, several with commas"
    )
    parser.add_argument("--entries", type=int, default=100_000, help="of every other measurement")
    parser.add_argument(
        "--failed", type=int, help="of the ledger that is read, planned or pruned; default: a tenth"
    )
    parser.add_argument("--requests", type=int, default=100, help="of each kind and repeat")
    parser.add_argument("--loop-entries", type=int, default=2_000, help="of loops over a call")
    parser.add_argument(
        "--paced-seconds", type=float, default=4, help="of each rate that is measured"
    )
    parser.add_argument(
        "--live-seconds", type=float, default=5, help="of a live queue without a bulk retry"
    )
    parser.add_argument("--repeats", type=int, default=3)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    given = parser.parse_args()
    with ended_in_order():
        asyncio.run(_measure(given))


async def _measure(given: argparse.Namespace) -> None:
    parts = given.only or PARTS
    count, repeats = given.entries, given.repeats
    failed = count // 10 if given.failed is None else given.failed
    rates: dict[str, Measured] = {}
    with world(given.backend or BACKENDS) as servers:
        show_servers(await servers.describe())
        if "bulk-retry" in parts:
            sizes = [int(size) for size in given.sizes.split(",")]
            rates = await bulk_retry.run(servers, sizes=sizes, repeats=repeats)
        if "others" in parts:
            await others.run(
                servers, count=given.loop_entries, size=count, repeats=repeats, beside=rates
            )
        if "cancelling" in parts:
            await cancelling.run(servers, count=count, repeats=repeats)
        if "neighbours" in parts:
            await neighbours.run(
                servers, count=count, repeats=repeats, alone_seconds=given.live_seconds
            )
        if "following" in parts:
            await following.run(servers, count=count, repeats=repeats)
        if "reading" in parts:
            await reading.run(
                servers, count=count, failed=failed, requests=given.requests, repeats=repeats
            )
        if "planning" in parts:
            await planning.run(servers, count=count, failed=failed, repeats=repeats)
        if "retention" in parts:
            await retention.run(servers, count=count, failed=failed, repeats=repeats)
        if "pacing" in parts:
            await pacing.run(servers, seconds=given.paced_seconds)
        if "costs" in parts:
            await costs.run(servers, count=count, repeats=repeats)
        if "space" in parts:
            await space.run(servers, count=count)


if __name__ == "__main__":
    main()
