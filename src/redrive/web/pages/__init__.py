"""The pages of the console: a second face on the services that the API has."""

from __future__ import annotations

from fastapi import APIRouter

from redrive.web.pages import (
    acting,
    apps,
    audit,
    failures,
    login,
    operations,
    overview,
    queues,
    search,
    steering,
)

ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    overview.router,
    failures.router,
    apps.router,
    operations.router,
    queues.router,
    audit.router,
    search.router,
    acting.router,
    steering.router,
)
