"""Console users."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated

import typer

from redrive import wire
from redrive.cli.command import Context, command
from redrive.cli.output import say
from redrive.cli.services import opened, this_user
from redrive.domain import RESERVED_NAMES
from redrive.errors import BadInput, Conflict, NotFound
from redrive.web.passwords import hash_password
from redrive.wiring import Services

MIN_PASSWORD = 8

Name = Annotated[str, typer.Argument(metavar="NAME")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


def register(app: typer.Typer) -> None:
    family = typer.Typer(
        help="Console users: add, passwd, list.", no_args_is_help=True, rich_markup_mode=None
    )
    command(family, "add", with_json=False)(add)
    command(family, "passwd", with_json=False)(passwd)
    command(family, "list")(list_users)
    app.add_typer(family, name="user")


async def add(context: Context, name: Name, password_stdin: FromStdin = False) -> None:
    """Create a user."""
    if name in RESERVED_NAMES:
        raise BadInput(
            f"A user cannot be called {name}: operations are paused in that name. "
            "No user was created."
        )
    password = _password(password_stdin)
    async with opened(context.settings) as services:
        if await services.accounts.user(name) is not None:
            raise Conflict(f"There is a user {name} already; 'user passwd' changes the password.")
        await put_user(services, name, password)
    say(f"User {name} was created.")


async def passwd(context: Context, name: Name, password_stdin: FromStdin = False) -> None:
    """Change a user's password, which ends all of the user's sessions."""
    password = _password(password_stdin)
    async with opened(context.settings) as services:
        if await services.accounts.user(name) is None:
            raise NotFound(f"There is no user {name}. Nothing was changed.")
        await put_user(services, name, password)
    say(f"The password of {name} was changed; all sessions of {name} have ended.")


async def list_users(context: Context) -> None:
    """List the users."""
    async with opened(context.settings) as services:
        found = await services.accounts.users()
    context.output.table(
        wire.Page[wire.User](items=[wire.User.model_validate(one) for one in found]),
        ("USER", "SINCE"),
        ((one.name, one.created_at) for one in found),
    )


async def put_user(services: Services, name: str, password: str) -> None:
    """Create or change a user, with its audit row."""
    await services.accounts.put_user(name, hash_password(password), actor=this_user())


async def ensure_admin(services: Services) -> str | None:
    """Create the user ``admin`` if there is no user at all.

    Returns the password if it is a random one, to be printed once; else None.
    """
    if await services.accounts.users():
        return None
    named = services.settings.admin_password
    password = named or secrets.token_urlsafe(12)
    await put_user(services, "admin", password)
    return None if named else password


def _password(from_stdin: bool) -> str:
    password = (
        sys.stdin.readline().rstrip("\r\n")
        if from_stdin or not sys.stdin.isatty()
        else typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    )
    if len(password) < MIN_PASSWORD:
        raise typer.BadParameter(f"a password has at least {MIN_PASSWORD} characters")
    return str(password)
