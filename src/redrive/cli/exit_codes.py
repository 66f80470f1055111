"""What the command's exit code says, and the one place where errors become one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from enum import IntEnum

import structlog
import typer

from redrive.cli.output import say
from redrive.errors import (
    BadInput,
    Conflict,
    EngineUnsupported,
    Forbidden,
    HandOverPending,
    NotFound,
    RedriveError,
    SchemaOutdated,
    SettingsError,
    Unavailable,
)

log = structlog.get_logger()


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNAVAILABLE = 5
    NOT_ALL_DONE = 6
    PAUSED = 7
    NOT_ALL_RECOVERED = 8
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "something unexpected went wrong",
    ExitCode.USAGE: "wrong usage or wrong settings; nothing was started",
    ExitCode.NOT_FOUND: "no such entry, app, group, operation, plan or queue, or nothing to do",
    ExitCode.CONFLICT: "the present state does not allow it; no job was moved",
    ExitCode.UNAVAILABLE: "a store or a queue system cannot be reached",
    ExitCode.NOT_ALL_DONE: "a watched operation ended cancelled, failed or with errors",
    ExitCode.PAUSED: "a watched operation has paused, and can be resumed",
    ExitCode.NOT_ALL_RECOVERED: "a verdict that was waited for with --verdict: something failed "
    "again, vanished or still waits",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C or a second signal, or a question was answered "
    "with no",
}


def exit_code_of(error: RedriveError) -> ExitCode:
    match error:
        case SettingsError() | BadInput() | SchemaOutdated() | EngineUnsupported():
            return ExitCode.USAGE
        case NotFound():
            return ExitCode.NOT_FOUND
        case Conflict() | Forbidden():
            return ExitCode.CONFLICT
        case Unavailable() | HandOverPending():
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.FAILED


@contextlib.contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Turn what goes wrong inside into one line on stderr and an exit code.

    Several errors at once (from tasks that ran together) give the first one's code.
    """
    try:
        yield
    except RedriveError as error:
        raise typer.Exit(_tell(error)) from error
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except asyncio.CancelledError:
        say("Ended at once by a second signal; what was in hand is taken over at the next start.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BaseExceptionGroup as group:
        known, unknown = group.split(RedriveError)
        if unknown is not None:
            log.error("unexpected_error", exc_info=unknown)
        codes = [_tell(leaf) for leaf in _leaves(known)]
        raise typer.Exit(codes[0] if codes else ExitCode.FAILED) from group
    except OSError as error:
        say(str(error), bad=True)
        raise typer.Exit(ExitCode.FAILED) from error


def _tell(error: RedriveError) -> ExitCode:
    say(str(error), bad=True)
    return exit_code_of(error)


def _leaves(error: BaseException | None) -> Iterator[RedriveError]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    elif isinstance(error, RedriveError):
        yield error
