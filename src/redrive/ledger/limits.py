"""Limits that would be without effect are refused."""

from __future__ import annotations

from redrive.domain import NO_CONTROLS, Controls, OperationKind
from redrive.errors import LimitsOfDismissal


def refuse_limits_of_dismissal(kind: OperationKind, controls: Controls) -> None:
    """Raises LimitsOfDismissal."""
    if kind is OperationKind.DISMISS and controls != NO_CONTROLS:
        raise LimitsOfDismissal(limits=controls)
