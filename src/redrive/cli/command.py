"""What every command has in common: settings, ``--json``, errors, the event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate, ParamSpec, cast, get_type_hints

import typer

from redrive.cli.exit_codes import errors_as_exit_codes
from redrive.cli.output import Output
from redrive.logs import configure_logging
from redrive.settings import Settings, load_settings

P = ParamSpec("P")

STORE_FLAGS = ("data_dir", "database_url", "redis_url")
SERVE_FLAGS = ("host", "port", "public_origin")
LOG_FLAGS = ("log_level", "log_format")


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What a command gets: its settings and where its data goes."""

    settings: Settings
    output: Output


def command(
    app: typer.Typer,
    name: str | None,
    *,
    flags: tuple[str, ...] = STORE_FLAGS,
    with_json: bool = True,
) -> Callable[
    [Callable[Concatenate[Context, P], Coroutine[Any, Any, None] | None]],
    Callable[Concatenate[Context, P], Coroutine[Any, Any, None] | None],
]:
    """Register a function as a command, with the settings' flags added to its own options.

    A coroutine function is run in an event loop of its own. A short command logs errors only,
    unless a level is set: what its user must know, it says itself. Without a name it is what
    ``app`` itself does.
    """

    def register(
        function: Callable[Concatenate[Context, P], Coroutine[Any, Any, None] | None],
    ) -> Callable[Concatenate[Context, P], Coroutine[Any, Any, None] | None]:
        long_running = "log_level" in flags

        def run(**given: Any) -> None:
            if given.pop("typer_context").invoked_subcommand is not None:
                return
            chosen = {flag: given.pop(flag) for flag in flags}
            output = Output(as_json=given.pop("as_json", False))
            with errors_as_exit_codes():
                settings = load_settings(**chosen)
                quiet = not long_running and "log_level" not in settings.model_fields_set
                configure_logging(
                    settings.model_copy(update={"log_level": "error"}) if quiet else settings
                )
                untyped = cast("Callable[..., Coroutine[Any, Any, None] | None]", function)
                result = untyped(Context(settings=settings, output=output), **given)
                if inspect.iscoroutine(result):
                    asyncio.run(result)

        _give_signature(run, function, flags, with_json=with_json)
        if name is None:
            app.callback()(run)
        else:
            app.command(name, help=function.__doc__)(run)
        return function

    return register


def _give_signature(
    run: Callable[..., None],
    function: Callable[..., Any],
    flags: tuple[str, ...],
    *,
    with_json: bool,
) -> None:
    hints = get_type_hints(function, include_extras=True)
    own = list(inspect.signature(function).parameters.values())[1:]
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
        for parameter in own
    ]
    if with_json:
        option = typer.Option("--json", help="Print JSON (the models of redrive.wire).")
        parameters.append(_parameter("as_json", Annotated[bool, option], False))
    parameters += [_flag(name) for name in flags]
    parameters.append(_parameter("typer_context", typer.Context, inspect.Parameter.empty))
    vars(run)["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _flag(name: str) -> inspect.Parameter:
    """A setting as an option; it stays text, so that all settings are judged together."""
    description = Settings.model_fields[name].description or ""
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=f"{description} [REDRIVE_{name.upper()}]",
        rich_help_panel="Settings (flag, environment or redrive.toml)",
        show_default=False,
        metavar="TEXT",
    )
    return _parameter(name, Annotated[str | None, option], None)


def _parameter(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
