"""A job record may hold anything; it is shown as what it is, and never stops the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from redrive.domain import Answer, Failure, JobId
from redrive.engines.bullmq.keys import SCRIPT_KEYS
from redrive.engines.bullmq.reading import FIELDS, FailureReader, Record
from redrive.settings import Source
from tests.support.bullmq_batches import AT, all_failures, answers, batch_of, failure_of, item, walk
from tests.support.bullmq_world import BullMQWorld
from tests.support.servers import RedisServer

QUEUE = "mail"
SCORE = 1_700_000_000_000
GOOD = {"name": "job", "data": '{"app_id":"acme"}', "opts": "{}", "timestamp": "1"}


@pytest.fixture
def raw(redis_server: RedisServer) -> Any:
    """A client that takes and gives bytes."""
    return redis.Redis(port=redis_server.port)


def put(raw: Any, job_id: str | bytes, record: dict[str, Any] | None) -> None:
    key = b"bull:mail:" + (job_id.encode() if isinstance(job_id, str) else job_id)
    raw.zadd("bull:mail:failed", {job_id: SCORE})
    if record is not None:
        raw.hset(key, mapping=record)


async def only_failure(world: BullMQWorld) -> Failure:
    [failure] = await all_failures(world.engine, QUEUE)
    texts = (failure.job_id, failure.app_id, failure.job_name, failure.error_type)
    for text in (*texts, failure.error_message, failure.stacktrace):
        assert "\0" not in text
        text.encode()
    return failure


async def test_a_listed_job_without_a_record_is_a_defect_of_its_queue(
    world: BullMQWorld, raw: Any
) -> None:
    put(raw, "ghost", None)
    failure = await only_failure(world)
    assert (failure.job_id, failure.app_id, failure.failed_at) == ("ghost", QUEUE, AT)
    assert failure.defect == "The queue lists this job as failed but has no record of it."
    assert failure.payload is None


async def test_something_else_under_a_jobs_name_is_a_defect_and_an_error(
    world: BullMQWorld, raw: Any
) -> None:
    put(raw, "odd", None)
    raw.set("bull:mail:odd", "not a hash")
    assert (
        await only_failure(world)
    ).defect == "What is stored under this job's name is not a job."
    put(raw, "good", {**GOOD})
    results = await world.engine.requeue(batch_of(QUEUE, [item("odd"), item("good")]))
    assert answers(results) == {"odd": Answer.ERROR, "good": Answer.REQUEUED}
    assert "not one that the queue library writes" in results[0].detail
    assert raw.get("bull:mail:odd") == b"not a hash"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"undefined", b"\xff\xfe", b"\x00", b"[" * 100_000, b"9" * 5000]
)
async def test_data_that_cannot_be_read_is_a_defect_and_is_retried_as_it_is(
    world: BullMQWorld, raw: Any, data: bytes
) -> None:
    put(raw, "1", {**GOOD, "data": data})
    failure = await only_failure(world)
    assert failure.defect == "The job's data is not JSON."
    assert (failure.app_id, failure.data_size) == (QUEUE, len(data))
    assert failure.payload is not None
    assert failure.payload.data == data
    results = await world.engine.requeue(batch_of(QUEUE, [failure]))
    assert answers(results) == {"1": Answer.REQUEUED}
    assert raw.hget("bull:mail:1", "data") == data


async def test_a_job_without_data_is_a_defect(world: BullMQWorld, raw: Any) -> None:
    put(raw, "1", {"name": "job", "timestamp": "1"})
    assert (await only_failure(world)).defect == "The job has no data."


async def test_control_characters_and_invalid_text_become_text_that_a_store_takes(
    world: BullMQWorld, raw: Any
) -> None:
    record = {
        "name": b"na\x00me\xff",
        "data": '{"app_id":"ac\\u0000me\\ud800"}',
        "failedReason": b"\x1b[31mred\x00\xff",
        "stacktrace": b'["Bad\\u0000Error: \\ud83d\\n at x\xff"]',
        "opts": b"\xff",
        "redrive": b"\xff:x",
    }
    put(raw, "1", record)
    failure = await only_failure(world)
    assert failure.job_name == "name\N{REPLACEMENT CHARACTER}"
    assert failure.app_id == "acme?"
    assert failure.error_message == "\x1b[31mred\N{REPLACEMENT CHARACTER}"
    assert failure.stamp is None


async def test_megabytes_of_stack_trace_keep_head_and_tail_of_the_last_one(
    world: BullMQWorld, raw: Any
) -> None:
    last = "DeepError: too deep\n" + "    at frame\n" * 300_000 + "the end"
    put(raw, "1", {**GOOD, "stacktrace": json.dumps(["Error: first", last])})
    failure = await only_failure(world)
    assert failure.error_type == "DeepError"
    assert len(failure.stacktrace) <= 64 * 1024
    assert failure.stacktrace.startswith("DeepError: too deep\n")
    assert failure.stacktrace.endswith("the end")


async def test_a_stack_trace_too_large_to_be_decoded_is_cut_as_it_is(
    world: BullMQWorld, raw: Any
) -> None:
    put(raw, "1", {**GOOD, "stacktrace": '["Error: x' + "y" * 17_000_000})
    assert len((await only_failure(world)).stacktrace) <= 64 * 1024


async def test_a_long_error_message_is_cut(world: BullMQWorld, raw: Any) -> None:
    put(raw, "1", {**GOOD, "failedReason": "é" * 100_000})
    assert (await only_failure(world)).error_message == "é" * 8192


async def test_data_larger_than_the_limit_is_measured_and_not_kept(
    redis_server: RedisServer, raw: Any
) -> None:
    world = BullMQWorld(redis_server, payload_limit=100)
    data = json.dumps({"app_id": "acme", "blob": "x" * 100})
    put(raw, "1", {**GOOD, "data": data})
    failure = await only_failure(world)
    assert (failure.app_id, failure.data_size) == ("acme", len(data))
    assert (failure.payload, failure.defect) == (None, None)
    await world.close()


async def test_a_payload_limit_of_zero_keeps_no_payload(
    redis_server: RedisServer, raw: Any
) -> None:
    world = BullMQWorld(redis_server, payload_limit=0)
    put(raw, "1", {**GOOD})
    assert (await only_failure(world)).payload is None
    await world.close()


async def test_data_of_many_megabytes_is_not_read_at_all(world: BullMQWorld, raw: Any) -> None:
    put(raw, "1", {**GOOD, "data": '{"a":"' + "x" * 17_000_000 + '"}'})
    failure = await only_failure(world)
    assert failure.defect == "The job's data is too large to be read: 17000008 bytes."
    assert answers(await world.engine.requeue(batch_of(QUEUE, [failure]))) == {"1": Answer.REQUEUED}


async def test_a_page_of_large_jobs_is_shorter_than_asked_for_and_nothing_is_left_out(
    world: BullMQWorld, raw: Any
) -> None:
    for number in range(6):
        put(raw, f"j{number}", {**GOOD, "data": json.dumps("x" * 3_000_000)})
    first, _ = await world.engine.failures(QUEUE, "", 100)
    assert 1 <= len(first) < 6
    assert len(await all_failures(world.engine, QUEUE)) == 6
    names = [JobId(f"j{number}") for number in range(6)]
    assert [f.job_id for f in await world.engine.failures_of(QUEUE, names)] == names


async def test_an_id_that_is_no_text_is_shown_with_escapes_and_is_missing_when_retried(
    world: BullMQWorld, raw: Any
) -> None:
    put(raw, b"\xff\x00id", {**GOOD})
    failure = await only_failure(world)
    assert failure.job_id == "\\xff\\x00id"
    assert failure.defect == "The job's id is not valid text; it cannot be retried from here."
    results = await world.engine.requeue(batch_of(QUEUE, [failure]))
    assert [result.answer for result in results] == [Answer.MISSING]


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "-5", "1.7e12", "0.5"])
async def test_a_finish_time_outside_of_the_calendar_still_names_its_occurrence(
    world: BullMQWorld, raw: Any, score: str
) -> None:
    raw.zadd("bull:mail:failed", {"1": score})
    raw.hset("bull:mail:1", mapping=GOOD)
    failure = await failure_of(world.engine, QUEUE, "1")
    assert answers(await world.engine.requeue(batch_of(QUEUE, [failure]))) == {"1": Answer.REQUEUED}


@pytest.mark.parametrize("ahead", ["inf", "1e300", "4102444800000"])
async def test_a_finish_time_ahead_of_the_server_holds_no_cursor_up_and_is_met_by_the_walk(
    world: BullMQWorld, raw: Any, ahead: str
) -> None:
    raw.zadd("bull:mail:failed", {"ahead": ahead})
    raw.hset("bull:mail:ahead", mapping=GOOD)
    assert await world.engine.failures(QUEUE, "", 10) == ([], "")
    put(raw, "now", {**GOOD})
    assert (await only_failure(world)).job_id == "now"
    assert sorted(await walk(world.engine, QUEUE, 10)) == ["ahead", "now"]


async def test_a_finish_time_that_was_rounded_up_is_not_left_for_the_next_scan(
    world: BullMQWorld, raw: Any
) -> None:
    rounded_up = """
        local time = redis.call('TIME')
        redis.call('ZADD', 'bull:mail:failed', time[1] * 1000 + math.ceil(time[2] / 1000), ARGV[1])
    """
    for number in range(40):
        raw.hset(f"bull:mail:{number}", mapping=GOOD)
        raw.eval(rounded_up, 0, str(number))
        found, _ = await world.engine.failures(QUEUE, "", 100)
        assert [failure.job_id for failure in found] == [str(number)]
        raw.delete("bull:mail:failed")


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": "nan"},
        {"priority": "inf"},
        {"priority": "-1"},
        {"priority": "high"},
        {"opts": "null"},
        {"opts": '{"lifo":'},
        {"opts": '["lifo"]'},
        {"opts": '"lifo"'},
        {"parentKey": ""},
        {"parentKey": "bull:mail:gone"},
        {"atm": "many", "ats": "\x00"},
    ],
)
async def test_fields_that_make_no_sense_do_not_stop_a_retry(
    world: BullMQWorld, raw: Any, fields: dict[str, str]
) -> None:
    put(raw, "1", {**GOOD, **fields})
    put(raw, "2", {**GOOD})
    results = await world.engine.requeue(batch_of(QUEUE, [item("1"), item("2")]))
    assert set(answers(results).values()) == {Answer.REQUEUED}
    assert raw.zcard("bull:mail:failed") == 0
    assert raw.llen("bull:mail:wait") + raw.zcard("bull:mail:prioritized") == 2


@pytest.mark.parametrize("name", ["unsuccessful", "failed", "processed", "dependencies"])
async def test_a_job_whose_parents_keys_are_broken_stays_failed(
    world: BullMQWorld, raw: Any, name: str
) -> None:
    raw.hset("bull:p:1", "name", "parent")
    raw.set(f"bull:p:1:{name}", "broken")
    put(raw, "child", {**GOOD, "parentKey": "bull:p:1"})
    results = await world.engine.requeue(batch_of(QUEUE, [item("child")]))
    assert answers(results) == {"child": Answer.ERROR}
    assert raw.zcard("bull:mail:failed") == 1


@pytest.mark.parametrize(
    "name",
    [*SCRIPT_KEYS[1:]],
)
async def test_a_queue_with_a_broken_key_is_answered_with_errors_and_not_touched(
    world: BullMQWorld, raw: Any, name: str
) -> None:
    put(raw, "1", {**GOOD})
    raw.delete(f"bull:mail:{name}")
    raw.set(f"bull:mail:{name}", "broken")
    [result] = await world.engine.requeue(batch_of(QUEUE, [item("1")]))
    assert result.answer is Answer.ERROR
    assert "queue's own keys" in result.detail
    assert raw.zcard("bull:mail:failed") == 1
    assert raw.hgetall("bull:mail:1") == {
        key.encode(): value.encode() for key, value in GOOD.items()
    }
    assert len(await world.engine.statuses(QUEUE, [JobId("1")])) == 1


async def test_a_broken_list_of_failed_jobs_reads_as_empty(world: BullMQWorld, raw: Any) -> None:
    raw.set("bull:mail:failed", "broken")
    assert await world.engine.failures(QUEUE, "", 10) == ([], "")
    assert await world.engine.failed_ids(QUEUE, "", 10) == ([], None)
    assert await world.engine.failures_of(QUEUE, [JobId("1")]) == []
    assert (await world.engine.counts(QUEUE)).problem is not None


@pytest.mark.parametrize("settings", [{"concurrency": "x"}, {"opts.maxLenEvents": "-1"}])
async def test_queue_settings_that_make_no_sense_do_not_stop_a_retry(
    world: BullMQWorld, raw: Any, settings: dict[str, str]
) -> None:
    raw.hset("bull:mail:meta", mapping=settings)
    put(raw, "1", {**GOOD})
    results = await world.engine.requeue(batch_of(QUEUE, [item("1")]))
    assert answers(results) == {"1": Answer.REQUEUED}


@settings(deadline=None)
@given(
    values=st.lists(st.none() | st.binary(max_size=40), min_size=len(FIELDS), max_size=len(FIELDS)),
    raw_id=st.binary(min_size=1, max_size=20),
    score=st.floats(allow_nan=True).map(lambda value: repr(value).encode()),
    kind=st.sampled_from([b"hash", b"none", b"other"]),
    form=st.sampled_from([b"json", b"text"]),
)
def test_any_record_can_be_read(
    values: list[bytes | None], raw_id: bytes, score: bytes, kind: bytes, form: bytes
) -> None:
    reader = FailureReader(Source(), 1024)
    failure = reader.failure(QUEUE, Record.of([raw_id, score, 0, kind, form, *values]))
    for text in (failure.job_id, failure.app_id, failure.error_message, failure.stacktrace):
        assert "\0" not in text
        text.encode()
