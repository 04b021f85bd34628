"""When the machine stops by itself: nothing is decided and nothing leaves until a person has said
so, and everybody can read why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from tests.cadence.conftest import Book, schedule_text
from tests.staff import OFFICE
from worker.cadence import answers, brakes
from worker.cadence.brakes import Brakes
from worker.cadence.machine import Guards, Machine
from worker.db import heartbeats
from worker.db.engine import reading
from worker.kernel.clock import VirtualClock
from worker.outbox import holds
from worker.outbox.records import mail_days
from worker.worklist import store as worklist

STOPPED = ("brake", "Sending is stopped until a person has looked")


class Watch:
    """A clock on the wall of a machine: it can be set, which time that goes by cannot."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.set_by = clock, timedelta()

    def now(self) -> datetime:
        return self.clock.now() + self.set_by

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def elapsed(self) -> float:
        return self.clock.elapsed()


@pytest.fixture
def due(book: Book) -> Book:
    """One client with a mail that is decided on and due, and one about whom nothing is decided
    yet."""
    book.apply(schedule_text("30 days before", "3 days after"))
    for key in ("L-1", "L-2"):
        book.licence(key)
        book.contact(f"C-{key}", licence=key)
        if key == "L-1":
            book.decide()
    return book


def _guarded(book: Book, watching: Brakes | None = None) -> Machine:
    """The machine as an instance runs it."""
    watching = watching or Brakes(book.clock)
    guards = Guards(watching.hold, watching.hold, noted=brakes.count_mails)
    return book.machine(guards=guards)


def _pull(book: Book, kind: str, about: str = "it", detail: str = "It moved.") -> None:
    with book.engine.begin() as conn:
        brakes.pull(conn, kind, about, detail, book.now)


def _details(book: Book) -> list[str]:
    with reading(book.engine) as conn:
        return [task.detail for task in worklist.open_ones(conn, ["brake"])]


def _on(book: Book) -> list[tuple[str, str]]:
    with reading(book.engine) as conn:
        return [(brake.kind, brake.about) for brake in holds.pulled(conn)]


# --- a brake that is on ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [holds.FORECAST, holds.IMPORT, holds.CLOCK, holds.COPY])
def test_a_brake_holds_what_is_decided_on_and_lets_nothing_be_decided(due: Book, kind: str) -> None:
    _pull(due, kind)
    before = due.ledger()
    due.run(_guarded(due))
    assert due.mails() == []
    assert due.ledger() == before
    assert due.decisions("L-2") == {}
    assert due.tasks() == [STOPPED]


def test_released_it_goes_on_where_it_was_and_mails_nobody_twice(due: Book) -> None:
    _pull(due, holds.IMPORT)
    due.run(_guarded(due))
    (released,) = answers.release(due.engine, [], "looked", due.now, OFFICE)
    assert (released.kind, released.about) == (holds.IMPORT, "it")
    due.run(_guarded(due))
    assert due.addresses() == ["c-l-1@example.com", "c-l-2@example.com"]
    assert due.tasks() == []


def test_two_brakes_need_two_answers(due: Book) -> None:
    _pull(due, holds.IMPORT, "licences")
    _pull(due, holds.FORECAST, "2026-11-20")
    with reading(due.engine) as conn:
        first = holds.pulled(conn)[0].id
    answers.release(due.engine, [first], "looked", due.now, OFFICE)
    due.run(_guarded(due))
    assert due.mails() == []
    assert due.tasks() == [STOPPED]
    answers.release(due.engine, [], "looked", due.now, OFFICE)
    due.run(_guarded(due))
    assert len(due.mails()) == 2


def test_a_brake_that_is_on_is_not_pulled_again_but_may_be_once_it_was_released(due: Book) -> None:
    for _ in range(2):
        _pull(due, holds.IMPORT, "licences")
    assert _on(due) == [(holds.IMPORT, "licences")]
    assert len(_details(due)) == 1
    answers.release(due.engine, [], "looked", due.now, OFFICE)
    assert _on(due) == []
    _pull(due, holds.IMPORT, "licences")
    assert _on(due) == [(holds.IMPORT, "licences")]
    assert len(_details(due)) == 1


def test_an_import_pulls_it_in_its_own_transaction_by_its_hook(due: Book) -> None:
    """The catalogue calls it so; a rolled back import leaves no brake."""
    told = "the import of 'licences' gives 40 of 100 active licences other dates"
    with due.engine.connect() as conn, conn.begin() as transaction:
        brakes.pull(conn, kind="import", about="licences", detail=told, now=due.now)
        transaction.rollback()
    assert _on(due) == []
    with due.engine.begin() as conn:
        brakes.pull(conn, kind="import", about="licences", detail=told, now=due.now)
    (detail,) = _details(due)
    assert detail == f"The{told[3:]}. See what it moved: perennial plan. Go on: perennial release"


# --- the clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (1, "The clock was set ahead by 1 h 0 min while this process was running."),
        (30, "The clock was set ahead by 30 h 0 min while this process was running."),
        (-2.5, "The clock was set back by 2 h 30 min while this process was running."),
    ],
)
def test_a_clock_that_is_set_while_we_run_stops_us(due: Book, hours: float, said: str) -> None:
    wall = Watch(due.clock)
    machine = _guarded(due, Brakes(wall))
    wall.set_by = timedelta(hours=hours)
    due.run(machine)
    assert due.mails() == []
    assert [kind for kind, _ in _on(due)] == [holds.CLOCK]
    (detail,) = _details(due)
    assert detail == f"{said} Set the clock right, restart, then: perennial release"


def test_a_clock_that_is_corrected_by_minutes_stops_nobody(due: Book) -> None:
    wall = Watch(due.clock)
    machine = _guarded(due, Brakes(wall))
    wall.set_by = timedelta(minutes=59)
    due.run(machine)
    assert _on(due) == []
    assert len(due.mails()) == 2


def test_a_night_without_work_is_no_jump(due: Book) -> None:
    machine = _guarded(due)
    due.later(hours=14)
    due.run(machine)
    assert _on(due) == []


def test_a_clock_behind_the_database_stops_us_and_says_both_times(due: Book) -> None:
    with due.engine.begin() as conn:
        heartbeats.beat(conn, "beat", due.now + timedelta(hours=3))
    due.run(_guarded(due))
    assert due.mails() == []
    assert _details(due) == [
        "The clock says 2026-11-20 12:00 UTC, but the database was written at 2026-11-20 15:00 "
        "UTC. Set the clock right, restart, then: perennial release"
    ]


def test_machines_whose_clocks_differ_by_minutes_share_a_database(due: Book) -> None:
    with due.engine.begin() as conn:
        heartbeats.beat(conn, "beat", due.now + timedelta(minutes=5))
    due.run(_guarded(due))
    assert len(due.mails()) == 2


def test_a_machine_whose_clock_is_behind_that_of_another_one_asks_once(due: Book) -> None:
    machine = _guarded(due)
    for minute in range(3):
        due.later(minutes=1)
        with due.engine.begin() as conn:  # the other machine's beat
            heartbeats.beat(conn, "beat", due.now + timedelta(minutes=10 + minute))
        due.run(machine)
    assert len(_on(due)) == len(_details(due)) == 1


def test_a_clock_that_is_set_is_one_question_however_many_processes_saw_it(due: Book) -> None:
    wall = Watch(due.clock)
    machines = [_guarded(due, Brakes(wall)) for _ in range(3)]
    wall.set_by = timedelta(hours=4)
    for machine in machines:
        due.later(minutes=1)
        due.run(machine)
    assert len(_on(due)) == len(_details(due)) == 1


def test_once_released_the_same_time_of_the_database_stops_us_no_more(due: Book) -> None:
    with due.engine.begin() as conn:
        heartbeats.beat(conn, "beat", due.now + timedelta(hours=3))
    due.run(_guarded(due))
    answers.release(due.engine, [], "the clock was wrong yesterday", due.now, OFFICE)
    due.run(_guarded(due))
    assert len(due.mails()) == 2
    with due.engine.begin() as conn:
        heartbeats.beat(conn, "beat", due.now + timedelta(hours=5))
    due.run(_guarded(due))
    assert len(_on(due)) == 1


# --- a day far above its forecast -----------------------------------------------------------------


def _crowd(book: Book, count: int) -> None:
    book.apply(schedule_text("30 days before"))
    book.book(count)


def _foreseen(book: Book, count: int, day: date = date(2026, 11, 20)) -> None:
    with book.engine.begin() as conn:
        conn.execute(insert(mail_days).values(day=day, foreseen=count))


def test_a_day_of_three_times_the_mails_foreseen_and_fifty_more_stops_before_one_leaves(
    book: Book,
) -> None:
    _foreseen(book, 16)
    _crowd(book, 66)
    book.run(_guarded(book))
    assert book.mails() == []
    assert _details(book) == [
        "66 mails for 2026-11-20, where 16 were foreseen. "
        "See what waits: perennial outbox --state due. Go on: perennial release"
    ]
    answers.release(book.engine, [], "a big customer came", book.now, OFFICE)
    book.run(_guarded(book))
    assert len(book.mails()) == 66
    assert _on(book) == []


@pytest.mark.parametrize(("foreseen", "mails"), [(17, 66), (22, 66), (16, 65)])
def test_a_day_that_is_not_far_above_goes_on(book: Book, foreseen: int, mails: int) -> None:
    _foreseen(book, foreseen)
    _crowd(book, mails)
    book.run(_guarded(book))
    assert len(book.mails()) == mails


def test_a_day_that_nobody_looked_at_before_is_no_surprise(book: Book) -> None:
    _crowd(book, 66)
    book.run(_guarded(book))
    assert len(book.mails()) == 66


def test_what_was_foreseen_every_day_is_no_surprise_when_it_comes(book: Book) -> None:
    book.clock = VirtualClock(datetime(2026, 11, 18, 12, tzinfo=UTC))
    _crowd(book, 66)
    brakes.foresee(book.engine, book.asked())
    with reading(book.engine) as conn:
        noted = {row.day: row.foreseen for row in conn.execute(select(mail_days))}
    assert noted == {date(2026, 11, 18) + timedelta(n): 66 * (n == 2) for n in range(1, 8)}
    machine = _guarded(book)
    book.run(machine)
    book.later(days=2)
    book.run(machine)
    assert len(book.mails()) == 66


def test_many_small_batches_of_one_day_are_counted_together(book: Book) -> None:
    _foreseen(book, 0)
    _crowd(book, 60)
    machine = _guarded(book)
    machine.sweep()
    while machine.plan_batch(7):
        pass
    assert [kind for kind, _ in _on(book)] == [holds.FORECAST]
    assert len(book.ledger()) < 60  # it stopped in the middle, not at the end
