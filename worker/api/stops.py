"""Stops: what nobody is written about, or to; put and lifted."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.api import repeats, store
from worker.api.asking import Day, Key, Printable
from worker.api.frame import Asked, Empty, Frame, Sent
from worker.api.problems import Fault, missing, unfit
from worker.api.repeats import Done
from worker.api.shapes import Page, Stop
from worker.api.tasks import Line
from worker.catalogue import stops
from worker.catalogue.records import contacts
from worker.catalogue.store import mark_accounts_changed, mark_changed
from worker.db.engine import reading

Scope = Literal["licence", "account", "contact"]


class StopGiven(BaseModel):
    """A stop to put. A contact is named by its address; ``until`` is its last day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scope: Scope
    key: Printable
    reason: Line
    until: Day | None = None


def mount(router: APIRouter, frame: Frame) -> None:
    """The operations on stops."""
    reader, putting, lifting = frame.asked(), frame.sent(StopGiven), frame.sent(Empty)

    @router.get("/stops", response_model=Page[Stop], tags=["stops"])
    def list_stops(asked: Asked = reader) -> Response:
        """Every stop that stands today."""
        with reading(asked.engine) as conn:
            rows = stops.listed(conn, asked.now.date())
        items = [store.stop(row, row.subject).json_() for row in rows]
        return frame.say(asked, {"items": items, "next": None})

    @router.post("/stops", response_model=Stop, status_code=201, tags=["stops"])
    def put_stop(asked: Sent[StopGiven] = putting) -> Response:
        """Stops a licence, an account or a contact; a stop that stands there is replaced."""
        return repeats.once(frame, asked, lambda conn: _put(conn, asked))

    @router.delete("/stops/{scope}/{key:path}", response_model=Stop, tags=["stops"])
    def lift_stop(scope: Scope, key: Key, asked: Sent[Empty] = lifting) -> Response:
        """Lifts a stop of staff or of this API; a client's own ends with its task."""
        return repeats.once(frame, asked, lambda conn: _lift(conn, asked, scope, key))


def _put(conn: Connection, asked: Sent[StopGiven]) -> Done:
    given = asked.content
    ids = stops.find(conn, given.scope, given.key)
    faults = []
    if not ids:
        expected = f"{'an' if given.scope == 'account' else 'a'} {given.scope} of the book"
        faults.append(Fault("body: /key", expected, ascii(given.key)))
    if given.until is not None and given.until < asked.now.date():
        faults.append(Fault("body: /until", "a day to come", str(given.until)))
    if faults:
        raise unfit(faults)
    stops.put(conn, given.scope, ids, given.reason, given.until, asked.now)
    _look_again(conn, given.scope, ids)
    _note(conn, asked, "stop.made", given.scope, given.key, ids, given.until)
    made = store.stop_of(conn, given.scope, given.key, stops.STAFF)
    assert made is not None  # in this very transaction
    return Done(made, 201)


def _lift(conn: Connection, asked: Sent[Any], scope: str, key: str) -> Done:
    ids = stops.find(conn, scope, key)
    before = store.stop_of(conn, scope, key, stops.STAFF)
    if before is None or not stops.lift(conn, scope, ids, asked.now):
        raise missing(f"stop for the {scope} {key!r}")
    _look_again(conn, scope, ids)
    _note(conn, asked, "stop.lifted", scope, key, ids, None)
    return Done(before)


def _look_again(conn: Connection, scope: str, ids: list[int]) -> None:
    """Has the engine look at every licence that the stop speaks of."""
    if scope == "licence":
        mark_changed(conn, ids)
        return
    if scope == "contact":
        query = select(contacts.c.account_id).where(contacts.c.id.in_(ids)).distinct()
        ids = list(conn.execute(query).scalars())
    mark_accounts_changed(conn, ids)


def _note(
    conn: Connection,
    asked: Sent[Any],
    what: str,
    scope: str,
    key: str,
    ids: list[int],
    until: date | None,
) -> None:
    """An address is not noted: the log outlasts the person."""
    detail = {"until": until.isoformat()} if until else None
    about = [f"contact {id_}" for id_ in ids] if scope == "contact" else [f"{scope} {key}"]
    for one in about:
        audit.note(conn, asked.by, what, one, asked.now, detail)
