"""Console, runner and follower as separate processes, on PostgreSQL and a Redis of their own."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.console import PASSWORD, ConsoleProcess
from tests.support.failing import fail_jobs, sample_jobs
from tests.support.processes import catches
from tests.support.servers import PostgresServer, RedisServer
from tests.support.waiting import until


def test_the_parts_of_a_larger_deployment_work_together_and_stop_cleanly(
    tmp_path: Path, redis_server: RedisServer, postgres: PostgresServer
) -> None:
    asyncio.run(fail_jobs(redis_server.url, "mail", sample_jobs(40, apps=4)))
    console = ConsoleProcess(
        tmp_path / "web",
        command="web",
        redis_url=redis_server.url,
        database_url=postgres.create_database(),
    )
    parts: list[subprocess.Popen[bytes]] = []
    try:
        assert console.run("migrate").returncode == 0
        created = subprocess.run(
            [sys.executable, "-m", "redrive", "user", "add", "admin"],
            env=console.environment,
            input=PASSWORD.encode() + b"\n",
            check=False,
            capture_output=True,
        )
        assert created.returncode == 0, created.stderr
        console.start()
        parts += [
            subprocess.Popen([sys.executable, "-m", "redrive", part], env=console.environment)
            for part in ("follower", "runner", "runner")
        ]
        console.log_in()
        until(lambda: console.get("/overview")["failed"] == 40, "the follower takes them in")
        operation_id = console.post("/retry/all").json()["data"]["operation_id"]
        until(
            lambda: console.get(f"/operations/{operation_id}")["state"] == "completed",
            "a runner carries it out",
        )
        with redis_server.client() as client:
            assert client.llen("bull:mail:wait") == 40
        until(
            lambda: all(catches(part.pid, signal.SIGTERM) for part in parts),
            "the parts know what to do when they are ended",
        )
        for part in parts:
            part.terminate()
        assert [part.wait(30) for part in parts] == [0, 0, 0]
        assert console.stop() == 0
    finally:
        console.close()
        for part in parts:
            if part.poll() is None:
                part.kill()
                part.wait(30)
