"""What happens in one scenario: the jobs, what the operator does, what goes wrong. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from redrive.faultpoints import Step

BACKENDS = ("sqlite", "postgresql")

FOR_EVER = 1_000_000_000
"""``fails_through`` of a poison job."""


class Part(StrEnum):
    """The processes that can be hurt."""

    WEB = "web"
    RUNNER = "runner"
    FOLLOWER = "follower"
    WORKER = "worker"


class Action(StrEnum):
    RETRY_ALL = "retry all"
    RETRY_APP = "retry app"
    RETRY_ONE = "retry one"
    RESYNC_APP = "resync app"
    RETRY_PLANNED = "retry what a plan selected"
    DISMISS_PLANNED = "dismiss what a plan selected"
    RESTORE = "restore what was dismissed"
    RETRY_ELSEWHERE = "retry with another tool"


class Meanwhile(StrEnum):
    """What is done while a process is stopped at a step, before it goes on."""

    LEASE = "another runner takes its operation over"
    OTHER_STOPS = "another runner takes its operation over and stops too"
    THE_END = "its operation ends"
    CANCEL = "its operation is cancelled"
    UNDO = "its operation is cancelled and undone"
    OTHER_TOOL = "another tool retries the failed jobs, and they fail again"
    ADDED_AGAIN = "its producer adds the jobs again that their queue has forgotten"
    DONE_ELSEWHERE = "its producer adds them again, they complete and are removed"
    WORK = "its operation ends and what was put back is worked off"
    SWEPT = "a runner's sweep comes upon its single retry and ends it"


class Outage(StrEnum):
    REDIS_KILLED = "redis killed"
    REDIS_LOST = "redis lost its last second"
    POSTGRES_KILLED = "postgresql killed"


class Moment(StrEnum):
    """A state of an operation that something can wait for."""

    CANARY_WAITS = "its canary waits"
    PAUSED = "it is paused"
    OBSERVED = "it observes what it moved"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPlan:
    """One job. It fails while the generation of its hand-over is at most ``fails_through``; one
    that nobody has handed over is of generation 0.

    ``dropped`` removes it from the queue once the ledger knows it: its own options say that failed
    jobs are forgotten, so that it is rebuilt. A run takes ``work_millis``.
    """

    queue: str
    app_id: str
    job_id: str
    fails_through: int
    options: Mapping[str, object] = field(default_factory=dict)
    dropped: bool = False
    work_millis: int = 2

    @property
    def poison(self) -> bool:
        return self.fails_through == FOR_EVER


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """What the operator does; ``target`` is an app or a job. ``cancel_after`` is in seconds.

    ``after`` so many seconds, where acts are done together. ``where`` is the filter of a plan.
    ``controls`` are the limits of a bulk start. ``twice``: it is clicked twice at once, with one
    key. One that is ``steered`` is given another rate and paused once it runs. Whatever is paused,
    by hand or by itself, is resumed.
    """

    action: Action
    target: str = ""
    where: Mapping[str, object] = field(default_factory=dict)
    cancel_after: float | None = None
    controls: Mapping[str, object] = field(default_factory=dict)
    steered: bool = False
    twice: bool = False
    after: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """At the ``nth`` arrival at a step a process dies, or stops until ``meanwhile`` is done.

    ``life`` says in which process of that part: 1 is the first one started, 2 the one after it.
    """

    part: Part
    step: Step
    nth: int = 1
    meanwhile: Meanwhile | None = None
    life: int = 1

    @property
    def text(self) -> str:
        return f"{self.step}:{self.nth}:{'kill' if self.meanwhile is None else 'stop'}"

    def __str__(self) -> str:
        what = "killed" if self.meanwhile is None else f"stopped while {self.meanwhile},"
        return f"{self.part} {self.life} {what} at {self.step} {self.nth}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kill:
    """SIGKILL to a part, or an outage: ``after`` seconds of an act, counted from 0, or ``at`` a
    moment of an operation, which the operator's next step waits for."""

    what: Part | Outage
    after: float = 0.0
    act: int = 0
    at: Moment | None = None

    def __str__(self) -> str:
        if self.at is not None:
            return f"{self.what} killed while {self.at}"
        killed = " killed" if isinstance(self.what, Part) else ""
        return f"{self.what}{killed} {self.after:.3f} s into act {self.act}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One run of the proof.

    ``together``: two operators do all acts at the same time. Operations over more than
    ``approval_over`` entries wait for a second person; 0: none does. From the beginning of act
    ``eaten_in_act`` on, ``eaten`` replies of hand-overs are dropped on their way to the first
    process of ``eaten_from``; the repeat waits until the jobs were worked off. ``unreachable``
    keeps the queues' Redis from the first web process. With ``regroups`` the first follower groups
    failures by an older version of the fingerprint. ``node`` has the jobs done in Node.js, where
    there is one. With ``strict`` everything that is planned must happen. ``patience``, in seconds,
    bounds every wait.
    """

    name: str
    backend: str
    seed: int | None = None
    jobs: tuple[JobPlan, ...]
    acts: tuple[Act, ...]
    together: bool = False
    faults: tuple[Fault, ...] = ()
    kills: tuple[Kill, ...] = ()
    eaten: int = 0
    eaten_from: Part = Part.RUNNER
    eaten_in_act: int = 0
    unreachable: bool = False
    approval_over: int = 0
    runners: int = 1
    followers: int = 1
    batch_size: int = 8
    regroups: bool = False
    node: bool = False
    strict: bool = False
    patience: float = 120.0

    @property
    def queues(self) -> list[str]:
        return sorted({job.queue for job in self.jobs})

    @property
    def loses(self) -> bool:
        """Whether Redis forgets something that it had confirmed."""
        return any(kill.what is Outage.REDIS_LOST for kill in self.kills)

    @property
    def database_dies(self) -> bool:
        return any(kill.what is Outage.POSTGRES_KILLED for kill in self.kills)

    @property
    def _eaten(self) -> str:
        return f"{self.eaten} replies to {self.eaten_from} eaten from act {self.eaten_in_act} on"

    def describe(self) -> str:
        hurt = [str(fault) for fault in self.faults] + [str(kill) for kill in self.kills]
        hurt += [self._eaten] if self.eaten else []
        hurt += ["workers in Node.js"] if self.node else []
        return f"{self.name} on {self.backend}: {'; '.join(hurt) or 'nothing goes wrong'}"
