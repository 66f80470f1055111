"""The documentation names what exists: settings, commands, routes, exit codes, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from fastapi.routing import APIRoute

from redrive.cli.app import app
from redrive.cli.exit_codes import ExitCode
from redrive.domain import Reason
from redrive.faultpoints import Step
from redrive.settings import Settings, Source
from redrive.web.app import ROUTERS
from tests.proof.test_sabotage import CASES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    text = read("configuration.md")
    for name in Settings.model_fields:
        assert f"| `REDRIVE_{name.upper()}` |" in text
    for name in Source.model_fields:
        assert f"| `{name}` |" in text


def test_every_command_and_exit_code_is_documented() -> None:
    text = read("commands.md")
    group = typer.main.get_command(app)
    for name in getattr(group, "commands", {}):
        assert re.search(rf"`(redrive )?{name}\b", text), name
    for code in ExitCode:
        assert f"| {int(code)} |" in text


def test_every_route_of_the_api_is_documented() -> None:
    text = read("api.md")
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.path.startswith("/admin/api/"):
                assert f"`{route.path.replace(':path', '')}`" in text, route.path


def test_every_reason_is_documented() -> None:
    text = read("operating.md")
    for reason in Reason:
        assert f"`{reason}`" in text


def test_the_proof_counts_its_steps_and_names_each_sabotage() -> None:
    text = read("proof.md")
    assert f"names the {len(Step)} steps" in text
    paragraph = text.split("**The proof can fail.**")[1].split("\n\n")[0]
    told = re.findall(r"\(\*(\w+)\*\)", paragraph)
    assert told == [kind for _, expected in CASES.values() for kind in sorted(expected)]


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))], ids=str
)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, heading = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        if heading:
            text = linked.read_text(encoding="utf-8").lower()
            assert f"# {heading.replace('-', ' ')}" in text, target
