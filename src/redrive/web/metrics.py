"""Prometheus metrics, in a registry of their own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Iterator, Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from redrive.domain import EntryState, OperationTally, Prunable
from redrive.errors import RedriveError
from redrive.overview import Overview
from redrive.standing import Summary

log = structlog.get_logger()

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
_FRESH_SECONDS = 5.0
_PATIENCE_SECONDS = 2.0


class Metrics:
    """Requests as they come; entries, operations and followers as the overview tells them, asked
    at most every five seconds and left out while a store is away."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "redrive_http_requests",
            "HTTP requests.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "redrive_http_request_seconds",
            "Time to the end of the answer.",
            ("method", "route"),
            registry=self._registry,
        )
        self._told: list[Metric] = []
        self._asked_at = float("-inf")
        self._registry.register(self)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. Labels are bounded: route templates and known methods."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    async def render(self, overview: Overview) -> bytes:
        """The metrics as text. Never fails."""
        if time.monotonic() - self._asked_at > _FRESH_SECONDS:
            self._told = await _told_by(overview)
            self._asked_at = time.monotonic()
        text: bytes = generate_latest(self._registry)
        return text

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for at each rendering."""
        yield from self._told


async def _told_by(overview: Overview) -> list[Metric]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            summary = await overview.summary()
            tallies = await overview.tallies()
            pruned = await overview.pruned()
            failing_groups = await overview.failing_groups()
    except (RedriveError, TimeoutError) as error:
        log.warning("metrics_without_stores", error=str(error))
        return []
    return [
        _entries(summary),
        GaugeMetricFamily(
            "redrive_failing_groups", "Groups with failed entries.", value=failing_groups
        ),
        _lag(summary),
        *_operations(tallies),
        _pruned(pruned),
    ]


def _entries(summary: Summary) -> Metric:
    family = GaugeMetricFamily("redrive_entries", "Entries by state.", labels=["state"])
    for state in EntryState:
        family.add_metric([state.value], summary.standing.totals.get(state, 0))
    return family


def _lag(summary: Summary) -> Metric:
    family = GaugeMetricFamily(
        "redrive_follower_lag_seconds",
        "Time since everything that had failed was in the ledger.",
        labels=["source"],
    )
    for follower in summary.standing.followers:
        if follower.lag_seconds is not None:
            family.add_metric([follower.source], follower.lag_seconds)
    return family


def _pruned(pruned: Mapping[Prunable, int]) -> Metric:
    family = CounterMetricFamily("redrive_pruned", "Rows removed by pruning.", labels=["what"])
    for what, removed in pruned.items():
        family.add_metric([what.value], removed)
    return family


def _operations(tallies: Sequence[OperationTally]) -> tuple[Metric, ...]:
    operations = GaugeMetricFamily(
        "redrive_operations", "Operations by state.", labels=["kind", "state"]
    )
    seconds = SummaryMetricFamily(
        "redrive_operation_duration_seconds",
        "Time from the first claim to the end.",
        labels=["kind", "state"],
    )
    retries = CounterMetricFamily(
        "redrive_retries", "Entries that operations took, by result.", labels=["kind", "result"]
    )
    # No counter: a job that had vanished may be seen again, and then counts as recovered.
    outcomes = GaugeMetricFamily(
        "redrive_outcomes", "What has become of requeued jobs.", labels=["kind", "outcome"]
    )
    same = CounterMetricFamily(
        "redrive_failed_same",
        "Requeued jobs that failed again the same way as before.",
        labels=["kind"],
    )
    results: Tally[tuple[str, str]] = Tally()
    became: Tally[tuple[str, str]] = Tally()
    alike: Tally[str] = Tally()
    for tally in tallies:
        kind = tally.kind.value
        operations.add_metric([kind, tally.state.value], tally.operations)
        if tally.state.terminal:
            seconds.add_metric([kind, tally.state.value], tally.operations, tally.seconds)
        for result in ("skipped", "errored", "dismissed", "taken_back"):
            results[kind, result] += getattr(tally, result)
        # A counter never goes down: what was taken back had been moved all the same.
        results[kind, "requeued"] += tally.requeued + tally.taken_back
        for outcome in ("recovered", "failed_again", "vanished"):
            became[kind, outcome] += getattr(tally, outcome)
        became[kind, "waiting"] += tally.waiting
        alike[kind] += tally.failed_same
    for labels, count in sorted(results.items()):
        retries.add_metric(labels, count)
    for labels, count in sorted(became.items()):
        outcomes.add_metric(labels, count)
    for kind, count in sorted(alike.items()):
        same.add_metric([kind], count)
    return operations, seconds, retries, outcomes, same
