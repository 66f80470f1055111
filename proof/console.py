"""The operator: acts over HTTP, and asks again when the console has died meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx

from proof.observed import AnswerSeen
from proof.plan import Act, Action
from proof.stores import PASSWORD, USER
from redrive.domain import JobId, entry_id_of

_PAUSE_SECONDS = 0.05
_PATHS = {
    Action.RETRY_ALL: "/retry/all",
    Action.RETRY_APP: "/retry/app/{target}",
    Action.RESYNC_APP: "/resync/app/{target}",
}

_PLANNED = {Action.RETRY_PLANNED: "retry", Action.DISMISS_PLANNED: "dismiss"}


class Operator:
    """Signed in at the console of one scenario.

    ``promised`` is what its plans told, by the operation that each started, and ``answers`` what
    it was told of entries that it retried one by one.
    """

    def __init__(self, port: int, user: str = USER) -> None:
        self.promised: dict[str, int] = {}
        self.answers: list[AnswerSeen] = []
        self._user = user
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/admin/api", timeout=20)

    async def start(self, act: Act, key: str) -> str | None:
        """Start a bulk operation; returns its id, None if there was nothing to do.

        Asked again with the same key until there is an answer; another operation over the same
        entries is waited for.
        """
        kind = _PLANNED.get(act.action)
        if kind is not None:
            return await self._start_planned(act, kind, key)
        path = _PATHS[act.action].format(target=act.target)
        return await self._start(path, {"idempotency_key": key, **act.controls})

    async def _start_planned(self, act: Act, kind: str, key: str) -> str | None:
        """Start what a plan selected. A plan whose answer was lost is made once more."""
        wanted = {"kind": kind, "filter": act.where}
        answer = await self._heard("/operations/plan", wanted)
        assert answer.status_code == 200, answer.text
        plan = answer.json()["data"]
        if plan["plan_token"] is None:
            return None
        body = {"plan_token": plan["plan_token"], "idempotency_key": key, **act.controls}
        operation_id = await self._start("/operations", body)
        assert operation_id is not None, f"the plan {plan['plan_token']} is not known any more"
        self.promised[operation_id] = plan["total"]
        return operation_id

    async def _start(self, path: str, body: dict[str, Any]) -> str | None:
        while True:
            answer = await self._ask(path, body)
            if answer.status_code == 202:
                operation_id: str = answer.json()["data"]["operation_id"]
                return operation_id
            if answer.status_code == 404:
                return None
            overlaps = answer.status_code == 409 and answer.json()["code"] == "operation_overlap"
            assert overlaps or answer.status_code == 503, answer.text
            await asyncio.sleep(_PAUSE_SECONDS)

    async def act_on_one(self, path: str, queue: str, job_id: str, app_id: str) -> None:
        """Retry or resync one entry; asked once, whatever becomes of it. The answer is kept.

        Who signs in ends the session of the same person's other requests: those are asked again,
        as nobody has listened to them.
        """
        wanted = {"app_id": app_id, "entry_id": entry_id_of("default", queue, JobId(job_id))}
        await self.sign_in()
        with contextlib.suppress(httpx.TransportError):
            answer = await self._http.post(path, json=wanted)
            while answer.status_code == 401:
                await self.sign_in()
                answer = await self._http.post(path, json=wanted)
            said = answer.json()
            told = said.get("data", said)
            self.answers.append(
                AnswerSeen(
                    job=(queue, job_id),
                    status=answer.status_code,
                    result=told.get("result") or told.get("code", ""),
                    operation_id=told.get("operation_id"),
                    job_id=told.get("job_id"),
                )
            )

    async def progress(self, operation_id: str) -> dict[str, Any]:
        """How far an operation is, by the console."""
        answer = await self._heard(f"/retry/progress/{operation_id}", None, "GET")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()["data"]
        return told

    async def restore(self, queue: str, job_id: str, app_id: str) -> None:
        """Take a dismissal back; one that was taken back already stays so."""
        entry_id = entry_id_of("default", queue, JobId(job_id))
        await self._until_taken_in("POST", "/restore", {"app_id": app_id, "entry_id": entry_id})

    async def cancel(self, operation_id: str, *, undo: bool = False) -> None:
        """Cancel; one that is over already, or of which nothing waits, stays as it is."""
        answer = await self._heard(f"/retry/cancel/{operation_id}", {"undo": undo})
        assert answer.status_code in (202, 409), answer.text

    async def steer(self, operation_id: str, rate: float) -> None:
        """Give it another rate and pause it; one that is over already stays as it is."""
        path = f"/operations/{operation_id}"
        await self._until_taken_in("PATCH", path, {"rate": rate})
        await self._until_taken_in("POST", f"{path}/pause", {})

    async def resume(self, operation_id: str) -> None:
        """Resume; one that goes on already stays as it is."""
        await self._until_taken_in("POST", f"/operations/{operation_id}/resume", {})

    async def _until_taken_in(self, method: str, path: str, body: dict[str, Any]) -> None:
        answer = await self._heard(path, body, method)
        assert answer.status_code in (200, 202, 409), answer.text

    async def _heard(
        self, path: str, body: dict[str, Any] | None, method: str = "POST"
    ) -> httpx.Response:
        """Ask until what the console needs for its answer is there."""
        answer = await self._ask(path, body, method)
        while answer.status_code == 503:
            await asyncio.sleep(_PAUSE_SECONDS)
            answer = await self._ask(path, body, method)
        return answer

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(
        self, path: str, body: dict[str, Any] | None, method: str = "POST"
    ) -> httpx.Response:
        """The answer, as soon as there is one from somebody who knows us."""
        while True:
            try:
                answer = await self._http.request(method, path, json=body)
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if answer.status_code != 401:
                return answer
            await self.sign_in()

    async def sign_in(self) -> None:
        """Sign in, as soon as there is a console."""
        while True:
            try:
                answer = await self._http.post(
                    "/login", json={"username": self._user, "password": PASSWORD}
                )
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if answer.status_code == 200:
                return
            # Attempts during an outage count as failed ones, and have to wait after a while.
            assert answer.status_code in (429, 503), answer.text
            await asyncio.sleep(_PAUSE_SECONDS)
