"""The sample's apps: whose work it is, what trouble its receiver has, and what a job looks like."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Trouble(StrEnum):
    """What is wrong with an app's receiver until the service is healed."""

    NONE = "none"
    DOWN = "down"
    REFUSED = "refused"
    SLOW = "slow"


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleApp:
    """One tenant of the sample.

    ``share`` is its part of all jobs. ``poison`` is the part of its jobs whose content the
    receiver rejects for good, healed or not.
    """

    app_id: str
    queue: str
    job_name: str
    trouble: Trouble
    share: float
    poison: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)
    priorities: tuple[int, ...] = ()


SAMPLE_APPS = (
    SampleApp(
        app_id="acme",
        queue="webhooks",
        job_name="order.created",
        trouble=Trouble.DOWN,
        share=0.25,
        poison=0.03,
    ),
    SampleApp(
        app_id="globex",
        queue="webhooks",
        job_name="order.shipped",
        trouble=Trouble.REFUSED,
        share=0.15,
    ),
    SampleApp(
        app_id="initech",
        queue="invoices",
        job_name="invoice.send",
        trouble=Trouble.SLOW,
        share=0.15,
        priorities=(1, 5, 10),
    ),
    SampleApp(
        app_id="umbrella",
        queue="invoices",
        job_name="invoice.send",
        trouble=Trouble.NONE,
        share=0.15,
        poison=0.1,
    ),
    SampleApp(
        app_id="hooli",
        queue="emails",
        job_name="email.deliver",
        trouble=Trouble.DOWN,
        share=0.2,
        options={
            "attempts": 3,
            "backoff": {"type": "fixed", "delay": 300},
            "removeOnFail": {"count": 100},
        },
    ),
    SampleApp(
        app_id="stark",
        queue="exports",
        job_name="report.export",
        trouble=Trouble.NONE,
        share=0.1,
        poison=0.05,
        options={"lifo": True},
    ),
)

QUEUES = tuple(sorted({app.queue for app in SAMPLE_APPS}))


def choose_app(dice: random.Random) -> SampleApp:
    """One app, by the apps' shares."""
    return dice.choices(SAMPLE_APPS, [app.share for app in SAMPLE_APPS])[0]


def sample_job(app: SampleApp, number: int, dice: random.Random) -> dict[str, Any]:
    """The data of one job; a poisoned one has an amount that the receiver cannot accept."""
    amount = dice.randrange(100, 90_000)
    return {
        "app_id": app.app_id,
        "order": {
            "id": f"ord_{number:06d}",
            "amount_cents": -amount if dice.random() < app.poison else amount,
            "currency": dice.choice(["EUR", "USD", "JPY"]),
            "lines": [],
        },
        "customer": {"name": dice.choice(["Zoë Ørsted", "李小龙", "Ada Lovelace", "Jürgen Groß"])},
        "receiver": {"api_key": f"sample-{app.app_id}-key"},
    }


def sample_options(app: SampleApp, dice: random.Random) -> dict[str, Any]:
    """The options of one job. Completed jobs are soon dropped, so that the sample stays small."""
    options: dict[str, Any] = {"removeOnComplete": {"count": 500}, **app.options}
    if app.priorities:
        options["priority"] = dice.choice(app.priorities)
    return options
