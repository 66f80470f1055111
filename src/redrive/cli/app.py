"""The ``redrive`` command and its families."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from redrive import faultpoints
from redrive.cli import (
    acting,
    audit,
    demo,
    dismissing,
    groups,
    operations,
    planning,
    processes,
    reading,
    steering,
    users,
)
from redrive.cli.exit_codes import MEANINGS
from redrive.cli.output import Output
from redrive.settings import Settings


def _epilog() -> str:
    """The exit codes and every setting, each with its variable."""
    codes = "\n".join(f"  {int(code):>3}  {meaning}" for code, meaning in MEANINGS.items())
    variables = "\n".join(
        f"  REDRIVE_{name.upper()}\n      {field.description or ''}"
        for name, field in Settings.model_fields.items()
    )
    return (
        f"\b\nExit codes:\n{codes}\n\n"
        f"\b\nSettings, from a flag, the environment or redrive.toml:\n{variables}\n"
        "  REDRIVE_CONFIG\n      The settings file, in place of redrive.toml."
    )


app = typer.Typer(
    name="redrive",
    help="The recovery console for failed background jobs.",
    epilog=_epilog(),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for family in (
    *(processes, reading, groups, operations, planning),
    *(acting, dismissing, steering, audit, users, demo),
):
    family.register(app)


@app.command("version")
def show_version(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the version."""
    Output(as_json=as_json).value({"version": version("redrive")}, version("redrive"))


def main() -> None:
    """The entry point of the ``redrive`` program."""
    faultpoints.arm_from_environment()
    app()
