"""The runners' queue as a list."""

from __future__ import annotations

from redrive.domain import OperationId
from redrive.errors import StoreUnavailable


class ListOperationQueue:
    """:class:`redrive.ports.OperationQueue`: keeps what was put, each operation once."""

    def __init__(self) -> None:
        self.waiting: list[OperationId] = []
        self.away = False

    async def put(self, operation_id: OperationId, turn: int = 0) -> None:
        if self.away:
            raise StoreUnavailable
        if operation_id not in self.waiting:
            self.waiting.append(operation_id)
