"""Holds, take-overs and what is given back, at any moment among renewals: an independent judge
finds nothing lost without a word and nothing twice. A worker that dies leaves none half done.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cadence.conftest import Book, schedule_text
from tests.cadence.test_edits_machine import Small
from tests.oracle.judge import judge
from tests.oracle.script import read
from worker.access.audit import Actor
from worker.cadence import aiming, interventions
from worker.cadence.aiming import Person
from worker.cadence.interventions import Wish
from worker.cadence.library import Defaults
from worker.cadence.standing import EDIT, HOLD, TAKE_OVER
from worker.db.engine import make_engine, reading
from worker.db.types import metadata
from worker.kernel.clock import VirtualClock
from worker.kernel.errors import FindingsError
from worker.templating.own import Own
from worker.worklist import store as worklist

ANN = Person(Actor("ann", "page"))
OFFSETS = ("21 days before", "14 days before", "7 days before", "on the day", "5 days after")
STEPS = tuple(step.replace(" ", "-") for step in OFFSETS)
BEGINS = datetime(2026, 11, 2, 12, tzinfo=UTC)  # a Monday
EXPIRY, LAST = date(2026, 12, 9), date(2027, 1, 20)
WEEKDAYS = 'timezone = "UTC"\nhours = "09:00-17:00"\nholidays = "none"'
LATE = ("latest", "skip", "all")

Hand = tuple[int, str, str, int | None]
"""Minutes after the one before; what is done; about which step; the last day of a hold, in days."""
hands = st.lists(
    st.tuples(
        st.integers(1, 60 * 24 * 12),  # what happens as the book begins is of the past to the judge
        st.sampled_from(["hold", "hold", "lift", "lift", "take-over", "edit", "renew"]),
        st.sampled_from(STEPS),
        st.none() | st.integers(0, 12),
    ),
    max_size=7,
)


def _act(book: Book, kind: str, step: str, until: date | None) -> bool:
    """Whether it was done; what is too late, or does not stand, is refused with a sentence."""
    with reading(book.engine) as conn:
        place = aiming.find(conn, "L-1", step, None)
    given_ = ANN, Defaults(), book.now
    try:
        if kind == "lift":
            interventions.lift(book.engine, place, *given_)
        else:
            own = Own("Ours", "Words") if kind == EDIT else Own()
            interventions.intervene(book.engine, place, Wish(kind, "why", until, own), *given_)
    except FindingsError:
        return False
    return True


def _renew(book: Book) -> dict[str, Any]:
    term = {"starts_on": "2026-12-09", "expires_on": "2027-12-09", "closed_on": None}
    book.licence(account="A-1", name="A-1", start="2026-12-09", end="2027-12-09")
    return {"licence": "L-1", **term}


def _live(book: Book, done: Sequence[Hand]) -> list[tuple[datetime, str, dict[str, Any]]]:
    events: list[tuple[datetime, str, dict[str, Any]]] = []
    for minutes, kind, step, days in done:
        book.live_to(book.now + timedelta(minutes=minutes))
        has_end = kind == "hold" and days is not None
        until = book.now.date() + timedelta(days=days or 0) if has_end else None
        if kind == "renew":
            if all(event[1] != "renew" for event in events):
                events.append((book.now, "renew", _renew(book)))
        elif _act(book, kind, step, until) and kind != "edit":
            events.append((book.now, kind, {"licence": "L-1", "step": step, "until": until}))
        book.run()
    book.live_to(datetime(2027, 1, 22, tzinfo=UTC))
    return events


@given(done=hands, late=st.sampled_from(LATE))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_judge_agrees_whatever_people_do_and_when(done: Sequence[Hand], late: str) -> None:
    with tempfile.TemporaryDirectory(prefix="perennial-hands-") as place:
        engine = make_engine(f"sqlite:///{place}/perennial.db", durable=False)
        metadata.create_all(engine)
        book = Small(engine, Path(place), VirtualClock(BEGINS))
        book.licence(account="A-1", name="A-1", start="2025-12-09", end=EXPIRY.isoformat())
        book.person("A-1", "ann@example.com")
        text = schedule_text(*OFFSETS, calendar=WEEKDAYS, limits=f'late = "{late}"')
        book.apply(text)
        book.run()
        events = _live(book, done)
        rows = _decided([record.json() for record in book.explained().records])
        _agrees(rows, text, events)
        _nothing_twice(book)
        _holders_know(book, rows)
        engine.dispose()


def _decided(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was decided. Of a step that is held, an explanation also tells what will come of it if
    nobody lifts the hold; that is not decided yet."""
    held = {(row["cycle"], row["step"]) for row in rows if row["decision"] == "put-off"}
    return [
        row
        for row in rows
        if row["decision"] == "put-off" or (row["cycle"], row["step"]) not in held
    ]


def _agrees(rows: Sequence[dict[str, Any]], text: str, events: Sequence[Any]) -> None:
    the_book = {
        "accounts": [{"key": "A-1", "timezone": None, "country": None}],
        "licences": [{"key": "L-1", "account": "A-1", "status": "active"}],
        "terms": [{"licence": "L-1", "number": 1, "starts_on": "2025-12-09", "expires_on": EXPIRY}],
    }
    script = read(text, "renewal")
    found = judge(the_book, script, rows, BEGINS.date(), LAST, events, begins=BEGINS)
    assert found == [], (found, events)


def _nothing_twice(book: Book) -> None:
    often = Counter(line.split()[1] for line in book.sent())
    assert set(often.values()) <= {1}, often
    book.files_match_the_ledger()


def _holders_know(book: Book, rows: Sequence[dict[str, Any]]) -> None:
    """A mail that was held in vain, or still is, stands in a task."""
    with reading(book.engine) as conn:
        told = [task.detail or "" for task in worklist.open_ones(conn, ["held-mail"])]
        held = [task.key for task in worklist.open_ones(conn, ["held-mail"])]
    for row in rows:
        if (row["decision"], row["reason"]) == ("skipped", "held-by-person"):
            assert any(f"/{row['step']} " in text for text in told), row
        if row["decision"] == "put-off":
            assert any(key.endswith(f":{row['step']}") for key in held), row


@pytest.mark.parametrize("label", ["claimed", "started", "sent", "recorded"])
@pytest.mark.parametrize("kind", [HOLD, TAKE_OVER])
def test_a_worker_that_dies_over_a_mail_leaves_no_hold_half_done(
    book: Book, label: str, kind: str
) -> None:
    class DiedError(Exception):
        pass

    def die(reached: str) -> None:
        if reached == label:
            raise DiedError

    book.licence(account="A-1", name="Maple")
    book.person("A-1", "ann@maple.example")
    book.apply(schedule_text("30 days before"))
    book.decide()
    with pytest.raises(DiedError):
        book.machine(pause=die).send_batch()
    assert not _act(book, kind, "30-days-before", None), "it is claimed"
    book.later(minutes=2)
    book.machine().sweep()
    done = _act(book, kind, "30-days-before", None)
    assert done == (label in ("claimed", "started")), "the folder proves what has not left"
    book.run()
    assert len(book.mails()) == (0 if done else 1)
    if done:
        _act(book, "lift", "30-days-before", None)
        book.run()
    assert len(book.mails()) == 1
    book.files_match_the_ledger()
