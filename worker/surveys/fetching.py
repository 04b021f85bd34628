"""People, answers, opt-outs and bounces from Delighted, laid down once however often they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, select
from sqlalchemy.engine import Connection

from worker.cadence import brakes
from worker.catalogue import preferences, suppressions
from worker.catalogue.belonging import Belonging, Person, lay
from worker.catalogue.records import contacts
from worker.config.settings import DelightedSettings
from worker.db import bulk
from worker.kernel.dates import civil_date
from worker.surveys import outside, requests
from worker.surveys.outside import Brought
from worker.surveys.records import responses
from worker.surveys.remote import Remote
from worker.surveys.themes import Reader
from worker.worklist import handing

_ANSWERS = "survey_responses.json?expand%5B%5D=person&expand%5B%5D=notes"

Told = Callable[[str, int], None]
"""Hears what is read, and how many of it so far."""


@dataclass(slots=True)
class Fetched:
    """What came of it. ``left_out`` says of what was not taken why, and how often."""

    people: int = 0
    new_people: int = 0
    answers: int = 0
    new_answers: int = 0
    changed_answers: int = 0
    opt_outs: int = 0
    bounces: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, why: str) -> None:
        """Counts what was not taken."""
        self.left_out[why] = self.left_out.get(why, 0) + 1


@dataclass(frozen=True, slots=True)
class Into:
    """Where it is laid, and how it is understood; ``now`` is read once."""

    engine: Engine
    settings: DelightedSettings
    zone: ZoneInfo
    reader: Reader
    now: datetime

    @property
    def texts(self) -> tuple[str, str]:
        """The schedule and the survey whose names answers bear."""
        return self.settings.schedule, self.settings.survey


def fetch(remote: Remote, into: Into, told: Told = lambda what, count: None) -> Fetched:
    """Reads all there is; a page is a transaction. Raises ``SourceError``; what was laid down
    before stays, and the next run goes on from there."""
    done = Fetched()
    for page in remote.linked("people.json"):
        with into.engine.begin() as conn:
            for one in page:
                _lay_person(conn, one, into, done)
        done.people += len(page)
        told("people", done.people)
    for path, take in (("unsubscribes.json", _lay_opt_out), ("bounces.json", _lay_bounce)):
        for page in remote.counted(path):
            with into.engine.begin() as conn:
                for one in page:
                    take(conn, one, into, done)
    _fetch_answers(remote, into, done, told)
    return done


def _fetch_answers(remote: Remote, into: Into, done: Fetched, told: Told) -> None:
    """Those of the declared trends first: they bear the names of their schedules."""
    parts: list[tuple[Mapping[str, str], str]] = [
        ({"trend": trend}, schedule) for trend, schedule in into.settings.trends.items()
    ]
    for asked, schedule in [*parts, ({}, into.settings.schedule)]:
        for page in remote.counted(_ANSWERS, asked):
            with into.engine.begin() as conn:
                known = _known(conn, page)
                for one in page:
                    _lay_answer(conn, one, schedule, known, into, done)
            done.answers += 0 if asked else len(page)
            told("answers", done.answers)


# --- people ---


def _contact(conn: Connection, email: str) -> Any | None:
    query = select(contacts.c.id, contacts.c.key, contacts.c.name)
    mine = query.where(contacts.c.email == email).order_by(contacts.c.id).limit(1)
    return conn.execute(mine).first()


def _lay_person(conn: Connection, one: Mapping[str, Any], into: Into, done: Fetched) -> None:
    email, name = _text(one, "email").lower(), _text(one, "name") or None
    if not email:
        done.leave_out("people without an address")
        return
    found = _contact(conn, email)
    if found is None:
        properties = one.get("properties")
        said = {
            str(key): str(value)
            for key, value in (properties.items() if isinstance(properties, dict) else ())
            if value is not None
        }
        belonging = Belonging(into.settings.company, into.settings.account)
        person = Person(email, name, said)
        laid = lay(conn, person, None, None, belonging, into.now, brakes.pull, handing.open_for)
        if laid.erased or laid.problems:
            why = "people who were erased on request" if laid.erased else "people with faults"
            done.leave_out(why)
            return
        done.new_people += 1
        found = _contact(conn, email)
    sent = _moment(one, "last_sent_at")
    if found is not None and sent is not None and sent <= into.now:
        requests.note_sent(conn, found.id, sent, into.texts, into.zone)


def _lay_opt_out(conn: Connection, one: Mapping[str, Any], into: Into, done: Fetched) -> None:
    found = _contact(conn, _text(one, "email").lower())
    if found is not None and not preferences.of(conn, found.id).no_surveys:
        at = _moment(one, "unsubscribed_at") or into.now
        preferences.refuse(conn, found.id, "survey", min(at, into.now))
        done.opt_outs += 1


def _lay_bounce(conn: Connection, one: Mapping[str, Any], into: Into, done: Fetched) -> None:
    email = _text(one, "email").lower()
    at = _moment(one, "bounced_at") or into.now
    if email and suppressions.suppress(conn, email, suppressions.BOUNCED, None, at):
        done.bounces += 1


# --- answers ---


def _known(conn: Connection, page: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    keys = [_key(one) for one in page]
    rows = conn.execute(select(responses).where(bulk.among(responses.c.key, keys)))
    return {row.key: row for row in rows}


def _key(one: Mapping[str, Any]) -> str:
    return f"delighted:{one.get('id')}"


def _lay_answer(
    conn: Connection,
    one: Mapping[str, Any],
    schedule: str,
    known: dict[str, Any],
    into: Into,
    done: Fetched,
) -> None:
    score, at, key = one.get("score"), _moment(one, "created_at"), _key(one)
    if type(score) is not int or not 0 <= score <= 10 or one.get("survey_type", "nps") != "nps":
        done.leave_out("answers to other questions than 0 to 10")
        return
    if at is None or at > into.now:
        done.leave_out("answers without a day that has been")
        return
    comment = _text(one, "comment") or None
    before = known.get(key)
    if before is not None:
        values = outside.said(score, comment)
        if any(getattr(before, name) != value for name, value in values.items()):
            today = civil_date(into.now, into.zone)
            outside.change(conn, before, values, into.now, today, into.reader)
            done.changed_answers += 1
        return
    who = one.get("person")
    email = _text(who, "email").lower() if isinstance(who, dict) else ""
    found = _contact(conn, email) if email else None
    if found is None:
        done.leave_out("answers of nobody whom the book knows")
        return
    on, more = civil_date(at, into.zone), _follow_up(one)
    brought = Brought(found.id, score, comment, at, on, key, more, "import")
    texts = schedule, into.settings.survey
    number = outside.enter(conn, brought, texts, into.now, into.reader)
    outside.put_extras(conn, number, *_extras(one))
    known[key] = outside.hold(conn, number)
    done.new_answers += 1


def _follow_up(one: Mapping[str, Any]) -> dict[str, str] | None:
    """Further questions with their answers, as texts."""
    found: dict[str, str] = {}
    further = one.get("additional_answers")
    for each in further if isinstance(further, list) else ():
        try:
            value, question = each["value"], str(each["question"]["text"])
            said = value.get("free_response", value) if isinstance(value, dict) else value
            found[question] = said if isinstance(said, str) else _flat(said)
        except (KeyError, TypeError):
            continue
    return found or None


def _flat(value: Any) -> str:
    """What was chosen, as words."""
    if isinstance(value, dict):
        return str(value["text"]) if "text" in value else ", ".join(map(_flat, value.values()))
    return ", ".join(map(_flat, value)) if isinstance(value, list) else str(value)


def _extras(one: Mapping[str, Any]) -> tuple[dict[str, str], list[str], list[dict[str, Any]]]:
    told, tags, notes = (one.get(name) for name in ("person_properties", "tags", "notes"))
    properties = told.items() if isinstance(told, dict) else ()
    return (
        {str(name): str(value) for name, value in properties if value is not None},
        [str(tag) for tag in tags] if isinstance(tags, list) else [],
        [note for note in notes if isinstance(note, dict)] if isinstance(notes, list) else [],
    )


def _text(one: Mapping[str, Any], name: str) -> str:
    value = one.get(name)
    return value.strip().replace("\0", "") if isinstance(value, str) else ""


def _moment(one: Mapping[str, Any], name: str) -> datetime | None:
    value = one.get(name)
    try:
        return datetime.fromtimestamp(value, UTC) if type(value) is int and value >= 0 else None
    except (ValueError, OverflowError, OSError):
        return None
