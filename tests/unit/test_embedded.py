"""The embedded Redis: a real server, tied to the life of the process that started it."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from redrive.embedded import DataDir, EmbeddedRedis, read_redis_url
from redrive.embedded.binary import find_binary
from redrive.errors import DataDirInUse, EmbeddedRedisFailed
from tests.support.processes import command_line, is_gone
from tests.support.waiting import eventually, until

HOLDER = """
import sys, time
from pathlib import Path
from redrive.embedded import DataDir, EmbeddedRedis
from redrive.embedded.binary import find_binary
folder = Path(sys.argv[1])
with DataDir(folder):
    server = EmbeddedRedis(folder, find_binary(None))
    server.start()
    print(server.pid, flush=True)
    sys.stdin.read()
    server.stop()
"""


def hold(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that runs an embedded server in ``folder``; returns it and the server's pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=20)


def start(folder: Path) -> EmbeddedRedis:
    server = EmbeddedRedis(folder, find_binary(None))
    server.start()
    return server


def test_a_restart_keeps_the_data_the_port_and_the_password(tmp_path: Path) -> None:
    first = start(tmp_path)
    redis.Redis.from_url(first.url).set("kept", "yes")
    first.stop()
    second = start(tmp_path)
    try:
        assert second.url == first.url == read_redis_url(tmp_path)
        assert redis.Redis.from_url(second.url).get("kept") == b"yes"
    finally:
        second.stop()


def test_nobody_gets_in_without_the_password_and_only_this_user_can_read_it(
    tmp_path: Path,
) -> None:
    server = start(tmp_path)
    try:
        stranger = redis.Redis.from_url("redis://" + server.url.split("@")[1])
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert stat.S_IMODE((tmp_path / "redis.url").stat().st_mode) == 0o600
        assert server.pid is not None
        password = server.url.split("@")[0].split(":")[-1]
        assert password not in command_line(server.pid)
    finally:
        server.stop()


def test_it_writes_an_append_only_file_and_never_evicts(tmp_path: Path) -> None:
    server = start(tmp_path)
    try:
        client = redis.Redis.from_url(server.url, decode_responses=True)
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    finally:
        server.stop()


def test_the_server_is_gone_when_its_parent_was_killed(tmp_path: Path) -> None:
    parent, server_pid = hold(tmp_path)
    parent.send_signal(signal.SIGKILL)
    parent.communicate(timeout=20)
    until(lambda: is_gone(server_pid), "the server ends")


def test_a_second_start_right_after_a_kill_works_and_has_the_data(tmp_path: Path) -> None:
    parent, _ = hold(tmp_path)
    url = read_redis_url(tmp_path)
    assert url is not None
    redis.Redis.from_url(url).set("kept", "yes")
    parent.send_signal(signal.SIGKILL)
    parent.communicate(timeout=20)
    with DataDir(tmp_path):
        server = start(tmp_path)
        try:
            assert server.url == url
            assert redis.Redis.from_url(url).get("kept") == b"yes"
        finally:
            server.stop()


def test_a_server_that_outlived_its_parent_is_ended_first(tmp_path: Path) -> None:
    left_over = start(tmp_path)
    second = start(tmp_path)
    try:
        assert second.running
        assert not left_over.running
    finally:
        second.stop()


def test_a_data_dir_in_use_names_the_process_that_holds_it(tmp_path: Path) -> None:
    parent, _ = hold(tmp_path)
    try:
        with pytest.raises(DataDirInUse, match=str(parent.pid)), DataDir(tmp_path):
            pass
    finally:
        end(parent)
    with DataDir(tmp_path):
        pass


async def test_a_server_that_dies_is_started_again_on_the_same_address(tmp_path: Path) -> None:
    server = start(tmp_path)
    first_pid, url = server.pid, server.url
    assert first_pid is not None
    stop = asyncio.Event()
    keeper = asyncio.create_task(server.keep_running(stop, check_seconds=0.01))
    try:
        os.kill(first_pid, signal.SIGKILL)
        client = redis.asyncio.Redis.from_url(url)

        async def is_back() -> bool:
            return server.pid != first_pid and await answers(client)

        await eventually(is_back, "another server answers")
        await client.aclose()
    finally:
        stop.set()
        await keeper
        server.stop()


async def answers(client: redis.asyncio.Redis) -> bool:
    try:
        return bool(await client.ping())
    except redis.ConnectionError:
        return False


def test_a_named_program_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedRedisFailed, match="is not a program"):
        find_binary(tmp_path / "no-such-server")


def test_where_no_server_can_be_found_the_error_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedRedisFailed, match=r"redrive\[embedded\]"):
        find_binary(None)


def test_a_server_on_the_path_is_preferred_to_the_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary(None) == program


def test_a_program_that_is_no_redis_gives_an_error_with_the_programs_name(
    tmp_path: Path,
) -> None:
    with pytest.raises(EmbeddedRedisFailed, match="false"):
        EmbeddedRedis(tmp_path, Path("/bin/false")).start()
