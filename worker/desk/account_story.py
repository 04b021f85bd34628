"""The one story of an account: what was, from many tables, and what the planner says will be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy.engine import Connection

from worker.cadence import ahead
from worker.cadence.ahead import Forecasting
from worker.cadence.decisions import Record
from worker.cadence.horizon import warm_up
from worker.cadence.library import library_of
from worker.cadence.summary_page import in_plain_words
from worker.desk import account_silence, account_surveys, story
from worker.desk import account_store as store
from worker.desk.coming_store import coming
from worker.desk.mails import url_of
from worker.desk.story import Entry, Place
from worker.desk.survey_answers import TONES
from worker.desk.writing import day, part
from worker.kernel.dates import Period
from worker.schedules.model import MAILING
from worker.surveys.numbers import group_of

AHEAD = timedelta(days=60)
"""So far ahead an account's page looks."""
PAGE = 40


def past(
    conn: Connection, account_id: int, before: Place | None
) -> tuple[list[Entry], Place | None]:
    """A page of what was, newest first, and where the next one begins."""
    asked = conn, account_id, before, PAGE + 1
    found = [
        *(_opened(row) for row in store.tasks_opened(*asked)),
        *(_closed(row) for row in store.tasks_closed(*asked)),
        *(_mail(row) for row in store.mails(*asked)),
        *_answers(store.answers_of(*asked)),
        *(_surveyed(row) for row in account_surveys.answers(*asked)),
        *(_stopped(row) for row in store.stops_made(*asked)),
        *(_lifted(row) for row in store.stops_lifted(*asked)),
        *(_terms(row) for row in store.terms_seen(*asked)),
        *account_silence.entries(conn, account_id, before),
    ]
    return story.page(found, PAGE)


def to_come(conn: Connection, asked: Forecasting, row: Any, today: date) -> list[Entry]:
    """What is still to come of an account, the last first: mails that wait in the ledger, and what
    the planner would decide in the next ``AHEAD`` when nothing changes."""
    schedules = library_of(conn).active(conn)
    margin = warm_up(inforce.schedule for inforce in schedules.values())
    days = Period(today, today + AHEAD)
    known = coming(conn, row.id, days, margin, PAGE)
    is_moving = schedules and known.is_moving
    asked = replace(asked, running=schedules)
    records = ahead.forecast_of(conn, asked, days, [], [row.id]) if is_moving else []
    found = [
        *(_waits(one) for one in known.waiting),
        *_planned([one for one in records if one.account == row.key], known.walks),
        *(_expires(one) for one in known.expiring),
        *(_due(one) for one in known.work if one.due_on is not None and one.due_on in days),
    ]
    return sorted(found, key=lambda one: one.place.order)


def _waits(row: Any) -> Entry:
    return Entry(
        Place(row.next_at or row.valid_until, store.MAILED, row.id),
        "mail",
        f"{row.schedule} / {row.step} to {row.address}",
        note=in_plain_words(row.reason) if row.reason else "",
        state="waits",
        links=[(f"/outbox/{row.id}", "the mail")],
    )


def _end_of(day: date) -> datetime:
    """A civil day has no moment; among those of its day it comes last."""
    return datetime.combine(day, time.max, UTC)


def _expires(row: Any) -> Entry:
    text = f"{row.product or row.key} expires"
    key = [(f"/licences/{part(row.key)}", row.key)]
    place = Place(_end_of(row.expires_on), store.TERMS, row.id)
    note = "renews by itself" if row.auto_renew else ""
    return Entry(place, "expiry", text, note=note, links=key, day=row.expires_on)


def _due(row: Any) -> Entry:
    what = "promise" if row.kind == "promise" else "task"
    links = [(f"/worklist/{row.id}", "the task")]
    place = Place(_end_of(row.due_on), store.OPENED, row.id)
    note = f"for {row.assignee or row.pool}" if row.assignee or row.pool else ""
    return Entry(place, what, f"Due: {row.title}", note=note, links=links, day=row.due_on)


def _planned(records: Sequence[Record], own: Mapping[tuple[str, int], int]) -> Iterator[Entry]:
    """An entry for each mail or task to come; licences that travel together share one. A mail of
    the account's ``own`` walks leads to where it can be held, written into or taken over."""
    coming = [one for one in records if one.at and one.decision in ("planned", "put-off")]
    together: dict[tuple[object, ...], list[Record]] = {}
    for number, one in enumerate(coming):
        alone = one.message is None or one.kind not in MAILING
        together.setdefault((number,) if alone else (one.message, one.decision), []).append(one)
    for number, group in enumerate(together.values()):
        first = group[0]
        assert first.at is not None  # those without a moment were left out
        named = [one.licence for one in group if one.licence]
        to = f" to {', '.join(first.to)}" if first.to else ""
        yield Entry(
            Place(first.at, store.PLANNED, number),
            "mail" if first.kind in MAILING else first.kind or "step",
            f"{first.schedule} / {first.step}{to}",
            note=f"about {len(named):,} licences" if len(named) > story.NAMED else "",
            state="planned" if first.decision == "planned" else "put off",
            tone="" if first.decision == "planned" else "warn",
            links=[
                *((f"/licences/{part(key)}", key) for key in named[: story.NAMED]),
                *_to_change(first, own),
            ],
        )


def _to_change(one: Record, own: Mapping[tuple[str, int], int]) -> Iterator[tuple[str, str]]:
    """The way to the page of a planned mail that is about the account itself."""
    walk = own.get((one.schedule or "", one.cycle)) if one.licence is None else None
    if walk is not None and one.kind in MAILING:
        yield url_of(walk, one.step or ""), "hold, edit or take over"


def _opened(row: Any) -> Entry:
    for_ = row.assignee or row.pool
    due = f"due {day(row.due_on)}" if row.due_on else ""
    return Entry(
        Place(row.opened_at, store.OPENED, row.id),
        "promise" if row.kind == "promise" else "task",
        row.title,
        note=" · ".join(filter(None, (f"for {for_}" if for_ else "", due))),
        state="closed" if row.closed_at else "open",
        tone="soft" if row.closed_at else "warn",
        links=[(f"/worklist/{row.id}", "the task")],
    )


def _closed(row: Any) -> Entry:
    by = f"by {row.closed_by}" if row.closed_by else ""
    return Entry(
        Place(row.closed_at, store.CLOSED, row.id),
        "done",
        row.title,
        note=" · ".join(filter(None, (row.outcome, by))),
        state="closed",
        tone="good",
        links=[(f"/worklist/{row.id}", "the task")],
    )


def _mail(row: Any) -> Entry:
    state, tone = story.fate(row)
    return Entry(
        Place(row.at, store.MAILED, row.id),
        "mail",
        row.subject or f"{row.schedule} / {row.step}",
        note=f"to {row.address}",
        state=state,
        tone=tone,
        links=[(f"/outbox/{row.id}", "the mail")],
    )


def _answers(rows: Sequence[Any]) -> Iterator[Entry]:
    """One entry for what was answered at once; rows come newest first."""
    for (at, _), group in groupby(rows, key=lambda row: (row.at, row.contact_id)):
        told = list(group)
        last = told[-1]
        kinds = dict.fromkeys(story.asked(row.kind) for row in told)
        named = [row.licence for row in reversed(told)]
        said = last.detail.get("note") or last.detail.get("who") or ""
        yield Entry(
            Place(at, store.ANSWERED, last.id),
            "answer",
            f"{last.person or last.email or 'The client'}: {', '.join(kinds)}",
            note=str(said),
            tone="good",
            links=[(f"/licences/{part(key)}", key) for key in named[: story.NAMED]],
        )


def _surveyed(row: Any) -> Entry:
    who = row.person or row.email or "The client"
    return Entry(
        Place(row.at, store.SURVEYED, row.id),
        "answer",
        f"{who}: {row.score} of 10",
        note=row.comment or "",
        state=group_of(row.score),
        tone=TONES[row.vote],
        links=[(f"/surveys/answers/{row.id}", "the answer")],
    )


def _about(row: Any) -> str:
    return "the account" if row.scope == "account" else f"{row.scope} {row.subject or ''}"


def _stopped(row: Any) -> Entry:
    end = f"until {day(row.until)}" if row.until else "until it is lifted"
    who = "the client’s answer" if row.made_by == "client" else row.reason
    return Entry(
        Place(row.made_at, store.STOPPED, row.id),
        "stop",
        f"Mails about {_about(row)} were stopped {end}",
        note=who,
        state="lifted" if row.lifted_at else "stopped",
        tone="soft" if row.lifted_at else "warn",
    )


def _lifted(row: Any) -> Entry:
    place = Place(row.lifted_at, store.LIFTED, row.id)
    return Entry(place, "stop", f"Mails about {_about(row)} go again", tone="good")


def _terms(row: Any) -> Entry:
    named = list(dict.fromkeys((row.key, row.other)))
    said = story.ORIGINS.get(row.origin, row.origin)
    text = f"{named[0]} {said}" if row.terms == 1 else f"{row.terms:,} licences {said}"
    return Entry(
        Place(row.at, store.TERMS, row.id),
        "term",
        text,
        note=f"until {day(row.expires_on)}" if row.terms == 1 else "",
        tone="good" if row.origin == "renewal" else "",
        links=[(f"/licences/{part(key)}", key) for key in named],
    )


def answered(conn: Connection, account_id: int, most: int) -> list[Entry]:
    """What the account's people answered last."""
    return list(_answers(store.answers_of(conn, account_id, None, most)))


def mailed(conn: Connection, account_id: int, most: int) -> list[Entry]:
    """The last mails about the account's licences."""
    return [_mail(row) for row in store.mails(conn, account_id, None, most)]
