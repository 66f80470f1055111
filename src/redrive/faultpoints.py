"""Named steps of the protocol at which a process can be made to die, for the crash proof.

:func:`reach` stands at every step and does nothing, unless the process was started with
``REDRIVE_FAULT``: ``moved:2:kill`` ends it by SIGKILL at its second arrival at ``moved``, ``stop``
in place of ``kill`` stops it there by SIGSTOP until it gets a SIGCONT. Several are separated by
commas; each happens once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import StrEnum

VARIABLE = "REDRIVE_FAULT"


class Step(StrEnum):
    """``…_written``: inside the transaction, everything written and nothing committed.

    ``part_moved``: between two calls for one batch.

    ``batch_withheld`` comes before the missing jobs' receipts of a rebuild are taken too, and
    ``rebuild_refused`` before a job that is there after all is moved.
    """

    START_WRITTEN = "start_written"
    START_COMMITTED = "start_committed"
    START_ENQUEUED = "start_enqueued"
    PLAN_WRITTEN = "plan_written"
    PLAN_COMMITTED = "plan_committed"
    PLAN_APPS_WRITTEN = "plan_apps_written"
    PLAN_APPS_COMMITTED = "plan_apps_committed"
    PLANNED_START_WRITTEN = "planned_start_written"
    PLANNED_START_COMMITTED = "planned_start_committed"
    CANCEL_WRITTEN = "cancel_written"
    CANCEL_COMMITTED = "cancel_committed"
    CANCEL_ENQUEUED = "cancel_enqueued"
    PAUSE_WRITTEN = "pause_written"
    PAUSE_COMMITTED = "pause_committed"
    RESUME_WRITTEN = "resume_written"
    RESUME_COMMITTED = "resume_committed"
    RESUME_ENQUEUED = "resume_enqueued"
    APPROVAL_WRITTEN = "approval_written"
    APPROVAL_COMMITTED = "approval_committed"
    CONTROLS_WRITTEN = "controls_written"
    CONTROLS_COMMITTED = "controls_committed"

    SINGLE_WRITTEN = "single_written"
    SINGLE_CLAIMED = "single_claimed"
    SINGLE_MOVED = "single_moved"
    SINGLE_SETTLED = "single_settled"
    SINGLE_FINISHED = "single_finished"
    SINGLE_ENQUEUED = "single_enqueued"
    RESTORE_WRITTEN = "restore_written"
    RESTORED = "restored"
    RELEASE_WRITTEN = "release_written"
    RELEASED = "released"

    OPERATION_GIVEN = "operation_given"
    TAKEOVER_WRITTEN = "takeover_written"
    TAKEN_OVER = "taken_over"
    UNSETTLED_FOUND = "unsettled_found"
    CLAIM_WANTED = "claim_wanted"
    CLAIM_WRITTEN = "claim_written"
    CLAIMED = "claimed"
    MOVE_WANTED = "move_wanted"
    PART_MOVED = "part_moved"
    MOVED = "moved"
    REBUILD_WANTED = "rebuild_wanted"
    REBUILD_REFUSED = "rebuild_refused"
    REBUILT = "rebuilt"
    REBUILD_DECLINED = "rebuild_declined"
    WITHHOLD_WANTED = "withhold_wanted"
    BATCH_WITHHELD = "batch_withheld"
    WITHHELD = "withheld"
    SETTLE_WANTED = "settle_wanted"
    SETTLE_WRITTEN = "settle_written"
    SETTLED = "settled"
    TOLD = "told"
    UNDO_CLAIM_WRITTEN = "undo_claim_written"
    UNDO_CLAIMED = "undo_claimed"
    UNDO_WANTED = "undo_wanted"
    UNDO_TAKEN = "undo_taken"
    UNDO_WRITTEN = "undo_written"
    UNDO_SETTLED = "undo_settled"
    CANARY_WRITTEN = "canary_written"
    CANARY_MOVED = "canary_moved"
    HALT_WANTED = "halt_wanted"
    HALT_WRITTEN = "halt_written"
    HALTED = "halted"
    FINISH_WANTED = "finish_wanted"
    FINISH_WRITTEN = "finish_written"
    FINISHED = "finished"
    OPERATION_DONE = "operation_done"
    LOOSE_WRITTEN = "loose_written"
    SWEEP_RELEASED = "sweep_released"
    SWEEP_ENQUEUED = "sweep_enqueued"

    FAILURES_READ = "failures_read"
    FAILURES_LOOKED_UP = "failures_looked_up"
    FAILURES_WRITTEN = "failures_written"
    FAILURES_RECORDED = "failures_recorded"
    OUTCOMES_READ = "outcomes_read"
    OUTCOMES_WRITTEN = "outcomes_written"
    OUTCOMES_RECORDED = "outcomes_recorded"
    DRIFT_JUDGED = "drift_judged"
    DRIFT_WRITTEN = "drift_written"
    DRIFT_RECORDED = "drift_recorded"
    REGROUP_WRITTEN = "regroup_written"
    REGROUPED = "regrouped"
    MERGE_WRITTEN = "merge_written"
    MERGED = "merged"


Arrival = Callable[[Step], None]

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_arrival: Arrival | None = None


def reach(step: Step) -> None:
    """Say that the process has come to a step."""
    if _arrival is not None:
        _arrival(step)


def arm(arrival: Arrival | None) -> None:
    """Call ``arrival`` at every step from now on; None: nothing happens any more."""
    global _arrival
    _arrival = arrival


def arm_from_environment() -> None:
    """Arm this process as its environment says; exits, naming the fault, if it cannot be read."""
    plan = os.environ.get(VARIABLE)
    if plan:
        arm(_Faults(plan))


class _Faults:
    """Counts arrivals and sends this process the signal that is due."""

    def __init__(self, plan: str) -> None:
        self._left: dict[Step, tuple[int, signal.Signals]] = {}
        for fault in plan.split(","):
            try:
                step, nth, what = fault.split(":")
                self._left[Step(step)] = (int(nth), _SIGNALS[what])
            except (ValueError, KeyError):
                raise SystemExit(
                    f"{VARIABLE}: {fault!r} is not a step, a number and kill or stop, such as "
                    f"{Step.MOVED}:1:kill"
                ) from None

    def __call__(self, step: Step) -> None:
        if step not in self._left:
            return
        left, number = self._left[step]
        self._left[step] = (left - 1, number)
        if left == 1:
            os.kill(os.getpid(), number)
