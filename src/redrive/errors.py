"""The error tree.

Errors carry fields; the class docstring is the default message. Expected outcomes of an action
(a job already queued, a job gone) are values of :mod:`redrive.domain`, not errors.

::

    RedriveError
    ├── NotFound
    │   ├── EntryNotFound
    │   ├── AppNotFound
    │   ├── OperationNotFound
    │   ├── QueueNotFound
    │   ├── PlanNotFound
    │   ├── GroupNotFound
    │   └── NothingToDo
    ├── Conflict
    │   ├── WrongState
    │   ├── OperationOverlap
    │   ├── OperationFinished
    │   ├── CannotPause
    │   ├── NotPaused
    │   ├── ApprovalNeeded
    │   ├── WaitsForApproval
    │   ├── IdempotencyMismatch
    │   ├── PlanExpired
    │   ├── PlanUsed
    │   └── DataDirInUse
    ├── Forbidden
    │   └── PlanOfAnother
    ├── BadInput
    │   ├── BadCursor
    │   ├── BadControls
    │   ├── LimitsOfDismissal
    │   ├── EmptyFilter
    │   └── FilterAndEverything
    ├── Unavailable
    │   ├── EngineUnavailable
    │   ├── LedgerUnavailable
    │   ├── StoreUnavailable
    │   └── EmbeddedRedisFailed
    ├── HandOverPending
    ├── StaleRunner
    ├── SettingsError
    ├── SchemaOutdated
    └── EngineUnsupported
"""

from __future__ import annotations


class RedriveError(Exception):
    """Something went wrong in Redrive."""

    def __init__(self, message: str = "", **fields: object) -> None:
        self.fields = fields
        doc = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(message or doc.format(**fields) if fields or message else doc)


class NotFound(RedriveError):
    """There is no such thing."""


class EntryNotFound(NotFound):
    """There is no entry {entry_id} of app {app_id}. Nothing was changed."""


class AppNotFound(NotFound):
    """There is no app {app_id}. Nothing was changed."""


class OperationNotFound(NotFound):
    """There is no operation {operation_id}. Nothing was changed."""


class QueueNotFound(NotFound):
    """There is no queue {queue} among the watched ones. Nothing was changed."""


class PlanNotFound(NotFound):
    """There is no such plan; one that was not started is forgotten after ten minutes. Nothing was changed."""  # noqa: E501 - the first line is the message


class GroupNotFound(NotFound):
    """There is no group {group_id}. Nothing was changed."""


class NothingToDo(NotFound):
    """No entry of {scope} can be taken, so no operation was started. Nothing was changed."""


class Conflict(RedriveError):
    """The request does not fit the present state. Nothing was changed."""


class WrongState(Conflict):
    """Entry {entry_id} is {state}; allowed is: {allowed}. Nothing was changed."""


class OperationOverlap(Conflict):
    """Operation {operation_id} of {actor} is already working on {scope}. Nothing was changed."""


class OperationFinished(Conflict):
    """Operation {operation_id} is already {state} and keeps its counts. Nothing was changed."""


class NothingToTakeBack(Conflict):
    """Operation {operation_id} is {state} and of everything that it has moved something is known: nothing is left to take back. Nothing was changed."""  # noqa: E501 - the first line is the message


class CannotPause(Conflict):
    """Operation {operation_id} is {state} and cannot be paused. Nothing was changed."""


class NotPaused(Conflict):
    """Operation {operation_id} is {state} and not paused. Nothing was changed."""


class ApprovalNeeded(Conflict):
    """Operation {operation_id} needs the approval of another user than {actor}, who started it, signed in at the console. Nothing was changed."""  # noqa: E501 - the first line is the message


class WaitsForApproval(Conflict):
    """Operation {operation_id} of {actor} on {scope} ({limits}) waits for approval, and is approved as it was started: cancel it and start it anew with other limits. Nothing was changed."""  # noqa: E501 - the first line is the message


class IdempotencyMismatch(Conflict):
    """This idempotency key started operation {operation_id}, which asked for something else. Nothing was changed."""  # noqa: E501 - the first line is the message


class PlanExpired(Conflict):
    """The plan was good until {expires_at}: make a new one, and look at what it says. Nothing was changed."""  # noqa: E501 - the first line is the message


class PlanUsed(Conflict):
    """The plan has started operation {operation_id} already; a plan is started once. Nothing was changed."""  # noqa: E501 - the first line is the message


class DataDirInUse(Conflict):
    """The data directory {path} is in use by process {pid}: stop it, or name another directory."""


class Forbidden(RedriveError):
    """This user may not do this. Nothing was changed."""


class PlanOfAnother(Forbidden):
    """The plan was made by another user: make one of your own. Nothing was changed."""


class BadInput(RedriveError):
    """The input is not valid. Nothing was changed."""


class BadCursor(BadInput):
    """The cursor {cursor} is not one that this list gave out. Nothing was changed."""


class EmptyFilter(BadInput):
    """The filter is empty. Name at least one of {allowed}, or say that everything is meant ({everything}). Nothing was changed."""  # noqa: E501 - the first line is the message


class FilterAndEverything(BadInput):
    """A filter and everything ({everything}) were both given: leave one of them out. Nothing was changed."""  # noqa: E501 - the first line is the message


class BadControls(BadInput):
    """The limits do not fit together: {problem}. Nothing was changed."""


class LimitsOfDismissal(BadInput):
    """A dismissal takes no limits ({limits}): nothing is handed over, no queue system is asked. Nothing was changed."""  # noqa: E501 - the first line is the message


class Unavailable(RedriveError):
    """A store that is needed for this cannot be reached. Nothing was changed."""


class EngineUnavailable(Unavailable):
    """The queue system {source} cannot be reached. Nothing was changed."""


class LedgerUnavailable(Unavailable):
    """The ledger cannot be reached. Nothing was changed."""


class StoreUnavailable(Unavailable):
    """Redrive's own Redis cannot be reached. Nothing was changed."""


class EmbeddedRedisFailed(Unavailable):
    """The embedded Redis did not start: {problem}"""


class HandOverPending(RedriveError):
    """{away} stopped answering in the middle: operation {operation_id} keeps the entry and settles it, exactly once, when it answers again."""  # noqa: E501 - the first line is the message


class SettingsError(RedriveError):
    """The settings are not valid; nothing was started."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(("The settings are not valid; nothing was started:", *problems)))


class SchemaOutdated(RedriveError):
    """The ledger's schema is at revision {found}, this version needs {needed}: run 'redrive migrate' first."""  # noqa: E501 - the first line is the message


class EngineUnsupported(RedriveError):
    """This version of the queue library is not supported: {found}; supported is {allowed}."""


class StaleRunner(RedriveError):
    """Operation {operation_id} was taken over by another runner; this one changed nothing."""
