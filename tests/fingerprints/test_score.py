"""Each cause of the set is one group, and no two causes share one."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from dataclasses import replace

import pytest

from redrive.fingerprint import VERSION
from tests.fingerprints.corpus import COMMANDS, DEPLOYMENTS, HERE, load, make
from tests.fingerprints.scoring import by_fingerprint, by_message, by_words, score

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


def test_what_a_cause_is_called_in_the_programs_does_not_tell_it() -> None:
    """Python writes source lines into its traces, and these name the cause."""
    instances = load()
    named = [each for each in instances if each.cause.partition(": ")[2] in each.stack]
    assert named
    for instance in named:
        name = instance.cause.partition(": ")[2]
        nameless = replace(instance, stack=instance.stack.replace(name, "something"))
        assert by_fingerprint(nameless) == by_fingerprint(instance)


@pytest.mark.parametrize(
    "language", [pytest.param("node", marks=pytest.mark.node), "python"], ids=str
)
def test_programs_that_fail_now_fall_into_one_group_for_each_cause(language: str) -> None:
    if language == "node" and shutil.which("node") is None:
        required = bool(os.environ.get("CI") or os.environ.get("REDRIVE_REQUIRE_ALL"))
        (pytest.fail if required else pytest.skip)("Node.js is not installed")
    instances = [each for each in make(language, failures=2) if not each.is_hard]
    found = score(instances, by_fingerprint)
    assert (found.scattered, found.shared) == ([], [])
    assert found.instances == 2 * len(DEPLOYMENTS) * found.causes


def test_without_stack_traces_nine_of_ten_pairs_are_still_right() -> None:
    found = score(load(), by_message)
    assert found.precision > 0.9
    assert found.recall > 0.9


def test_the_documented_score_is_the_measured_one() -> None:
    documented = DOCS.read_text(encoding="utf-8")
    for name, group_of, hard in (
        ("fingerprint", by_fingerprint, False),
        ("fingerprint, no stack trace kept", by_message, False),
        ("type and message as they are", by_words, False),
        ("fingerprint, the hard causes", by_fingerprint, True),
    ):
        assert score(load(hard=hard), group_of).row(name) in documented
    assert re.search(rf"version {VERSION}\b", documented)
