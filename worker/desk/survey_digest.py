"""Telling all who were asked what was done with their answers: written, looked at, sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk import accounts_store
from worker.desk.frame import READ, Desk, Sent, Visit
from worker.kernel.dates import Period
from worker.kernel.errors import FindingsError
from worker.surveys import digest, telling
from worker.surveys.records import invitations, tellings

_FIELDS = ("schedule", "from", "to", "words")
_LATELY = 20


def mount(router: APIRouter, desk: Desk) -> None:
    """The form, what it would send, and the sending."""
    renewals, sender = desk.visit(Role.RENEWALS), desk.sent(Role.RENEWALS)

    @router.api_route("/surveys/digest", methods=READ)
    def form(asked: Visit = renewals) -> Response:
        return _page(desk, asked, dict.fromkeys(_FIELDS, ""))

    @router.post("/surveys/digest")
    def send(sent: Sent = sender) -> Response:
        typed = {name: sent.one(name) for name in _FIELDS}
        period, faults = _period(typed)
        if period is None:
            return _page(desk, sent, typed, 422, faults=faults)
        schedule, words = typed["schedule"], typed["words"]
        if sent.one("look"):
            with reading(desk.app.engine) as conn:
                faults = list(digest.faults(conn, schedule, period, words))
                count = 0 if faults else len(telling.to_be_told(conn, schedule, period))
            return _page(desk, sent, typed, 422 if faults else 200, faults=faults, count=count)
        try:
            count = digest.send(desk.app.engine, schedule, period, words, sent.now, sent.by)
        except FindingsError as error:
            return _page(desk, sent, typed, 422, faults=str(error).splitlines())
        return desk.see(sent, "/surveys/digest", f"{count:,} will be told.")


def _period(typed: Mapping[str, str]) -> tuple[Period | None, list[str]]:
    """The period of a form, and everything that is wrong with it."""
    faults, days = [], []
    for name in ("from", "to"):
        try:
            days.append(date.fromisoformat(typed[name]))
        except ValueError:
            faults.append(f"{name}: expected a day such as 2027-03-31, got {typed[name]!r}.")
    if not faults and days[1] < days[0]:
        faults.append(f"The last day, {days[1]}, lies before the first, {days[0]}; swap them.")
    if not typed["schedule"]:
        faults.append("schedule: choose the one that asked.")
    return (None if faults else Period(*days)), faults


def _page(
    desk: Desk,
    asked: Visit,
    typed: Mapping[str, str],
    status: int = 200,
    *,
    faults: Sequence[str] = (),
    count: int = 0,
) -> Response:
    with reading(desk.app.engine) as conn:
        values: dict[str, Any] = {"schedules": _SCHEDULES.scalars(conn), "before": _before(conn)}
    values |= {"typed": typed, "faults": faults, "count": count}
    return desk.page(asked, "survey_digest.html", status, **values)


_SCHEDULES = accounts_store.values_of(invitations.c.schedule)
"""Those that asked anybody."""


def _before(conn: Connection) -> Sequence[Any]:
    """What was told lately to all."""
    mine = select(tellings).where(tellings.c.response_id.is_(None))
    return conn.execute(mine.order_by(tellings.c.id.desc()).limit(_LATELY)).all()
