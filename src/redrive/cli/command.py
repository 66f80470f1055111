"""What every command has in common: settings, ``--json``, errors, the event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, fields, is_dataclass
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

    A coroutine function is run in an event loop of its own. A parameter that is a dataclass stands
    for the options that its fields are. A short command logs errors only,
    unless a level is set: what its user must know, it says itself. Without a name it is what
    ``app`` itself does.
    """

    def register(
        function: Callable[Concatenate[Context, P], Coroutine[Any, Any, None] | None],
    ) -> Callable[Concatenate[Context, P], Coroutine[Any, Any, None] | None]:
        long_running = "log_level" in flags
        groups = _option_groups(function)

        def run(**given: Any) -> None:
            if given.pop("typer_context").invoked_subcommand is not None:
                return
            chosen = {flag: given.pop(flag) for flag in flags}
            output = Output(as_json=given.pop("as_json", False))
            for group_name, kind in groups.items():
                given[group_name] = kind(**{one.name: given.pop(one.name) for one in fields(kind)})
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
    groups = _option_groups(function)
    parameters: list[inspect.Parameter] = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.name in groups:
            kind = groups[parameter.name]
            of_field = get_type_hints(kind, include_extras=True)
            parameters += [
                _parameter(one.name, of_field[one.name], one.default) for one in fields(kind)
            ]
        else:
            parameters.append(_parameter(parameter.name, hints[parameter.name], parameter.default))
    if with_json:
        option = typer.Option("--json", help="Print JSON (the models of redrive.wire).")
        parameters.append(_parameter("as_json", Annotated[bool, option], False))
    parameters += [_flag(name) for name in flags]
    parameters.append(_parameter("typer_context", typer.Context, inspect.Parameter.empty))
    vars(run)["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _option_groups(function: Callable[..., Any]) -> dict[str, type[Any]]:
    """The parameters that stand for several options, besides the context."""
    hints = get_type_hints(function)
    names = list(inspect.signature(function).parameters)[1:]
    return {name: hints[name] for name in names if is_dataclass(hints[name])}


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
