"""Books and stories in plain lines: what the tables of examples are written in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Connection, select

from tests.cadence.conftest import Book, day
from tests.staff import OFFICE
from worker.cadence import aiming, answers, interventions
from worker.cadence import heard as heard_of
from worker.cadence.decisions import outcome
from worker.cadence.library import Defaults
from worker.cadence.machine import Guards
from worker.cadence.records import of_licence, steps, walks
from worker.cadence.standing import HOLD, TAKE_OVER
from worker.catalogue import stops, suppressions
from worker.catalogue.records import accounts, contacts, licences, preferences
from worker.db.engine import reading
from worker.kernel.dates import zone
from worker.outbox import holds
from worker.schedules.calendar import wall_moment
from worker.worklist import store as worklist
from worker.worklist.records import tasks

Words = Mapping[str, str]


def at(said: str) -> datetime:
    """``Fri 2026-11-27 09:00`` in UTC; a weekday that is not the date's is a mistake."""
    on, _, clock = said.rpartition(" ")
    return datetime.combine(day(on), time.fromisoformat(clock), UTC)


# --- telling the book what there is and what happens ---


def tell(book: Book, line: str) -> None:
    """Makes one line true: a kind, a name, then words with a value.

    ``licence L-1 of Maple ends=2027-02-28``, ``contact ann@maple.example of Maple``,
    ``stop account Maple until=2026-12-01``, ``approve renewal`` …
    """
    kind, *rest = line.split()
    bare = [word for word in rest if "=" not in word]
    words = dict(word.split("=", 1) for word in rest if "=" in word)
    _TELLERS[kind](book, bare, words)


def _account(book: Book, bare: list[str], words: Words) -> None:
    columns = {"zone": "timezone"}
    said = {columns.get(name, name): value for name, value in words.items()}
    book.accounts([{"account": bare[0], "name": bare[0]} | said])


def _contact(book: Book, bare: list[str], words: Words) -> None:
    key, _, account = bare
    said = dict(words)
    book.person(account, said.pop("email", key), key=key, **said)


def _licence(book: Book, bare: list[str], words: Words) -> None:
    key, _, account = bare
    columns = {"ends": "end", "starts": "start"}
    said = {columns.get(name, name): value for name, value in words.items()}
    if "start" not in said:
        said["start"] = _a_year_before(date.fromisoformat(said["end"])).isoformat()
    book.licence(key, account=account, name=account, **said)


def _a_year_before(end: date) -> date:
    return end.replace(year=end.year - 1, day=min(end.day, 28))


def _stop(book: Book, bare: list[str], words: Words) -> None:
    until = date.fromisoformat(words["until"]) if "until" in words else None
    answers.stop(book.engine, bare[0], bare[1], "asked by phone", until, book.now, OFFICE)


def _wish(book: Book, kind: str, bare: list[str], words: Words) -> None:
    """``hold L-1 heads-up until=2027-03-03``: what a person does with one planned mail."""
    until = date.fromisoformat(words["until"]) if "until" in words else None
    with reading(book.engine) as conn:
        place = aiming.find(conn, bare[0], bare[1], None)
    wish, who = interventions.Wish(kind, "talking to them", until), aiming.Person(OFFICE)
    interventions.intervene(book.engine, place, wish, who, Defaults(), book.now)


def _lift(book: Book, bare: list[str], words: Words) -> None:
    answers.lift(book.engine, bare[0], bare[1], book.now, OFFICE)


def _approve(book: Book, bare: list[str], words: Words) -> None:
    answers.approve(book.engine, bare, book.now, OFFICE)


def _release(book: Book, bare: list[str], words: Words) -> None:
    answers.release(book.engine, [], "looked at", book.now, OFFICE)


def _brake(book: Book, bare: list[str], words: Words) -> None:
    with book.engine.begin() as conn:
        holds.pull(conn, bare[0], "test", "somebody pulled it", book.now)


def _mails(book: Book, bare: list[str], words: Words) -> None:
    off = bare == ["off"]
    book.guards = replace(book.guards, sending=lambda conn, now: off or holds.is_held(conn))


def _clicked(book: Book, bare: list[str], words: Words) -> None:
    """``clicked L-1``: something that we are told of, on every walk of the licence's term."""
    what, key = bare
    with book.engine.begin() as conn:
        licence = _licence_of(conn, key)
        heard_of.note(conn, heard_of.walks_of_term(conn, licence.id, licence.term), what, book.now)


def _rests(book: Book, bare: list[str], words: Words) -> None:
    with book.engine.begin() as conn:
        licence = _licence_of(conn, bare[0])
        heard_of.rest(conn, licence.id, licence.term, date.fromisoformat(words["until"]))


def _declines(book: Book, bare: list[str], words: Words) -> None:
    with book.engine.begin() as conn:
        licence = _licence_of(conn, bare[0])
        heard_of.decline(conn, licence.id, None if "not" in bare else licence.term)


def _answers(book: Book, bare: list[str], words: Words) -> None:
    """``answers L-1``: the client asked for something, and a task about it is open."""
    with book.engine.begin() as conn:
        licence = _licence_of(conn, bare[0])
        task = worklist.NewTask(f"answer:{bare[0]}", "answer", "The client wants a quote")
        worklist.open_tasks(conn, [task], book.now)
        about = {"made_by": stops.CLIENT, "task_key": task.key}
        stops.put(conn, "licence", [licence.id], "asked", None, book.now, **about)


def _done(book: Book, bare: list[str], words: Words) -> None:
    with book.engine.begin() as conn:
        assert worklist.close(conn, f"answer:{bare[0]}", "done", book.now) == 1


def _silences(book: Book, bare: list[str], words: Words) -> None:
    """``bounced ann@maple.example``."""
    with book.engine.begin() as conn:
        suppressions.suppress(conn, bare[0], words["why"], None, book.now)


def _prefers(book: Book, bare: list[str], words: Words) -> None:
    columns = {"paused": "paused_until"}
    said: dict[str, Any] = {columns.get(name, name): value for name, value in words.items()}
    if "paused_until" in said:
        said["paused_until"] = date.fromisoformat(said["paused_until"])
    said |= {name: said[name] == "yes" for name in ("no_commercial", "no_surveys") if name in said}
    with book.engine.begin() as conn:
        person = conn.execute(select(contacts.c.id).where(contacts.c.key == bare[0])).scalar_one()
        row = said | {"contact_id": person, "updated_at": book.now}
        conn.execute(preferences.insert(), row)


def _licence_of(conn: Connection, key: str) -> Any:
    return conn.execute(select(licences).where(licences.c.key == key)).one()


_TELLERS: Mapping[str, Callable[[Book, list[str], Words], None]] = {
    "account": _account,
    "contact": _contact,
    "licence": _licence,
    "stop": _stop,
    "lift": _lift,
    "hold": lambda book, bare, words: _wish(book, HOLD, bare, words),
    "take-over": lambda book, bare, words: _wish(book, TAKE_OVER, bare, words),
    "approve": _approve,
    "release": _release,
    "brake": _brake,
    "mails": _mails,
    "hears": _clicked,
    "rests": _rests,
    "declines": _declines,
    "answers": _answers,
    "done": _done,
    "silent": _silences,
    "prefers": _prefers,
}

GUARDED = Guards(
    planning=lambda conn, now: holds.is_held(conn),
    sending=lambda conn, now: holds.is_held(conn),
    asks=True,
)
"""As in production: brakes hold, approvals are asked for."""


# --- hearing what came of it ---


def heard(book: Book) -> list[str]:
    """Every decision, in order of time, those that travelled together on one line.

    ``Fri 2026-11-27 09:00 on-the-day: L-1 L-2 to ann@maple.example`` for what was done;
    ``Fri 2026-11-27 1-day-before: L-1 superseded same-day`` for what was not.
    """
    mails: dict[str, list[Any]] = defaultdict(list)
    for mail in book.ledger():
        mails[mail.mail_key].append(mail)
    lines: dict[tuple[datetime, str, str, str], list[str]] = defaultdict(list)
    for row in _decided(book):
        moment, step, ending = _told(row, mails.get(row.mail_key, []))
        together = row.mail_key if ending.startswith("did ") else ""
        lines[moment, step, ending, together or ""].append(row.licence)
    return [
        f"{_shown(moment, ending)} {step}: {' '.join(sorted(keys, key=_natural))} {ending[4:]}"
        for (moment, step, ending, _), keys in sorted(lines.items(), key=_in_order)
    ]


def _in_order(line: tuple[tuple[datetime, str, str, str], list[str]]) -> tuple[object, ...]:
    (moment, step, ending, _), keys = line
    return moment, step, ending, sorted(keys, key=_natural)


def _shown(moment: datetime, ending: str) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M}" if ending.startswith("did ") else f"{moment:%a %Y-%m-%d}"


def _natural(key: str) -> tuple[int, str]:
    return len(key), key


def _decided(book: Book) -> list[Any]:
    query = (
        select(steps, licences.c.key.label("licence"), accounts.c.timezone)
        .join(walks, walks.c.id == steps.c.walk_id)
        .join(licences, of_licence)
        .join(accounts, accounts.c.id == licences.c.account_id)
        .order_by(steps.c.id)
    )
    with reading(book.engine) as conn:
        return list(conn.execute(query))


def _told(row: Any, mails: list[Any]) -> tuple[datetime, str, str]:
    """The wall-clock moment at the client, the step, and how it ended."""
    tz = zone(row.timezone or "UTC")
    decision, reason = outcome(row.decision, row.reason, mails)
    if decision == "sent":
        left = [mail.accepted_at for mail in mails if mail.accepted_at]
        who = " ".join(sorted(m.address for m in mails if m.accepted_at)) or row.recipient
        moment = min(left, default=row.at).astimezone(tz)
        return moment.replace(tzinfo=None), row.step, f"did to {who}"
    on = wall_moment(row.at.astimezone(tz).date(), time(0), tz)
    ending = f"not {decision} {reason}" if reason else f"not {decision}"
    return on.astimezone(tz).replace(tzinfo=None), row.step, ending


def to_do(book: Book) -> list[str]:
    """The kinds of the tasks that stand open, steps of schedules left out, in order."""
    query = select(tasks.c.kind).where(tasks.c.closed_at.is_(None), tasks.c.kind != "step")
    with reading(book.engine) as conn:
        return list(conn.execute(query.order_by(tasks.c.id)).scalars())
