"""``python -m benchmarks``: measure, print tables, write JSON to ``benchmarks/results``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence

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
from benchmarks.report import Measured, NotMeasuredError, show_servers
from benchmarks.worlds import BACKENDS, world
from tests.support.arguments import number, whole, wholes
from tests.support.interrupting import ended_in_order

PARTS = (
    *("bulk-retry", "others", "cancelling", "neighbours", "following"),
    *("reading", "planning", "retention", "pacing", "costs", "space"),
)
ON_POSTGRESQL = ("neighbours", "costs")
"""What is measured on PostgreSQL alone."""

_LEAST_ENTRIES, _LEAST_FAILED = 1_000, 100
_LEAST_SIZE = 2
"""One entry for each of two apps."""

_NUMBERS: Mapping[str, tuple[Callable[[str], object], object, str]] = {
    "--sizes": (wholes(_LEAST_SIZE), "1000,10000,100000", "entries of bulk-retry"),
    "--entries": (whole(_LEAST_ENTRIES), 100_000, "entries of every other part but pacing"),
    "--requests": (whole(1), 100, "requests of each kind in each repeat of reading"),
    "--loop-entries": (
        whole(1),
        2_000,
        "jobs of each loop of others, ten times as many of the script and Node",
    ),
    "--paced-seconds": (
        number(1),
        4,
        "seconds of each course of pacing, twice as many of the ramp",
    ),
    "--live-seconds": (number(0.5), 5, "seconds of the live queue of neighbours by itself"),
    "--repeats": (whole(1), 3, "repeats of what is measured more than once"),
}


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        choices=PARTS,
        action="append",
        help="measure this part; may be given repeatedly; default: all",
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        action="append",
        help="measure on this database; may be given repeatedly; default: both "
        f"({' and '.join(ON_POSTGRESQL)}: PostgreSQL alone)",
    )

    parser.add_argument(
        "--failed",
        type=whole(_LEAST_FAILED),
        metavar="N",
        help="how many of the entries of reading, planning and retention have failed; "
        "default: a tenth",
    )
    for option, (kind, default, told) in _NUMBERS.items():
        several = "N,N" if option == "--sizes" else "N"
        told = f"{told}; default: {default}"
        parser.add_argument(option, type=kind, default=default, metavar=several, help=told)
    return parser


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What is to be measured, and on what; what cannot be is refused, with exit code 2."""
    options = parser()
    given = options.parse_args(arguments)
    given.backend = [name for name in BACKENDS if name in (given.backend or BACKENDS)]
    if given.failed is None:
        given.failed = given.entries // 10
    if given.failed > given.entries:
        options.error(
            f"argument --failed: {given.failed:,} is more than the {given.entries:,} of --entries"
        )
    elsewhere = () if "postgresql" in given.backend else ON_POSTGRESQL
    refused = [part for part in given.only or () if part in elsewhere]
    if refused:
        options.error(f"argument --only: {refused[0]} is measured on PostgreSQL alone")
    given.only = [part for part in given.only or PARTS if part not in elsewhere]
    return given


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    given = parsed()
    with ended_in_order():
        try:
            asyncio.run(_measure(given))
        except NotMeasuredError as problem:
            sys.exit(f"Not measured: {problem}")


async def _measure(given: argparse.Namespace) -> None:
    parts, count, failed, repeats = given.only, given.entries, given.failed, given.repeats
    rates: dict[str, Measured] = {}
    with world(given.backend) as servers:
        show_servers(await servers.describe())
        if "bulk-retry" in parts:
            rates = await bulk_retry.run(servers, sizes=given.sizes, repeats=repeats)
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
