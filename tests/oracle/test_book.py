"""The made-up book: the same each time, awkward on purpose, and a fair input for an import."""

from __future__ import annotations

import csv
import io
import tomllib
from collections import Counter
from datetime import UTC, date, datetime
from itertools import groupby, pairwise

from tests.oracle.book import SHAPES, SOURCES, contacts_csv, generate, licences_csv
from tests.oracle.cadences import schedules
from tests.oracle.days import public_holidays
from tests.oracle.judge import judge
from tests.oracle.live import files, live
from tests.oracle.scribe import records
from tests.oracle.script import read

BOOK = generate(seed=7, licences=1500)
BEGINS, LAST = datetime(2024, 1, 1, tzinfo=UTC), date(2024, 12, 31)


def test_the_same_seed_gives_the_same_book() -> None:
    assert generate(seed=5, licences=60) == generate(seed=5, licences=60)
    assert generate(seed=5, licences=60) != generate(seed=6, licences=60)


def test_every_shape_of_licence_is_there() -> None:
    assert set(BOOK["shapes"].values()) == set(SHAPES)
    assert len(BOOK["licences"]) == 1500


def test_accounts_hold_from_one_to_forty_licences() -> None:
    counts = Counter(row["account"] for row in BOOK["licences"])
    assert min(counts.values()) == 1
    assert 20 < max(counts.values()) <= 40


def test_expiries_fall_on_weekends_holidays_leap_days_and_month_ends() -> None:
    days = [row["expires_on"] for row in BOOK["terms"]]
    assert sum(day.weekday() > 4 for day in days) > 300
    assert sum((day.month, day.day) == (2, 29) for day in days) > 30
    assert sum(day in public_holidays("PL", day.year) for day in days) > 30


def test_terms_follow_each_other_and_never_end_before_they_start() -> None:
    for _, rows in groupby(BOOK["terms"], lambda row: row["licence"]):
        terms = list(rows)
        assert [row["number"] for row in terms] == list(range(1, len(terms) + 1))
        for row in terms:
            assert row["starts_on"] is None or row["starts_on"] < row["expires_on"]
        for before, after in pairwise(terms):
            assert after["starts_on"] >= before["expires_on"]


def test_the_import_file_has_a_row_for_each_term_and_an_account_for_each_row() -> None:
    rows = list(csv.DictReader(io.StringIO(licences_csv(BOOK))))
    assert len(rows) == len(BOOK["terms"])
    assert {row["account"] for row in rows} == {row["key"] for row in BOOK["accounts"]}
    assert any(not row["starts_on"] for row in rows)
    people = list(csv.DictReader(io.StringIO(contacts_csv(BOOK))))
    assert {row["account"] for row in people} == {row["key"] for row in BOOK["accounts"]}
    assert set(tomllib.loads(SOURCES)["sources"]) == {"licences", "contacts"}


def test_corrections_move_dates_both_ways_by_less_than_half_the_term() -> None:
    _, events = live(BOOK, BEGINS, LAST)
    terms = {(row["licence"], row["number"]): row for row in BOOK["terms"]}
    shifts = []
    for _, kind, data in events:
        if kind == "correct":
            old = terms[data["licence"], data["number"]]
            shift = (data["expires_on"] - old["expires_on"]).days
            assert abs(shift) * 2 < (old["expires_on"] - old["starts_on"]).days
            shifts.append(shift)
    assert min(shifts) < 0 < max(shifts)
    assert len(shifts) > 50


def test_the_nightly_files_bring_every_event_of_a_live_run() -> None:
    _, events = live(BOOK, BEGINS, LAST)
    assert {kind for _, kind, _ in events} == {"add", "renew", "correct", "cancel"}
    nights = files(BOOK, events)
    assert [moment for moment, _ in nights] == sorted({event[0] for event in events})
    rows = sum(len(text.splitlines()) - 1 for _, text in nights)
    assert rows == len(events)


def test_every_schedule_is_judged_without_disagreement_in_a_live_run() -> None:
    small = generate(seed=9, licences=60)
    base, events = live(small, BEGINS, LAST)
    days = (BEGINS.date(), LAST)
    for stem, text in schedules().items():
        script = read(text, stem)
        right = records(base, script, *days, events, begins=BEGINS)
        assert judge(base, script, right, *days, events, begins=BEGINS) == []
        assert judge(base, script, right[1:], *days, events, begins=BEGINS)
