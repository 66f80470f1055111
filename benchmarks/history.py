"""The rows of a ledger with a long history, one table at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redrive.domain import EntryId, EntryState, OperationId, entry_id_of, to_millis
from redrive.ledger.rows import pack

Row = tuple[Any, ...]

APPS, QUEUES = 100, ("mail", "webhooks", "invoices", "reports", "exports")
ERRORS = (
    ("Error", "connect ECONNREFUSED 10.0.0.7:443"),
    ("TimeoutError", "the provider did not answer within 30 seconds"),
    ("HttpError", "503 Service Unavailable from https://api.example.com/v2/deliver"),
    ("ValidationError", "the address is not known"),
)
RARE_ERROR = "certificate has expired"
_STACK = pack(b"Error: connect ECONNREFUSED\n    at deliver (/srv/app/mail.js:42:11)" * 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """``count`` entries up to ``until``, ``failed`` of them failed and evenly between the others,
    which operations of ``operation_size`` have put back: most recovered, a few vanished."""

    count: int
    failed: int
    until: datetime
    span: timedelta = timedelta(days=20)
    operation_size: int = 1000

    def state(self, number: int) -> EntryState:
        if number * self.failed // self.count != (number + 1) * self.failed // self.count:
            return EntryState.FAILED
        return EntryState.VANISHED if number % 50 == 0 else EntryState.RECOVERED

    def at(self, number: int) -> int:
        """When an entry failed, in milliseconds since 1970."""
        begin = to_millis(self.until - self.span)
        return begin + int(self.span.total_seconds() * 1000) * number // self.count

    def entry_id(self, number: int) -> EntryId:
        return entry_id_of("default", QUEUES[number % len(QUEUES)], f"job-{number}")

    def operation_of(self, number: int) -> OperationId:
        """The operation of an entry that is over, begun when the first of its entries failed."""
        first = number // self.operation_size * self.operation_size
        return OperationId(f"op_{self.at(first):012x}{first:012x}")

    def apps(self) -> Iterator[Row]:
        counts: defaultdict[str, Counter[EntryState]] = defaultdict(Counter)
        for number in range(self.count):
            counts[_app(number)][self.state(number)] += 1
        begin, end = self.at(0), self.at(self.count - 1)
        for app_id, states in counts.items():
            yield app_id, begin, end, *(states[state] for state in EntryState)

    def entries(self) -> Iterator[Row]:
        for number in range(self.count):
            yield self._entry(number)

    def _entry(self, number: int) -> Row:
        at, state, pk = self.at(number), self.state(number), number + 1
        failed = state is EntryState.FAILED
        queue = QUEUES[number % len(QUEUES)]
        kind, message = ERRORS[number % 7 % len(ERRORS)]
        over_at = None if failed else at + 1000
        return (
            *(pk, self.entry_id(number), _app(number), "default", queue),
            *(f"job-{number}", "deliver", state.value, None if failed else "failed", "", pk, pk),
            *(1, 0 if failed else 1, at, at, at - 60_000, at - 50, over_at),
            *(over_at if state is EntryState.RECOVERED else None, over_at or at),
            *(kind, RARE_ERROR if number % 99_991 == 17 else message, 3, 64, False),
            *(None if failed else self.operation_of(number), self._group(number)),
        )

    def _group(self, number: int) -> int:
        """Which of the groups an entry is of: an error has as many as there are queues."""
        return number % 7 % len(ERRORS) * len(QUEUES) + number % len(QUEUES) + 1

    def groups(self) -> Iterator[Row]:
        failed: Counter[int] = Counter()
        entries: Counter[int] = Counter()
        examples: dict[int, int] = {}
        for number in range(self.count):
            group = self._group(number)
            failed[group] += self.state(number) is EntryState.FAILED
            entries[group] += 1
            examples[group] = number + 1
        begin, end = self.at(0), self.at(self.count - 1)
        for group in sorted(entries):
            kind, message = ERRORS[(group - 1) // len(QUEUES)]
            yield (
                *(group, f"grp_1_{group:024x}", 1, "default", QUEUES[(group - 1) % len(QUEUES)]),
                *("deliver", kind, message, "message", examples[group], failed[group]),
                *(entries[group], entries[group], begin, end),
            )

    def group_activity(self) -> Iterator[Row]:
        minutes = int(self.span.total_seconds() // 60)
        begin = self.at(0) // 60_000
        groups = len(ERRORS) * len(QUEUES)
        failures = self.count // minutes // groups
        for minute in range(minutes if failures else 0):
            for group in range(1, groups + 1):
                yield group, (begin + minute) * 60_000, failures

    def identities(self) -> Iterator[Row]:
        for number in range(self.count):
            yield self.entry_id(number), number + 1

    def payloads(self) -> Iterator[Row]:
        for number in range(self.count):
            data = f'{{"app_id":"{_app(number)}","to":"user{number}@example.com"}}'
            yield (
                *(self.entry_id(number), pack(data.encode())),
                *(pack(b'{"attempts":3}'), "{}", _STACK),
            )

    def items(self) -> Iterator[Row]:
        for number in range(self.count):
            state = self.state(number)
            if state is not EntryState.FAILED:
                at, pk = self.at(number), number + 1
                yield (
                    *(self.operation_of(number), pk, pk, 1, 1, at, "failed"),
                    *("requeued", "requeued", "", state.value, at + 500),
                )

    def operations(self) -> Iterator[Row]:
        for first in range(0, self.count, self.operation_size):
            last = min(first + self.operation_size, self.count)
            states = Counter(self.state(number) for number in range(first, last))
            moved = last - first - states[EntryState.FAILED]
            begin, end = self.at(first), self.at(last - 1) + 2000
            yield (
                *(self.operation_of(first), "retry", "all", "completed", last, last, 2, 1),
                *(moved, moved, states[EntryState.RECOVERED], states[EntryState.VANISHED]),
                *("ada", "10.0.0.1", "the provider is back", begin, begin, end),
            )

    def audit(self) -> Iterator[Row]:
        for first in range(0, self.count, self.operation_size):
            at, operation_id = self.at(first), self.operation_of(first)
            for action, result in (("retry.start", "started"), ("retry.end", "completed")):
                yield at, "ada", "10.0.0.1", action, "all apps", "", result, operation_id, "{}"

    def activity(self) -> Iterator[Row]:
        minutes = int(self.span.total_seconds() // 60)
        begin = self.at(0) // 60_000
        for minute in range(minutes):
            yield (begin + minute) * 60_000, self.count // minutes, self.count // minutes


def _app(number: int) -> str:
    """The first app has a third of the entries."""
    return f"client-{number % APPS if number % 3 else 0}"


COLUMNS = {
    "apps": ("app_id", "first_seen_at", "last_failed_at", *EntryState),
    "entries": (
        *("id", "entry_id", "app_id", "source", "queue", "job_id", "job_name", "state"),
        *("previous_state", "state_reason", "failure_seq", "selectable_seq", "failures"),
        *("generation", "failed_at", "first_failed_at", "created_at", "started_at", "moved_at"),
        *("recovered_at", "heard_at", "error_type", "error_message", "attempts_made"),
        *("data_size", "forgets", "operation_id", "group_pk"),
    ),
    "identities": ("entry_id", "entry_pk"),
    "payloads": ("entry_id", "data", "options", "extra", "stacktrace"),
    "items": (
        *("operation_id", "failure_seq", "entry_pk", "batch_number", "generation", "failed_at"),
        *("from_state", "state", "reason", "detail", "outcome", "settled_at"),
    ),
    "operations": (
        *("operation_id", "kind", "scope", "state", "cutoff_seq", "claimed_through", "next_batch"),
        *("runner_epoch", "total", "requeued", "recovered", "vanished", "actor", "origin"),
        *("reason", "created_at", "started_at", "finished_at"),
    ),
    "audit": (
        *("at", "actor", "origin", "action", "scope", "reason", "result", "operation_id"),
        "counts",
    ),
    "activity": ("minute", "failed", "recovered"),
    "groups": (
        *("group_pk", "group_id", "version", "source", "queue", "job_name", "error_type", "title"),
        *("basis", "example_pk", "failed", "entries", "failures", "first_seen_at"),
        "last_failed_at",
    ),
    "group_activity": ("group_pk", "minute", "failed"),
}
