"""``/v1``: who does not want to be asked, whose address bounced, who is asked again and again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import ColumnElement, Select, select

from worker.api.delighted import shapes, store
from worker.api.delighted.frame import Call, Door, add, say
from worker.api.delighted.people import page_of, persons_page
from worker.catalogue.records import contacts, preferences, suppressions
from worker.db.engine import reading
from worker.surveys.records import invitations


def mount(router: APIRouter, door: Door) -> None:
    """The operations that list."""
    called = door.called()

    def unsubscribes(call: Call = called) -> Response:
        rows = _silent(call, store.unsubscribed(), preferences.c.updated_at)
        return say([shapes.silent(row, "unsubscribed_at") for row in rows])

    def bounces(call: Call = called) -> Response:
        rows = _silent(call, store.bounced(), suppressions.c.at)
        return say([shapes.silent(row, "bounced_at") for row in rows])

    def members(call: Call = called) -> Response:
        return persons_page(call, door, _ASKED_AGAIN, member=True)

    add(router, "GET", "/unsubscribes", unsubscribes)
    add(router, "GET", "/bounces", bounces)
    add(router, "GET", "/autopilot/email/memberships", members)
    add(router, "GET", "/autopilot/sms/memberships", _nobody(called))
    for platform in ("email", "sms"):
        add(router, "GET", f"/autopilot/{platform}", _configuration(called, platform))


_ASKED_AGAIN: ColumnElement[bool] = (
    select(invitations.c.id)
    .where(invitations.c.contact_id == contacts.c.id, invitations.c.walk_id.is_not(None))
    .exists()
)
"""Whom a schedule has asked: it goes on doing so."""


def _silent(call: Call, query: Select[Any], at: ColumnElement[datetime]) -> list[Any]:
    page, size = page_of(call.said)
    since, until = call.said.moment("since"), call.said.moment("until")
    call.said.check()
    if since is not None:
        query = query.where(at >= since)
    if until is not None:
        query = query.where(at <= until)
    query = query.order_by(at, contacts.c.id).limit(size).offset((page - 1) * size)
    with reading(call.engine) as conn:
        return list(conn.execute(query))


def _nobody(called: Any) -> Callable[..., Response]:
    def nobody(call: Call = called) -> Response:
        """Nobody is asked by text message."""
        return say([])

    return nobody


def _configuration(called: Any, platform: str) -> Callable[..., Response]:
    def configuration(call: Call = called) -> Response:
        """Schedules ask again by rules of their own; there is no one frequency."""
        told = {"platform_id": platform, "active": platform == "email", "frequency": None}
        return say(told | {"created_at": None, "updated_at": None})

    return configuration
