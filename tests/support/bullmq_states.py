"""Generated states of a queue, written the same way into as many databases as wanted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Client = Any
"""A redis-py client that returns text; its types leave open what it returns."""

BASE = "bull:q:"
PARENT = "bull:parents:p1"
FAILED_AT = 1_700_000_000_000
PLACES = ("failed", "completed", "wait", "active", "delayed", "prioritized", "nowhere", "no hash")
TIES = (None, "unsuccessful", "failed", "processed", "dependencies", "none")


@dataclass(frozen=True, kw_only=True)
class GeneratedJob:
    number: int
    place: str
    finished_at: int
    priority: str | None
    options: dict[str, Any]
    tie: str | None
    fields: dict[str, str]

    @property
    def job_id(self) -> str:
        return f"job {self.number} é"

    @property
    def key(self) -> str:
        return BASE + self.job_id

    @property
    def is_finished(self) -> bool:
        return self.place in ("failed", "completed")


@dataclass(frozen=True, kw_only=True)
class GeneratedQueue:
    jobs: list[GeneratedJob]
    meta: dict[str, str]
    counter: int | None
    active: int
    waiting: int
    marker: bool
    has_parent: bool
    requests: list[int] = field(default_factory=list)


_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "atm": st.sampled_from(["0", "3"]),
        "ats": st.sampled_from(["1", "4"]),
        "failedReason": st.just("boom"),
        "returnvalue": st.just('"done"'),
        "processedOn": st.just("1699999999999"),
        "stacktrace": st.just('["Error: boom"]'),
        "delay": st.just("0"),
        "progress": st.just("50"),
        "pb": st.just("worker"),
    },
)
_OPTIONS = st.fixed_dictionaries(
    {"attempts": st.integers(1, 3)},
    optional={"lifo": st.booleans(), "note": st.just('"lifo":true')},
)


@st.composite
def queues(draw: st.DrawFn) -> GeneratedQueue:
    """A queue with jobs in every place, and the order in which they are asked for."""
    jobs = [
        GeneratedJob(
            number=number,
            place=draw(st.sampled_from(PLACES)),
            finished_at=FAILED_AT + draw(st.integers(0, 1)),
            priority=draw(st.sampled_from([None, "0", "1", "7", "2097152"])),
            options=draw(_OPTIONS),
            tie=draw(st.sampled_from(TIES)),
            fields=draw(_FIELDS),
        )
        for number in range(draw(st.integers(1, 12)))
    ]
    meta = {
        "paused": draw(st.sampled_from([None, None, "1"])),
        "concurrency": draw(st.sampled_from([None, "1", "2", "50"])),
        "opts.maxLenEvents": draw(st.sampled_from([None, "3", "10000"])),
        "version": draw(st.sampled_from([None, "bullmq:6.7.0"])),
    }
    return GeneratedQueue(
        jobs=jobs,
        meta={field: value for field, value in meta.items() if value is not None},
        counter=draw(st.none() | st.integers(0, 9) | st.just(2**32 - 2)),
        active=draw(st.integers(0, 2)),
        waiting=draw(st.integers(0, 2)),
        marker=draw(st.booleans()),
        has_parent=draw(st.booleans()),
        requests=draw(st.permutations(range(len(jobs)))),
    )


def write(client: Client, queue: GeneratedQueue) -> None:
    """Put the state into the client's database."""
    if queue.meta:
        client.hset(BASE + "meta", mapping=queue.meta)
    if queue.counter is not None:
        client.set(BASE + "pc", queue.counter)
    if queue.marker:
        client.zadd(BASE + "marker", {"1": 12345})
    if queue.has_parent:
        client.hset(PARENT, mapping={"name": "parent", "data": "{}", "timestamp": "1"})
    for number in range(queue.active):
        client.lpush(BASE + "active", f"active {number}")
    for number in range(queue.waiting):
        client.lpush(BASE + "wait", f"waiting {number}")
    for job in queue.jobs:
        _write_job(client, job)


def _write_job(client: Client, job: GeneratedJob) -> None:
    if job.is_finished:
        client.zadd(BASE + job.place, {job.job_id: job.finished_at})
    elif job.place in ("delayed", "prioritized"):
        client.zadd(BASE + job.place, {job.job_id: 5})
    elif job.place in ("wait", "active"):
        client.lpush(BASE + job.place, job.job_id)
    elif job.place == "no hash":
        client.zadd(BASE + "failed", {job.job_id: job.finished_at})
    if job.place not in ("nowhere", "no hash"):
        client.hset(job.key, mapping=_record(job))
    _tie(client, job)


def _record(job: GeneratedJob) -> dict[str, str]:
    record = {
        "name": "job",
        "data": '{"n":1}',
        "opts": json.dumps(job.options),
        "timestamp": "1699999990000",
        **job.fields,
    }
    if job.is_finished:
        record["finishedOn"] = str(job.finished_at)
    if job.priority is not None:
        record["priority"] = job.priority
    if job.tie is not None:
        record["parentKey"] = PARENT
        record["parent"] = json.dumps({"id": "p1", "queueKey": "bull:parents"})
    return record


def _tie(client: Client, job: GeneratedJob) -> None:
    if job.tie == "unsuccessful":
        client.zadd(f"{PARENT}:unsuccessful", {job.key: FAILED_AT})
    elif job.tie in ("failed", "processed"):
        client.hset(f"{PARENT}:{job.tie}", job.key, "value")
    elif job.tie == "dependencies":
        client.sadd(f"{PARENT}:dependencies", job.key)


def dump(client: Client) -> dict[str, object]:
    """All keys of the database but Redrive's own with what they hold; of streams without the
    entries' ids."""
    keys = (key for key in sorted(client.keys("*")) if ":redrive:" not in key)
    return {key: _value(client, key) for key in keys}


def _value(client: Client, key: str) -> object:
    readers: dict[str, Any] = {
        "string": lambda: client.get(key),
        "list": lambda: client.lrange(key, 0, -1),
        "set": lambda: client.smembers(key),
        "zset": lambda: client.zrange(key, 0, -1, withscores=True),
        "hash": lambda: client.hgetall(key),
        "stream": lambda: [fields for _, fields in client.xrange(key)],
    }
    return readers[client.type(key)]()
