"""What people decide about mails and schedules stands in the audit log, whole or not at all."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from tests.cadence.conftest import Book
from tests.staff import OFFICE
from worker.access.records import audit
from worker.cadence import answers, brakes
from worker.db.engine import reading
from worker.kernel.errors import FindingsError
from worker.outbox import holds
from worker.schedules import store as versions


def _told(book: Book) -> list[tuple[str, str, dict[str, Any]]]:
    with reading(book.engine) as conn:
        rows = conn.execute(select(audit).order_by(audit.c.id)).all()
    assert {(row.who, row.via, row.at) for row in rows} <= {("office", "command", book.now)}
    return [(row.what, row.about, row.detail) for row in rows]


def test_an_applied_version_is_noted_with_its_digest_and_its_end_too(book: Book) -> None:
    book.apply()
    with reading(book.engine) as conn:
        (running,) = versions.active(conn)
    assert _told(book) == [("schedule.applied", "schedule renewal", {"digest": running.digest})]
    (book.root / "schedules/renewal.toml").unlink()
    book.apply_all({})
    assert _told(book)[1:] == [("schedule.retired", "schedule renewal", {})]


def test_files_that_run_already_are_applied_without_a_word(book: Book) -> None:
    book.apply()
    book.apply()
    assert [what for what, _, _ in _told(book)] == ["schedule.applied"]


def test_a_released_brake_is_noted_with_what_it_was_about(book: Book) -> None:
    with book.engine.begin() as conn:
        brakes.pull(conn, holds.IMPORT, "licences", "many dates moved", book.now)
    (brake,) = answers.release(book.engine, [], "looked", book.now, OFFICE)
    what = {"kind": "import", "about": "licences"}
    assert _told(book) == [("brake.released", f"brake {brake.id}", what)]


def test_what_is_refused_is_not_noted(book: Book) -> None:
    with pytest.raises(FindingsError):
        answers.release(book.engine, [17], "looked", book.now, OFFICE)
    assert _told(book) == []


def test_a_confirmed_copy_is_noted(book: Book) -> None:
    brakes.confirm_place(book.engine, book.now, OFFICE)
    assert _told(book) == [("instance.confirmed", "instance", {"brakes": 0})]


def test_stops_and_their_end_are_noted_and_an_address_never_is(book: Book) -> None:
    book.licence("L-1", account="A-1")
    book.person("A-1", "anna@example.com", key="C-1")
    until = date(2026, 12, 24)
    answers.stop(book.engine, "licence", "L-1", "asked by Anna", until, book.now, OFFICE)
    answers.stop(book.engine, "contact", "anna@example.com", "by phone", None, book.now, OFFICE)
    assert answers.lift(book.engine, "licence", "L-1", book.now, OFFICE) == 1
    assert answers.lift(book.engine, "licence", "L-1", book.now, OFFICE) == 0
    told = _told(book)
    assert told[0] == ("stop.made", "licence L-1", {"until": "2026-12-24"})
    assert told[2:] == [("stop.lifted", "licence L-1", {})]
    what, about, detail = told[1]
    assert (what, detail) == ("stop.made", {"until": None})
    assert about.startswith("contact ")
    assert "@" not in about
