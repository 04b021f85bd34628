"""``/v1/people``, ``/v1/unsubscribes``: people entered and asked, left alone, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.api.delighted import shapes, store
from worker.api.delighted.frame import Call, Door, add, done, say
from worker.api.delighted.people import known
from worker.api.delighted.said import Said, seconds
from worker.cadence import brakes
from worker.catalogue import preferences
from worker.catalogue.addresses import address
from worker.catalogue.belonging import Belonging, Person, lay
from worker.catalogue.records import contacts, suppressions
from worker.catalogue.values import BadValueError
from worker.clients import erasing, people, sweeping
from worker.clients.files import clear_folder
from worker.kernel.dates import zone
from worker.surveys import requests
from worker.worklist import handing

LONGEST_DELAY = timedelta(days=366)
_INVALID = "is invalid"


@dataclass(frozen=True, slots=True)
class _Given:
    """What a request says of a person and of the survey to come."""

    person: Person
    properties: Mapping[str, str]
    send: bool
    delay: timedelta
    last_sent_at: datetime | None
    new_email: str | None


def mount(router: APIRouter, door: Door) -> None:
    """The operations that enter and delete people."""
    called, entering = door.called(), _Entering(door)

    def entered(call: Call = called) -> Response:
        return entering.entered(call)

    def deleted(identifier: str, call: Call = called) -> Response:
        return entering.deleted(call, identifier)

    def cancelled(identifier: str, call: Call = called) -> Response:
        return entering.cancelled(call, identifier)

    def left_alone(call: Call = called) -> Response:
        return entering.left_alone(call)

    add(router, "POST", "/people", entered)
    add(router, "POST", "/unsubscribes", left_alone)
    add(router, "DELETE", "/people/{identifier:path}/survey_requests/pending", cancelled)
    add(router, "DELETE", "/people/{identifier:path}", deleted)


class _Entering:
    """The operations, with what they share."""

    def __init__(self, door: Door) -> None:
        self._door, self._settings = door, door.settings
        self._zone = zone(door.app.settings.book.timezone)
        self._texts = (door.settings.schedule, door.settings.survey)
        self._belonging = Belonging(door.settings.company, door.settings.account)

    def entered(self, call: Call) -> Response:
        given = _given(call.said, call.now)
        with call.engine.begin() as conn:
            number = self._laid(conn, call, given)
            if given.last_sent_at is not None:
                requests.note_sent(conn, number, given.last_sent_at, self._texts, self._zone)
            at = call.now + given.delay if given.send and _may_be_asked(conn, number) else None
            if at is not None:
                requests.ask_for(conn, number, self._texts, given.properties, at, call.now)
            detail = {"asked": at is not None}
            audit.note(conn, call.by, "person.entered", f"contact {number}", call.now, detail)
            told = shapes.person(store.persons(conn, [number])[number])
        more = {"properties": given.properties, "survey_scheduled_at": seconds(at)}
        return say(told | more, 201)

    def _laid(self, conn: Connection, call: Call, given: _Given) -> int:
        """The contact, as it is now."""
        found = store.person(conn, contacts.c.email == given.person.email)
        key = found.key if found is not None else None
        if given.new_email is not None and key is None:
            call.said.fault("email", "is not known: there is nobody whose address could change")
            call.said.check()
        laid = lay(
            conn,
            given.person,
            key,
            given.new_email,
            self._belonging,
            call.now,
            brakes.pull,
            handing.open_for,
        )
        for problem in laid.problems:
            name = {"email": "email", "name": "name"}.get(problem.path, "properties")
            call.said.fault(name, f"expected {problem.expected}, got {problem.got}")
        if laid.erased:
            call.said.fault("email", "belongs to a person whose data was erased on request")
        call.said.check()
        return int(conn.scalar(select(contacts.c.id).where(contacts.c.key == laid.key)) or 0)

    def cancelled(self, call: Call, identifier: str) -> Response:
        kind = "" if identifier.startswith(("email:", "phone_number:")) else "email:"
        with call.engine.begin() as conn:
            row = known(conn, f"{kind}{identifier}")
            count = requests.cancel(conn, preferences.sharing(conn, row.id), call.now)
            audit.note(
                conn,
                call.by,
                "survey.cancelled",
                f"contact {row.id}",
                call.now,
                {"requests": count},
            )
        return done()

    def left_alone(self, call: Call) -> Response:
        email = call.said.text("person_email", needed=True)
        call.said.check()
        with call.engine.begin() as conn:
            row = store.person(conn, contacts.c.email == str(email).lower())
            if row is None:
                call.said.fault("person_email", "is not known")
                call.said.check()
            preferences.refuse(conn, row.id, "survey", call.now)  # type: ignore[union-attr]  # checked
            requests.cancel(conn, preferences.sharing(conn, row.id), call.now)  # type: ignore[union-attr]
            audit.note(conn, call.by, "person.left-alone", f"contact {row.id}", call.now)  # type: ignore[union-attr]
        return done()

    def deleted(self, call: Call, identifier: str) -> Response:
        app = self._door.app
        with call.engine.begin() as conn:
            row = known(conn, identifier)
            gone = erasing.erase(conn, people.find(conn, row.key), call.now)
            audit.note(conn, call.by, "person.erased", f"contact {row.id}", call.now)
        clear_folder(app.root, app.settings, gone)
        sweeping.scour(call.engine)
        return say({"ok": True}, 202)


def _given(said: Said, now: datetime) -> _Given:
    email, new_email = _address(said, "email", needed=True), _address(said, "email_update")
    if (channel := said.text("channel")) not in (None, "email"):
        said.fault("channel", f"must be email: nobody is asked by {channel}")
    properties = said.properties("properties")
    last_sent_at = said.moment("last_sent_at")
    if last_sent_at is not None and last_sent_at > now:
        said.fault("last_sent_at", "lies ahead")
    name, send = said.text("name"), said.yes("send", otherwise=True)
    delay = said.span("delay", LONGEST_DELAY)
    said.check()
    person = Person(email or "", name, properties)
    return _Given(person, properties, send, delay, last_sent_at, new_email)


def _address(said: Said, name: str, *, needed: bool = False) -> str | None:
    text = said.text(name, needed=needed)
    try:
        return address(text) if text is not None else None
    except BadValueError:
        said.fault(name, _INVALID)
        return None


def _may_be_asked(conn: Connection, contact_id: int) -> bool:
    """Whether a survey makes sense at all: not for whoever does not want any, nor for an address
    that is silent."""
    chosen = preferences.of(conn, contact_id)
    mine = select(contacts.c.email).where(contacts.c.id == contact_id).scalar_subquery()
    silent = select(suppressions.c.address).where(suppressions.c.address == mine)
    return not chosen.no_surveys and conn.execute(silent).first() is None
