"""The proof's operator asks again while the console's ledger is away, and when signed out."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from proof.console import Operator
from proof.crew import stopped_cleanly
from proof.plan import Part

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


class SignedOut(Recovering):
    """A console that knows who signs in for a second time only."""

    signed_in = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        login = self.path.endswith("/login")
        type(self).signed_in += login
        known = login or type(self).signed_in > 1
        body = json.dumps({"data": {"result": "requeued"}} if known else {"code": "not_logged_in"})
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@contextmanager
def serving(console: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """The port of a console."""
    with ThreadingHTTPServer(("127.0.0.1", 0), console) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


async def test_progress_is_asked_for_again_while_the_ledger_is_away() -> None:
    with serving(Recovering) as port:
        operator = Operator(port)
        told = await operator.progress("op_1")
        await operator.close()
    assert told == {"path": "/admin/api/retry/progress/op_1"}
    assert Recovering.left == -1


async def test_one_entry_is_asked_for_again_by_who_was_signed_out_meanwhile() -> None:
    with serving(SignedOut) as port:
        operator = Operator(port)
        await operator.act_on_one("/retry", "mail", "1", "acme")
        await operator.close()
    assert [(one.status, one.result) for one in operator.answers] == [(200, "requeued")]
    assert SignedOut.signed_in == 2


@pytest.mark.parametrize(
    ("part", "code", "clean"),
    [
        (Part.WEB, 0, True),
        (Part.WORKER, -signal.SIGTERM, True),
        (Part.RUNNER, -signal.SIGTERM, False),
        (Part.WORKER, 1, False),
    ],
)
def test_only_a_worker_may_be_stopped_before_it_listens(part: Part, code: int, clean: bool) -> None:
    assert stopped_cleanly(part, code) is clean
