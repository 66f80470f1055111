"""``python -m benchmarks``: measure, print tables, write JSON to ``benchmarks/results``."""

from __future__ import annotations

import argparse
import asyncio

import structlog

from benchmarks import bulk_retry, following


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000, help="entries of a bulk retry")
    parser.add_argument("--loop-entries", type=int, default=2_000, help="of the per-entry loop")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=("bulk-retry", "following"))
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if given.only in (None, "bulk-retry"):
        asyncio.run(
            bulk_retry.run(
                count=given.entries, loop_count=given.loop_entries, repeats=given.repeats
            )
        )
    if given.only in (None, "following"):
        asyncio.run(following.run(count=given.entries, repeats=given.repeats))


if __name__ == "__main__":
    main()
