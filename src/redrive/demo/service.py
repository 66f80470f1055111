"""The sample's receiver: an HTTP service that is down for some apps until it is healed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from redrive.demo.apps import SAMPLE_APPS, Trouble

HOST = "127.0.0.1"
SLOW_SECONDS = 1.5


class Receiver:
    """Two listening places: one that always answers, and one that refuses until it is healed."""

    def __init__(self) -> None:
        self.healed = asyncio.Event()
        self._troubles = {app.app_id: app.trouble for app in SAMPLE_APPS}
        self._open = _bound()
        self._refusing = _bound()

    def url_for(self, app_id: str) -> str:
        refused = self._troubles.get(app_id) is Trouble.REFUSED
        port = (self._refusing if refused else self._open).getsockname()[1]
        return f"http://{HOST}:{port}/apps/{app_id}/deliveries"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until left. The second place is bound, but listens only once healed."""
        application = Starlette(
            routes=[Route("/apps/{app_id}/deliveries", self._deliver, methods=["POST"])]
        )
        first, second = (
            _Server(
                uvicorn.Config(application, lifespan="off", log_level="critical", access_log=False)
            )
            for _ in range(2)
        )

        async def open_second() -> None:
            await self.healed.wait()
            await second.serve(sockets=[self._refusing])

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(first.serve(sockets=[self._open]))
                waiting = tasks.create_task(open_second())
                yield
                first.should_exit = second.should_exit = True
                if not self.healed.is_set():
                    waiting.cancel()
        finally:
            self._open.close()
            self._refusing.close()

    async def _deliver(self, request: Request) -> JSONResponse:
        app_id = request.path_params["app_id"]
        body = await request.json()
        if not self.healed.is_set():
            trouble = self._troubles.get(app_id, Trouble.NONE)
            if trouble is Trouble.DOWN:
                return JSONResponse({"error": "down for maintenance"}, status_code=503)
            if trouble is Trouble.SLOW:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.healed.wait(), SLOW_SECONDS)
        amount = body["order"]["amount_cents"]
        if amount <= 0:
            return JSONResponse(
                {"error": f"order.amount_cents must be above zero, not {amount}"}, status_code=422
            )
        return JSONResponse({"delivered": body["order"]["id"]})


class _Server(uvicorn.Server):
    """A uvicorn that leaves the signals of the process to the workload."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _bound() -> socket.socket:
    """A socket with a port of its own that does not listen yet: connections are refused."""
    place = socket.socket()
    place.bind((HOST, 0))
    return place
