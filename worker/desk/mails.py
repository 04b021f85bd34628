"""One planned mail: when, to whom, why, how it reads, and what a person may do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.audit import Actor
from worker.access.rules import Role
from worker.cadence import aiming, copies, interventions, standing
from worker.cadence.aiming import Aim, NotYoursError, Person, Place
from worker.cadence.commands import defaults_of, letterhead_of
from worker.cadence.explain import arithmetic
from worker.cadence.interventions import Wish
from worker.cadence.rules import FOR_EVER
from worker.cadence.standing import EDIT, HOLD, TAKE_OVER
from worker.cadence.summary_page import in_plain_words
from worker.db.engine import reading
from worker.desk.frame import READ, Desk, RefusedError, Sent, Visit, missing, strict
from worker.kernel.errors import FindingsError
from worker.kernel.keys import digest
from worker.schedules.calendar import SLOT
from worker.templating.own import NOTHING_OWN, Own, own_of
from worker.templating.own import faults as faults_of_words

_LIFTED = {"back": (HOLD, TAKE_OVER), "words": (EDIT,)}
_READER = Person(Actor("", "page"))
"""Everybody may look."""
Typed = Mapping[str, str]
"""What somebody typed into the forms, by field."""


def url_of(walk_id: int, step: str) -> str:
    """The address of the page of one planned mail."""
    return f"/mails/{walk_id}/{quote(step, safe='')}"


def mount(router: APIRouter, desk: Desk) -> None:
    """The page, its HTML alone, and the forms of those who may act."""
    viewer, sales = desk.visit(Role.VIEWER), desk.sent(Role.SALES)

    @router.api_route("/mails/{walk}/{step}", methods=READ)
    def planned(walk: int, step: str, asked: Visit = viewer) -> Response:
        place = Place(walk, step)
        with reading(desk.app.engine) as conn:
            left = [copy.id for copy in _aimed(conn, desk, place).copies if copy.accepted_at]
        return desk.see(asked, f"/outbox/{left[0]}") if left else _page(desk, asked, place)

    @router.api_route("/mails/{walk}/{step}/html", methods=READ)
    def html(walk: int, step: str, asked: Visit = viewer) -> Response:
        with reading(desk.app.engine) as conn:
            shown = _outlook(conn, desk, _aimed(conn, desk, Place(walk, step)), asked.now).shown
        if shown is None:
            raise RefusedError(404, "Nothing to show", "It cannot be written at present.")
        return strict(shown.html)

    @router.post("/mails/{walk}/{step}/lift")
    def lift(walk: int, step: str, sent: Sent = sales) -> Response:
        kinds = _LIFTED.get(sent.one("what"))
        if kinds is None:
            raise RefusedError(422, "Not understood", "what: expected back or words.")
        given = Place(walk, step), _person(sent), defaults_of(desk.app), sent.now, kinds
        said = _tried(interventions.lift, desk.app.engine, *given)
        return desk.see(sent, url_of(walk, step), said)

    @router.post("/mails/{walk}/{step}/{kind}")
    def act(walk: int, step: str, kind: str, sent: Sent = sales) -> Response:
        if kind not in (HOLD, EDIT, TAKE_OVER):
            raise missing("such form")
        return _act(desk, sent, Place(walk, step), kind)


def _act(desk: Desk, sent: Sent, place: Place, kind: str) -> Response:
    """Does what a form asks for, or shows it again with everything that is wrong."""
    typed = {name: sent.one(name) for name in ("reason", "until", "subject", "words", "seen")}
    wish, faults = _wish(kind, typed)
    with reading(desk.app.engine) as conn:
        aim = _aimed(conn, desk, place)
        seen = _seen(conn, aim)
    if not _person(sent).may(aim.row):
        raise _not_yours(f"{aim.row.account_name} is in the care of others.")
    faults += wish.faults(aim.line.calendar.today(sent.now))
    if sent.one("look") and not list(faults_of_words(wish.own)):
        return _page(desk, sent, place, kind=kind, typed=typed, own=wish.own)
    if faults:
        return _page(desk, sent, place, 422, kind=kind, typed=typed, faults=faults)
    if typed["seen"] != seen:
        return _page(desk, sent, place, 409, kind=kind, typed=typed)
    try:
        given = wish, _person(sent), defaults_of(desk.app), sent.now
        said = _tried(interventions.intervene, desk.app.engine, place, *given)
    except FindingsError as error:
        return _page(desk, sent, place, 422, kind=kind, typed=typed, faults=[str(error)])
    return desk.see(sent, url_of(*place), said)


def _wish(kind: str, typed: Typed) -> tuple[Wish, list[str]]:
    """What a form asks for, and what in it cannot be read."""
    faults, until = [], None
    if kind == HOLD and typed["until"]:
        try:
            until = date.fromisoformat(typed["until"])
        except ValueError:
            faults.append(f"until: expected a day such as 2027-03-31, got {typed['until']!r}.")
    own = own_of(typed["subject"], typed["words"]) if kind == EDIT else NOTHING_OWN
    return Wish(kind, typed["reason"], until, own), faults


def _tried(flow: Any, *given: Any) -> str:
    """What a flow says; that an account is somebody else's is a refusal of its own."""
    try:
        said: str = flow(*given)
    except NotYoursError as error:
        raise _not_yours(str(error)) from error
    return said


def _not_yours(text: str) -> RefusedError:
    return RefusedError(403, "Not yours to do", text)


def _person(asked: Visit) -> Person:
    """Who acts: sales for the accounts that they manage, those above for all."""
    return Person(asked.by, asked.seat.staff, everywhere=asked.may(Role.RENEWALS))


def _aimed(conn: Connection, desk: Desk, place: Place) -> Aim:
    if not 0 < place.walk_id < 2**63:
        raise missing("such mail")
    try:
        return aiming.aim(conn, place, _READER, defaults_of(desk.app))
    except FindingsError as error:
        raise RefusedError(404, "Not found", str(error)) from error


def _outlook(
    conn: Connection, desk: Desk, aim: Aim, now: datetime, own: Own | None = None
) -> copies.Outlook:
    return copies.outlook(conn, aim, letterhead_of(desk.app), defaults_of(desk.app), now, own)


def _seen(conn: Connection, aim: Aim) -> str:
    """Changes with whatever a person decides upon: what stands, and what was decided."""
    stands = standing.of_step(conn, *aim.place)
    one = aim.decided
    decided = (one.decision, one.reason, one.at.isoformat()) if one is not None else ()
    return digest(repr((sorted(row.id for row in stands.values()), decided)))[:16]


def _page(
    desk: Desk,
    asked: Visit,
    place: Place,
    status: int = 200,
    *,
    kind: str = "",
    typed: Typed | None = None,
    faults: list[str] | None = None,
    own: Own | None = None,
) -> Response:
    with reading(desk.app.engine) as conn:
        aim = _aimed(conn, desk, place)
        stands = standing.of_step(conn, *place)
        values: dict[str, Any] = {
            "outlook": _outlook(conn, desk, aim, asked.now, own),
            "stands": stands,
            "seen": _seen(conn, aim),
            "together": len(aiming.together(conn, aim)),
        }
    mine = asked.may(Role.SALES) and _person(asked).may(aim.row)
    late = aiming.too_late(aim)
    values |= _when(aim, asked.now) | {
        "aim": aim,
        "here": url_of(*place),
        "may": mine and late is None,
        "may_lift": mine and bool(stands) and aiming.too_late(aim, back=True) is None,
        "not_mine": asked.may(Role.SALES) and not mine,
        "late": late or "",
        "kind": kind,
        "typed": typed or {},
        "faults": faults or [],
        "tried": own,
        "differs": status == 409,
    }
    return desk.page(asked, "mail.html", status, **values)


def _when(aim: Aim, now: datetime) -> dict[str, Any]:
    """When it goes and how that comes about; nothing is promised of one whose time is over."""
    decided, moment = aim.decided, aim.item.opens_at + aim.slot * SLOT
    waits = decided is not None and decided.decision == "put-off"
    at = decided.at if waits and decided is not None else moment
    over = decided is not None and decided.decision not in ("put-off", "waiting")
    reason = decided.reason if decided is not None else None
    return {
        "at": None if at >= FOR_EVER or over else max(at, moment),
        "is_past": at < now and decided is None,
        "sum": arithmetic(aim.line, aim.item, aim.anchor, aim.slot),
        "decision": decided.decision if decided is not None else "planned",
        "why": in_plain_words(reason) if reason else "",
    }
