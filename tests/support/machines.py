"""Running a stateful test on a ledger and queues of its own."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.support.ledgers import LedgerTemplates
from tests.support.servers import RedisServer


def run_machine(
    machine: type[RuleBasedStateMachine],
    ledgers: LedgerTemplates,
    server: RedisServer,
    folder: Path,
    *,
    examples: int,
    steps: int,
) -> None:
    """Play so many examples of so many steps; each begins with a copy of an empty ledger."""
    template = Path(ledgers.create("sqlite", folder).removeprefix("sqlite:///"))
    run_state_machine_as_test(
        type("Machine", (machine,), {"template": template, "redis": server}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
