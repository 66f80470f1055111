"""The proof's operator asks again while the console's ledger is away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from proof.console import Operator

REFUSALS = 2


class Recovering(BaseHTTPRequestHandler):
    """A console whose ledger comes back after some requests."""

    left = REFUSALS

    def do_GET(self) -> None:
        away = type(self).left > 0
        type(self).left -= 1
        body = json.dumps({"data": {"path": self.path}}).encode()
        self.send_response(503 if away else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written to the tests' output."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Recovering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


async def test_progress_is_asked_for_again_while_the_ledger_is_away(port: int) -> None:
    operator = Operator(port)
    told = await operator.progress("op_1")
    await operator.close()
    assert told == {"path": "/admin/api/retry/progress/op_1"}
    assert Recovering.left == -1
