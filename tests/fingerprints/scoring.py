"""How well groups agree with causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import comb

from redrive.engines.bullmq.text import error_type_of
from redrive.fingerprint import fingerprint
from tests.fingerprints.corpus import Instance

Grouping = Callable[[Instance], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """``precision``: of two failures in one group, how often they have one cause; ``recall``: of
    two failures of one cause, how often they are in one group. ``scattered`` and ``shared`` name
    the causes with several groups, and those in a group with others, the worst first.
    """

    causes: int
    groups: int
    instances: int
    precision: float
    recall: float
    scattered: list[tuple[str, int]]
    shared: list[tuple[str, ...]]

    def row(self, name: str) -> str:
        """A row of the table."""
        return (
            f"| {name} | {self.instances} | {self.causes} | {self.groups}"
            f" | {self.precision:.4f} | {self.recall:.4f} |"
        )


def by_fingerprint(instance: Instance) -> str:
    """The group of a failure; queue and job name are the same for all, so that they do not help."""
    return fingerprint(
        "main", "work", "job", error_type_of(instance.stack), instance.message, instance.stack
    ).key


def by_message(instance: Instance) -> str:
    """The group of a failure whose stack trace was not kept."""
    kind = error_type_of(instance.stack)
    return fingerprint("main", "work", "job", kind, instance.message, "").key


def by_words(instance: Instance) -> str:
    """What grouping by type and message alone would do, for comparison."""
    return f"{error_type_of(instance.stack)} {instance.message}"


def score(instances: Iterable[Instance], group_of: Grouping) -> Score:
    both = Counter((instance.cause, group_of(instance)) for instance in instances)
    causes, groups = Counter[str](), Counter[str]()
    for (cause, group), count in both.items():
        causes[cause] += count
        groups[group] += count
    together = _pairs(both.values())
    groups_of = Counter(cause for cause, _ in both)
    causes_of: dict[str, list[str]] = {}
    for cause, group in both:
        causes_of.setdefault(group, []).append(cause)
    shared = {tuple(sorted(named)) for named in causes_of.values() if len(named) > 1}
    return Score(
        causes=len(causes),
        groups=len(groups),
        instances=both.total(),
        precision=together / max(1, _pairs(groups.values())),
        recall=together / max(1, _pairs(causes.values())),
        scattered=[(cause, count) for cause, count in groups_of.most_common() if count > 1],
        shared=sorted(shared, key=len, reverse=True),
    )


def _pairs(counts: Iterable[int]) -> int:
    return sum(comb(count, 2) for count in counts)
