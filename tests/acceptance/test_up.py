"""``redrive up`` as a process: from failed jobs to recovered ones."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from redrive.embedded import read_redis_url
from tests.support.console import PASSWORD, ConsoleProcess
from tests.support.failing import fail_jobs, sample_jobs, working
from tests.support.processes import is_gone
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import until


def failed(console: ConsoleProcess) -> int:
    count: int = console.get("/overview")["failed"]
    return count


def settled(console: ConsoleProcess, operation_id: str) -> Callable[[], bool]:
    def check() -> bool:
        state = console.get(f"/retry/progress/{operation_id}")["state"]
        return state in ("completed", "cancelled", "failed")

    return check


async def complete_everything(url: str, queue: str, count: int) -> list[Any]:
    """Let a worker complete ``count`` jobs; returns their data, in the order of the runs."""
    seen: list[Any] = []
    done = asyncio.Event()

    async def complete(job: Any, token: str) -> None:
        seen.append(job.data)
        if len(seen) >= count:
            done.set()

    async with working(url, queue, complete), asyncio.timeout(60):
        await done.wait()
    return seen


def test_failures_from_before_redrive_came_are_retried_and_seen_to_recover(
    console: ConsoleProcess, redis_server: RedisServer
) -> None:
    asyncio.run(fail_jobs(redis_server.url, "mail", sample_jobs(60, apps=3)))
    console.start()
    console.log_in()
    until(lambda: failed(console) == 60, "all failures are in the ledger")

    entry = console.get("/entries", app_id="app-1", limit=1)["items"][0]
    answer = console.post("/retry", {"app_id": "app-1", "entry_id": entry["entry_id"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["job_id"] == entry["job_id"]

    answer = console.post("/retry/app/app-2", {"reason": "the provider is back"})
    assert answer.status_code == 202, answer.text
    operation_id = answer.json()["data"]["operation_id"]
    until(settled(console, operation_id), "the app's operation ends")

    seen = asyncio.run(complete_everything(redis_server.url, "mail", 21))
    assert all(data["isRescan"] is True for data in seen)
    assert len({data["number"] for data in seen}) == len(seen) == 21
    until(
        lambda: console.get(f"/retry/progress/{operation_id}")["recovered"] == 20,
        "the outcomes are tied to the operation",
    )
    assert failed(console) == 39
    assert console.stop() == 0


def test_a_bulk_retry_goes_on_after_kill_9_and_moves_every_job_once(
    console: ConsoleProcess, redis_server: RedisServer
) -> None:
    total = 300
    asyncio.run(fail_jobs(redis_server.url, "mail", sample_jobs(total, apps=20)))
    console.settings["batch_size"] = "3"
    console.start()
    console.log_in()
    until(lambda: failed(console) == total, "all failures are in the ledger")
    operation_id = console.post("/retry/all", {"rate": 60}).json()["data"]["operation_id"]
    until(lambda: console.get(f"/retry/progress/{operation_id}")["completed"] > 0, "it has begun")
    console.kill()
    client = redis_server.client()
    moved_before = client.llen("bull:mail:wait")
    assert 0 < moved_before < total

    console.start()
    until(settled(console, operation_id), "the operation is taken over and ends", 60)
    progress = console.get(f"/retry/progress/{operation_id}")
    assert (progress["state"], progress["completed"], progress["succeeded"]) == (
        "completed",
        total,
        total,
    )
    waiting = client.lrange("bull:mail:wait", 0, -1)
    assert len(waiting) == len(set(waiting)) == total
    assert client.zcard("bull:mail:failed") == 0
    client.close()
    assert console.stop() == 0


def test_a_cancelled_bulk_retry_counts_what_it_moved(
    console: ConsoleProcess, redis_server: RedisServer
) -> None:
    total = 300
    asyncio.run(fail_jobs(redis_server.url, "mail", sample_jobs(total, apps=2)))
    console.settings["batch_size"] = "3"
    console.start()
    console.log_in()
    until(lambda: failed(console) == total, "all failures are in the ledger")
    operation_id = console.post("/retry/all", {"rate": 5}).json()["data"]["operation_id"]
    until(lambda: console.get(f"/retry/progress/{operation_id}")["completed"] > 0, "it has begun")
    assert console.post(f"/retry/cancel/{operation_id}").status_code == 202
    until(settled(console, operation_id), "it ends")
    progress = console.get(f"/retry/progress/{operation_id}")
    client = redis_server.client()
    assert progress["state"] == "cancelled"
    assert progress["cancelled"] is True
    assert progress["succeeded"] == client.llen("bull:mail:wait") < total
    assert failed(console) == client.zcard("bull:mail:failed") == total - progress["succeeded"]
    client.close()


def test_with_redis_down_at_the_start_it_waits_and_says_so(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    asyncio.run(fail_jobs(own_redis.url, "mail", sample_jobs(5, apps=1)))
    own_redis.stop()
    console = ConsoleProcess(tmp_path / "data", redis_url=own_redis.url)
    try:
        console.launch()
        until(lambda: console.status_of("/readyz") == 503, "it says that Redis is away")
        assert console.status_of("/healthz") == 200
        own_redis.start()
        until(console.is_ready, "it gets ready by itself")
        console.log_in()
        until(lambda: failed(console) == 5, "it catches up")
        assert console.stop() == 0
    finally:
        console.close()


def test_alone_it_brings_its_own_redis_and_keeps_everything_over_kill_9(
    alone: ConsoleProcess,
) -> None:
    alone.start()
    url = read_redis_url(alone.data_dir)
    assert url is not None
    asyncio.run(fail_jobs(url, "mail", sample_jobs(10, apps=2)))
    alone.log_in()
    until(lambda: failed(alone) == 10, "the failures are in the ledger")
    with redis.Redis.from_url(url) as client:
        server_pid = client.info("server")["process_id"]
        client.config_set("appendfsync", "always")
        client.set("written", "yes")
    alone.kill()
    until(lambda: is_gone(server_pid), "the embedded Redis ends with it")
    alone.start()
    assert read_redis_url(alone.data_dir) == url
    assert failed(alone) == 10
    with redis.Redis.from_url(url) as client:
        assert client.get("written") == b"yes"
    assert alone.stop(signal.SIGINT) == 0
    with redis.Redis.from_url(url) as client:
        until(lambda: not answers(client), "the embedded Redis is stopped")


def test_an_embedded_redis_that_dies_is_started_again_and_work_goes_on(
    alone: ConsoleProcess,
) -> None:
    alone.start()
    alone.log_in()
    url = read_redis_url(alone.data_dir)
    assert url is not None
    with redis.Redis.from_url(url) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
        until(lambda: answers(client), "another server answers at the same address")
    asyncio.run(fail_jobs(url, "mail", sample_jobs(3, apps=1)))
    until(lambda: failed(alone) == 3, "the follower goes on")
    operation_id = alone.post("/retry/all").json()["data"]["operation_id"]
    until(settled(alone, operation_id), "the runner goes on")
    assert alone.stop() == 0


def test_it_stops_cleanly_while_its_redis_is_away(tmp_path: Path, own_redis: RedisServer) -> None:
    console = ConsoleProcess(tmp_path / "data", redis_url=own_redis.url)
    try:
        console.start()
        own_redis.kill()
        until(lambda: console.status_of("/readyz") == 503, "it says that Redis is away")
        assert console.stop() == 0
        assert "Traceback" not in console.log.read_text()
    finally:
        console.close()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_a_second_up_in_the_same_data_dir_is_refused_and_names_the_first(
    alone: ConsoleProcess,
) -> None:
    alone.start()
    assert alone.process is not None
    second = alone.run("up", "--port", str(free_port()))
    assert second.returncode == 4
    assert f"in use by process {alone.process.pid}" in second.stderr


def test_a_port_in_use_is_told_before_anything_is_started(alone: ConsoleProcess) -> None:
    alone.start()
    second = alone.run("up", "--data-dir", str(alone.data_dir.parent / "other"))
    assert second.returncode == 4
    assert f"cannot listen on 127.0.0.1 port {alone.port}" in second.stderr


def test_without_a_named_password_a_random_one_is_printed_once(alone: ConsoleProcess) -> None:
    alone.settings["admin_password"] = ""
    alone.start()
    words = alone.log.read_text().split()
    alone.log_in(words[words.index("Password:") + 1])
    alone.stop()
    alone.start()
    assert alone.log.read_text().count("Password:") == 1


def test_commands_in_another_terminal_find_the_embedded_redis(alone: ConsoleProcess) -> None:
    alone.start()
    url = read_redis_url(alone.data_dir)
    assert url is not None
    asyncio.run(fail_jobs(url, "mail", sample_jobs(30, apps=3)))
    alone.log_in()
    until(lambda: failed(alone) == 30, "the failures are in the ledger")
    result = alone.run("retry", "--all", "--watch", "--json", "--reason", "fixed")
    assert result.returncode == 0, result.stderr
    operation = json.loads(result.stdout)
    assert (operation["state"], operation["succeeded"], operation["total"]) == ("completed", 30, 30)
    assert "30/30" in result.stderr
    assert PASSWORD not in result.stderr
