"""``python -m benchmarks``: measure, print tables, write JSON to ``benchmarks/results``."""

from __future__ import annotations

import argparse
import asyncio

import structlog

from benchmarks import bulk_retry, following, reading, retention


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--entries",
        type=int,
        default=100_000,
        help="entries of a bulk retry, or of the ledger that is read or pruned",
    )
    parser.add_argument(
        "--failed", type=int, help="failed ones of the ledger's entries; default: a tenth"
    )
    parser.add_argument("--requests", type=int, default=100, help="of each kind and repeat")
    parser.add_argument("--loop-entries", type=int, default=2_000, help="of the per-entry loop")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=("bulk-retry", "following", "reading", "retention"))
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
    failed = given.entries // 10 if given.failed is None else given.failed
    if given.only in (None, "reading"):
        asyncio.run(
            reading.run(
                count=given.entries,
                failed=failed,
                requests=given.requests,
                repeats=given.repeats,
            )
        )
    if given.only in (None, "retention"):
        asyncio.run(retention.run(count=given.entries, failed=failed, repeats=given.repeats))


if __name__ == "__main__":
    main()
