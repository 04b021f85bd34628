"""What is held, and a person's answers: a brake released, a copied instance confirmed, the mails of
a schedule approved after they were seen. Today, the schedules and health all show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.cadence import answers, brakes, copies, mails
from worker.cadence.commands import defaults_of, letterhead_of
from worker.channels.contract import Mail
from worker.db.engine import reading
from worker.desk.frame import READ, Desk, Sent, Visit, missing, strict
from worker.kernel.errors import FindingsError
from worker.outbox import holds
from worker.schedules import store as versions

LOOK: Mapping[str, str] = {
    holds.FORECAST: "See in the outbox what waits. If it is meant to go, release the brake.",
    holds.IMPORT: "See among the licences what the import moved; if it is right, release it.",
    holds.CLOCK: "Set the clock right and restart the worker; then release the brake.",
    holds.COPY: "If this is the database that shall mail, an admin confirms it.",
}
"""What a person looks at before the answer, by kind of brake."""

BACK = ("/", "/schedules", "/health")
"""The pages on which held things stand: an answer leads back to the one it was given on."""

_SHOWN = 50


def shown(conn: Connection, back: str) -> dict[str, Any]:
    """What ``held.html`` wants."""
    return {"brakes": holds.pulled(conn), "held": holds.held(conn), "look": LOOK, "back": back}


def mount(router: APIRouter, desk: Desk) -> None:
    """The answers, and the page of an approval."""
    viewer, renewals = desk.visit(Role.VIEWER), desk.sent(Role.RENEWALS)
    admin, app = desk.sent(Role.ADMIN), desk.app

    @router.post("/brakes/{id_}/release")
    def release(id_: int, asked: Sent = renewals) -> Response:
        with reading(app.engine) as conn:
            on = {brake.id: brake for brake in holds.pulled(conn)}
        if id_ not in on:
            return desk.message(asked.request, 409, *_GONE)
        note = asked.one("note")
        if not note:
            said = ["Say in a few words what you saw: it is kept with the brake."]
            return desk.page(
                asked, "brake.html", 422, brake=on[id_], look=LOOK, back=_back(asked), faults=said
            )
        answers.release(app.engine, [id_], note, asked.now, asked.by)
        return desk.see(asked, _back(asked), "The brake is released; the work goes on.")

    @router.post("/instance/confirm")
    def confirm(asked: Sent = admin) -> Response:
        done = brakes.confirm_place(app.engine, asked.now, asked.by)
        said = "This instance is confirmed; it mails from now on." if done else _NO_DOUBT
        return desk.see(asked, _back(asked), said)

    @router.api_route("/schedules/{stem}/approve", methods=READ)
    def approval(stem: str, step: str = "", asked: Visit = viewer) -> Response:
        return desk.page(asked, "approve.html", **_waiting(desk, stem, step, asked), faults=[])

    @router.api_route("/schedules/{stem}/approve/mails/{key}", methods=READ)
    def mail(stem: str, key: str, asked: Visit = viewer) -> Response:
        return strict(copies.masked(_as_it_would_go(desk, key, asked).parts.html))

    @router.post("/schedules/{stem}/approve")
    def approve(stem: str, asked: Sent = renewals) -> Response:
        seen = asked.number("version")
        try:
            done = answers.approve(app.engine, [stem], asked.now, asked.by, seen=seen)
        except answers.MovedOnError as error:
            values = _waiting(desk, stem, "", asked)
            return desk.page(asked, "approve.html", 409, **values, faults=[str(error)])
        count = sum(number for _, number in done)
        said = f"Approved: {count:,} {'mail' if count == 1 else 'mails'} of {stem} may go."
        return desk.see(asked, _back(asked), said if done else "Nothing waited any more.")


_GONE = ("Already answered", "This brake is not on any more: somebody released it before you.")
_NO_DOUBT = "Nothing was in doubt."


def _back(asked: Sent) -> str:
    where = asked.one("back")
    return where if where in BACK else "/"


def _waiting(desk: Desk, stem: str, step: str, asked: Visit) -> dict[str, Any]:
    """What an approval would let go, with one mail whole; that of ``step`` if it has one."""
    with reading(desk.app.engine) as conn:
        running = {row.schedule: row for row in versions.active(conn)}
        if stem not in running:
            raise missing("schedule of that name that runs")
        groups = mails.awaiting(conn, [stem], _SHOWN)
    chosen = next((one for one in groups if one.step == step), groups[0] if groups else None)
    example, trouble = None, ""
    if chosen is not None:
        try:
            example = _as_it_would_go(desk, chosen.example, asked)
        except FindingsError as error:
            trouble = str(error)
    values = {"stem": stem, "version": running[stem], "groups": groups, "chosen": chosen}
    return values | {"example": example, "trouble": trouble}


def _as_it_would_go(desk: Desk, key: str, asked: Visit) -> Mail:
    app = desk.app
    with reading(app.engine) as conn:
        return mails.as_it_would_go(conn, key, letterhead_of(app), defaults_of(app), asked.now)
