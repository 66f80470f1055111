"""``redrive demo``: everything fails for real, heals, and comes back but for the poison."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from redrive.embedded import read_redis_url
from tests.support.console import ConsoleProcess
from tests.support.processes import children_of, is_gone
from tests.support.servers import RedisServer
from tests.support.waiting import until

POISON = "order.amount_cents must be above zero"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[ConsoleProcess]:
    process = ConsoleProcess(tmp_path / "data", command="demo")
    yield process
    process.close()


def test_the_demo_fails_heals_and_recovers_all_but_the_poison(demo: ConsoleProcess) -> None:
    demo.start("--rate", "80", "--heal-after", "1000")
    demo.log_in()
    until(
        lambda: (
            demo.get("/overview")["failed"] > 300
            and len(demo.get("/apps")["items"]) == 6
            and has_poison(demo)
        ),
        "entries of all six apps pile up, poison among them",
        60,
    )
    assert demo.run("demo", "heal").returncode == 0
    until(lambda: only_poison_fails(demo), "the retried work recovers", 90)
    operations = demo.get("/operations")["items"]
    assert all(operation["state"] == "completed" for operation in operations)
    assert sum(operation["recovered"] for operation in operations) > 250
    url = read_redis_url(demo.data_dir / "demo")
    assert url is not None
    with redis.Redis.from_url(url) as client:
        server_pid = client.info("server")["process_id"]
    assert demo.stop() == 0
    assert is_gone(server_pid)


def test_when_the_demo_is_killed_nothing_of_it_stays_behind(demo: ConsoleProcess) -> None:
    demo.start("--rate", "80")
    demo.log_in()
    until(lambda: demo.get("/overview")["failed"] > 0, "the workload works", 60)
    assert demo.process is not None
    children = children_of(demo.process.pid)
    assert len(children) == 2
    demo.kill()
    until(lambda: all(is_gone(child) for child in children), "Redis and workload end too")


def test_a_workload_whose_redis_has_gone_ends_when_it_is_asked_to(
    own_redis: RedisServer,
) -> None:
    settings = {
        "DEMO_REDIS_URL": own_redis.url,
        "DEMO_JOBS_PER_SECOND": "200",
        "DEMO_HEAL_SECONDS": "0",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "redrive.demo.workload"], env=os.environ | settings
    ) as workload:
        client = own_redis.client()
        until(lambda: bool(client.keys("bull:*:failed")), "the workload works", 60)
        client.close()
        own_redis.kill()
        since = time.monotonic()
        until(lambda: time.monotonic() > since + 1, "it has tried to add jobs")
        workload.terminate()
        assert workload.wait(timeout=60) in (0, 1)


def has_poison(demo: ConsoleProcess) -> bool:
    return bool(demo.get("/entries", q=POISON, state="failed", limit=1)["items"])


def only_poison_fails(demo: ConsoleProcess) -> bool:
    """Retry everything, as often as the stragglers of the time before the heal need it."""
    result = demo.run("retry", "--all", "--watch", "--json", "--data-dir", str(data_dir_of(demo)))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["state"] == "completed"
    failed = demo.get("/entries", state="failed", limit=500)["items"]
    live = demo.get("/overview")["totals"]
    return (
        bool(failed)
        and all(entry["error_message"].startswith(POISON) for entry in failed)
        and not live.get("queued")
        and not live.get("active")
    )


def data_dir_of(demo: ConsoleProcess) -> Path:
    return demo.data_dir / "demo"
