"""``python -m proof``: play scenarios side by side, print each failure with its seed, and sums."""

from __future__ import annotations

import argparse
import asyncio
import sys

from proof.campaign import run
from proof.plan import BACKENDS
from tests.support.interrupting import ended_in_order


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="proof", description=__doc__)
    parser.add_argument("--seeds", type=int, default=30, help="scenarios from seeds, per database")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--backend", choices=BACKENDS, help="default: both, in turn")
    parser.add_argument("--only", help="play the scenarios whose name contains this")
    parser.add_argument("--no-steps", action="store_true", help="leave out steps and moments")
    parser.add_argument("--at-once", type=int, default=6, help="scenarios side by side")
    parser.add_argument("--minutes", type=float, help="begin no scenario after this time")
    return parser


def main() -> int:
    given = parser().parse_args()
    with ended_in_order():
        return asyncio.run(run(given))


if __name__ == "__main__":
    sys.exit(main())
