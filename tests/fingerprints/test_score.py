"""Each cause of the set is one group, and no two causes share one."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter

import pytest

from redrive.fingerprint import VERSION
from tests.fingerprints.corpus import COMMANDS, DEPLOYMENTS, HERE, load, make
from tests.fingerprints.scoring import by_fingerprint, by_message, score

DOCS = HERE.parents[1] / "docs" / "groups.md"


def test_the_set_holds_thousands_of_failures_of_thirty_causes_in_each_language() -> None:
    instances = load()
    languages = Counter(cause.partition(":")[0] for cause in {each.cause for each in instances})
    assert languages.keys() == COMMANDS.keys()
    assert min(languages.values()) >= 30
    assert len(instances) >= 3_000


def test_each_cause_is_one_group_and_each_group_one_cause() -> None:
    found = score(load(), by_fingerprint)
    assert (found.scattered, found.shared) == ([], [])
    assert (found.precision, found.recall) == (1, 1)
    assert found.groups == found.causes


@pytest.mark.parametrize(
    "language", [pytest.param("node", marks=pytest.mark.node), "python"], ids=str
)
def test_programs_that_fail_now_fall_into_one_group_for_each_cause(language: str) -> None:
    if language == "node" and shutil.which("node") is None:
        required = bool(os.environ.get("CI") or os.environ.get("REDRIVE_REQUIRE_ALL"))
        (pytest.fail if required else pytest.skip)("Node.js is not installed")
    instances = list(make(language, failures=2))
    found = score(instances, by_fingerprint)
    assert (found.scattered, found.shared) == ([], [])
    assert found.instances == 2 * len(DEPLOYMENTS) * found.causes


def test_without_stack_traces_nine_of_ten_pairs_are_still_right() -> None:
    found = score(load(), by_message)
    assert found.precision > 0.9
    assert found.recall > 0.9


def test_the_documented_score_is_the_measured_one() -> None:
    documented = DOCS.read_text(encoding="utf-8")
    for name, group_of in (
        ("fingerprint", by_fingerprint),
        ("fingerprint, no stack trace kept", by_message),
    ):
        found = score(load(), group_of)
        row = (
            f"| {name} | {found.instances} | {found.causes} | {found.groups}"
            f" | {found.precision:.4f} | {found.recall:.4f} |"
        )
        assert row in documented
    assert re.search(rf"version {VERSION}\b", documented)
