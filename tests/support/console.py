"""``redrive up`` and ``redrive demo`` as real processes, with a browser-like client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.support.servers import free_port
from tests.support.waiting import until

PASSWORD = "correct horse battery"


class ConsoleProcess:
    """One ``redrive`` process with a console in front, in a data directory of its own."""

    def __init__(self, data_dir: Path, *, command: str = "up", **settings: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.command = command
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    @property
    def environment(self) -> dict[str, str]:
        """What commands in another terminal need to find this console."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("REDRIVE_")}
        return {
            **kept,
            "REDRIVE_DATA_DIR": str(self.data_dir),
            "REDRIVE_PORT": str(self.port),
            "REDRIVE_ADMIN_PASSWORD": PASSWORD,
            **{f"REDRIVE_{key.upper()}": value for key, value in self.settings.items()},
        }

    def start(self, *arguments: str) -> None:
        """Start it and wait until it says that it is ready."""
        self.launch(*arguments)
        until(self.is_ready, f"the console gets ready; its log is {self.log}", 60)

    def launch(self, *arguments: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "redrive", self.command, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def is_ready(self) -> bool:
        return self.status_of("/readyz") == 200

    def status_of(self, path: str) -> int | None:
        """The status of a GET; None while nobody listens. Fails if the process has ended."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        try:
            return self.http.get(path).status_code
        except httpx.TransportError:
            return None

    def log_in(self, password: str = PASSWORD) -> None:
        answer = self.http.post(
            "/admin/api/login", json={"username": "admin", "password": password}
        )
        assert answer.status_code == 200, answer.text

    def get(self, path: str, **query: Any) -> Any:
        """The data of an answer that must be right."""
        answer = self.http.get(f"/admin/api{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        return self.http.post(f"/admin/api{path}", json=dict(body or {}))

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """A command in another terminal."""
        return run_redrive(arguments, self.environment, typed)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; returns its exit code."""
        return self._end(number)

    def close(self) -> None:
        """Whatever happened, leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self.http.close()

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(30)


def run_redrive(
    arguments: Sequence[str], environment: Mapping[str, str], typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run ``redrive`` to its end, as in a shell."""
    return subprocess.run(
        [sys.executable, "-m", "redrive", *arguments],
        env=dict(environment),
        input=typed,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
