"""``python -m proof``: play scenarios side by side, print each failure with the command that plays
it again, and sums. Exits with 0 if nothing was found, 1 if something was or if something that
belongs to the run was not played, 2 for a wrong command line, 130 if interrupted."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from proof.campaign import chosen, run
from proof.plan import BACKENDS
from tests.support.arguments import number, whole
from tests.support.interrupting import ended_in_order

_LEAST_MINUTES = 0.1


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    parser.add_argument(
        "--seeds",
        type=whole(0),
        default=30,
        metavar="N",
        help="how many scenarios follow from seeds, on each database; default: %(default)s",
    )
    parser.add_argument(
        "--first-seed",
        type=whole(0),
        default=1,
        metavar="SEED",
        help="the first of these seeds; default: %(default)s",
    )
    parser.add_argument("--backend", choices=BACKENDS, help="default: both, in turn")
    parser.add_argument(
        "--only",
        metavar="TEXT",
        help="play the scenarios whose name contains this, such as step-moved-1, "
        "moment-runner-while-paused or seed-7; default: all",
    )
    parser.add_argument(
        "--no-steps",
        action="store_true",
        help="leave out the steps, the moments and the leases: seeds alone",
    )
    parser.add_argument(
        "--at-once",
        type=whole(1),
        default=6,
        metavar="N",
        help="how many scenarios are played side by side; default: %(default)s",
    )
    parser.add_argument(
        "--minutes",
        type=number(_LEAST_MINUTES),
        help="begin no scenario after so many minutes; default: play all",
    )
    return parser


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What is to be played; with nothing to play the process exits with 2 and says so."""
    options = parser()
    given = options.parse_args(arguments)
    due, more = chosen(given)
    if not due + more:
        options.error(
            "nothing to play: --seeds 0 and --no-steps leave nothing"
            if given.only is None
            else f"nothing to play: no scenario of this run has {given.only!r} in its name, which "
            "is step-STEP-1, moment-MOMENT, lease-STEP or seed-SEED"
        )
    return given


def main() -> int:
    given = parsed()
    with ended_in_order():
        return asyncio.run(run(given))


if __name__ == "__main__":
    sys.exit(main())
