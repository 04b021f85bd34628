"""``/v1/survey_responses``: listed, read, entered, changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.api.delighted import shapes, store
from worker.api.delighted.frame import Call, Door, add, missing, say
from worker.api.delighted.said import LONGEST_TEXT, Said
from worker.api.delighted.trends import schedule_of
from worker.catalogue.records import contacts
from worker.db.engine import reading
from worker.kernel.dates import civil_date, zone
from worker.surveys import outside
from worker.surveys.outside import Brought
from worker.surveys.themes import Reader, reader_of

USUAL, MOST, LAST_PAGE = 20, 100, 1_000_000
_ORDERS = ("asc", "desc", "asc:updated_at", "desc:updated_at")
_LARGEST = 2**62
_AHEAD = timedelta(minutes=5)
"""Clocks of others may be so far ahead of ours."""


def mount(router: APIRouter, door: Door) -> None:
    """The operations on answers."""
    called, answers = door.called(), _Answers(door)

    def listed(call: Call = called) -> Response:
        return answers.listed(call)

    def entered(call: Call = called) -> Response:
        return answers.entered(call)

    def read(number: str, call: Call = called) -> Response:
        expand = _expand(call.said)
        call.said.check()
        with reading(call.engine) as conn:
            return answers.told(conn, _number(number), expand)

    def changed(number: str, call: Call = called) -> Response:
        return answers.changed(call, _number(number))

    def saved(call: Call = called) -> Response:
        """The client for Node names the answer in the body."""
        return answers.changed(call, _number(call.said.text("id") or ""))

    add(router, "GET", "/survey_responses", listed)
    add(router, "POST", "/survey_responses", entered)
    add(router, "PUT", "/survey_responses", saved)
    add(router, "GET", "/survey_responses/{number}", read)
    add(router, "PUT", "/survey_responses/{number}", changed)


class _Answers:
    """The operations, with what they share."""

    def __init__(self, door: Door) -> None:
        self._door, settings = door, door.app.settings
        self._zone = zone(settings.book.timezone)
        self._texts = (door.settings.schedule, door.settings.survey)
        self._base_url = settings.web.base_url
        self._reader: Reader = reader_of(settings.surveys.themes)

    def listed(self, call: Call) -> Response:
        said = call.said
        size = said.whole("per_page", 1, MOST) or USUAL
        page = said.whole("page", 1, LAST_PAGE) or 1
        order = said.text("order") or "asc"
        if order not in _ORDERS:
            said.fault("order", f"must be one of {', '.join(_ORDERS)}")
        with reading(call.engine) as conn:
            wanted = store.Wanted(
                self._zone,
                schedule_of(conn, said, self._door.settings),
                _persons(conn, said),
                since=said.moment("since"),
                until=said.moment("until"),
                updated_since=said.moment("updated_since"),
                updated_until=said.moment("updated_until"),
                falling=order.startswith("desc"),
                by_update=order.endswith("updated_at"),
            )
            expand = _expand(said)
            said.check()
            rows = store.answers(conn, wanted, page, size)
            return say(self._shaped(conn, rows, expand))

    def _shaped(
        self, conn: Connection, rows: Sequence[Any], expand: Sequence[str]
    ) -> list[dict[str, Any]]:
        ids = [row.contact_id for row in rows if row.contact_id is not None]
        people = store.persons(conn, ids) if "person" in expand else {}
        return [shapes.answer(row, people, expand, self._base_url, self._zone) for row in rows]

    def told(
        self, conn: Connection, number: int, expand: Sequence[str], status: int = 200
    ) -> Response:
        row = store.answer(conn, number)
        if row is None:
            raise missing("answer of that id")
        return say(self._shaped(conn, [row], expand)[0], status)

    def entered(self, call: Call) -> Response:
        said = call.said
        score = said.whole("score", 0, 10, needed=True)
        comment = said.text("comment", longest=LONGEST_TEXT)
        at = said.moment("created_at") or call.now
        if at > call.now + _AHEAD:
            said.fault("created_at", "lies ahead")
        expand, extras = _expand(said), _extras(call)
        with call.engine.begin() as conn:
            contact_id = _person(conn, said, needed=True)
            said.check()
            assert score is not None
            assert contact_id is not None
            one = Brought(contact_id, score, comment, at, civil_date(at, self._zone))
            number = outside.enter(conn, one, self._texts, call.now, self._reader)
            outside.put_extras(conn, number, **extras)
            audit.note(conn, call.by, "response.entered", f"response {number}", call.now)
            return self.told(conn, number, expand, 201)

    def changed(self, call: Call, number: int) -> Response:
        said = call.said
        score = said.whole("score", 0, 10)
        comment = said.text("comment", longest=LONGEST_TEXT)
        expand, extras = _expand(said), _extras(call)
        with call.engine.begin() as conn:
            before = outside.hold(conn, number)
            if before is None:
                raise missing("answer of that id with a name; others are not changed")
            contact_id = _person(conn, said)
            said.check()
            values = outside.said(
                before.score if score is None else score,
                comment if "comment" in said else before.comment,
            )
            if contact_id is not None and contact_id != before.contact_id:
                values |= outside.of_person(conn, contact_id)
            if any(getattr(before, name) != value for name, value in values.items()):
                today = civil_date(call.now, self._zone)
                outside.change(conn, before, values, call.now, today, self._reader)
            outside.put_extras(conn, number, **extras)
            audit.note(conn, call.by, "response.changed", f"response {number}", call.now)
            return self.told(conn, number, expand)


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 0 < number < _LARGEST:
        raise missing("answer of that id")
    return number


def _expand(said: Said) -> Sequence[str]:
    found = said.words("expand")
    if not set(found) <= {"person", "notes"}:
        said.fault("expand", "must be person or notes")
    return found


def _persons(conn: Connection, said: Said) -> list[int] | None:
    """Whose answers are wanted; ``None``: everybody's. Nobody known has none."""
    key, email = said.text("person_id"), said.text("person_email")
    if key is None and email is None:
        return None
    who = store.called(f"email:{email}") if email is not None else None
    found = [] if key is None else [contacts.c.key == key]
    row = store.person(conn, *([] if who is None else [who]), *found)
    return [] if row is None else [row.id]


def _person(conn: Connection, said: Said, *, needed: bool = False) -> int | None:
    """Whose answer it is: an id, or a person as we wrote it, whose id a client leaves out."""
    value = said.raw("person")
    if isinstance(value, dict):
        inner = Said(value)
        email = inner.text("email")
        key = inner.text("id") or (f"email:{email}" if email else None)
    else:
        key = said.text("person", needed=needed)
    if key is None:
        return None
    who = store.called(key)
    row = None if who is None else store.person(conn, who)
    if row is None:
        said.fault("person", "is not known")
    return None if row is None else int(row.id)


def _extras(call: Call) -> dict[str, Any]:
    """What is said beside the answer; what is not named stays as it was."""
    said = call.said
    found: dict[str, Any] = {}
    if "person_properties" in said:
        found["properties"] = said.properties("person_properties")
    if "tags" in said:
        found["tags"] = said.words("tags")
    notes = said.raw("notes")
    if isinstance(notes, list) and all(isinstance(one, dict) for one in notes):
        found["notes"] = _notes(call, notes)
    return found


def _notes(call: Call, notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for place, one in enumerate(notes, 1):
        inner = Said(one)
        text = inner.text("text", needed=True, longest=LONGEST_TEXT)
        at = inner.moment("created_at") or call.now
        inner.check()
        made.append(shapes.note(text or "", inner.text("user_email"), at, place))
    return made
