"""The pages of the console: a second face on the services that the API has."""

from __future__ import annotations

from fastapi import APIRouter

from redrive.web.pages import (
    acting,
    apps,
    at_once,
    audit,
    dismissing,
    failures,
    groups,
    login,
    operations,
    overview,
    plans,
    queues,
    search,
    steering,
)

ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    overview.router,
    failures.router,
    groups.router,
    at_once.router,
    apps.router,
    operations.router,
    queues.router,
    audit.router,
    search.router,
    plans.router,
    dismissing.router,
    acting.router,
    steering.router,
)
