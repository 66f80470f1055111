"""``redrive demo``: ``up`` with a sample workload that really fails."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from redrive.cli.command import LOG_FLAGS, SERVE_FLAGS, Context, command
from redrive.cli.output import say
from redrive.cli.up import run_up
from redrive.cli.users import put_user
from redrive.demo.control import heal, run_workload
from redrive.embedded import read_redis_url
from redrive.errors import NotFound
from redrive.settings import Settings, Source
from redrive.wiring import Services

DEMO_FLAGS = ("data_dir", "redis_binary", *SERVE_FLAGS, *LOG_FLAGS)


def register(app: typer.Typer) -> None:
    family = typer.Typer(
        help="Run everything with a sample workload that really fails.",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    command(family, None, flags=DEMO_FLAGS, with_json=False)(demo)
    command(family, "heal", flags=("data_dir",), with_json=False)(heal_now)
    app.add_typer(family, name="demo")


def demo(
    context: Context,
    rate: Annotated[float, typer.Option(min=0.1, max=500, help="Jobs per second.")] = 25.0,
    heal_after: Annotated[
        float, typer.Option(min=0, help="Seconds until the receiver recovers by itself.")
    ] = 60.0,
) -> None:
    """Run everything with a sample workload that really fails."""
    settings = demo_settings(context.settings)

    async def beside(services: Services, stop: asyncio.Event) -> None:
        password = settings.admin_password or ""
        await put_user(services, "admin", password)
        _explain(settings, password, heal_after)
        await run_workload(
            services.settings.redis_url or "",
            stop,
            jobs_per_second=rate,
            heal_seconds=heal_after,
        )

    run_up(settings, beside)


async def heal_now(context: Context) -> None:
    """Let the sample's receiver recover now."""
    folder = demo_settings(context.settings).data_dir
    url = read_redis_url(folder)
    if url is None:
        raise NotFound(f"No demo has run in {folder}.")
    await heal(url)
    say("The receiver recovers; what has failed can be retried.")


def demo_settings(settings: Settings) -> Settings:
    """The settings with everything that is a team's own left out.

    A named Redis or database may be production's: the sample's jobs must not get there. Without
    a named password each start has a new one.
    """
    folder = settings.data_dir
    return settings.model_copy(
        update={
            "data_dir": folder if folder.name == "demo" else folder / "demo",
            "redis_url": None,
            "database_url": None,
            "sources": (Source(),),
            "admin_password": settings.admin_password or secrets.token_urlsafe(9),
        }
    )


def _explain(settings: Settings, password: str, heal_after: float) -> None:
    folder = settings.data_dir
    say(
        f"User: admin   Password: {password}\n\n"
        "Jobs of six apps are failing now: their receiver is down. It recovers after "
        f"{heal_after:.0f} seconds, or at once, in another terminal, with\n"
        f"  {program()} demo heal --data-dir {folder}\n"
        "Then put everything back and watch it, on the console or with\n"
        f"  {program()} retry --all --watch --data-dir {folder}\n"
    )


def program() -> str:
    """How this program is called from here: by its name if that is on the path, as a module where
    it was started as one."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{sys.executable} -m redrive"
    found = shutil.which("redrive")
    if found is not None and Path(found).resolve() == called.resolve():
        return "redrive"
    return str(called)
