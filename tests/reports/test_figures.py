"""What the terms of a small book come to, each figure worked out by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, Select, text

from tests.reports.conftest import YEAR, Book, Days, after, values, year
from worker.db.engine import make_engine
from worker.db.types import metadata
from worker.kernel.dates import Period
from worker.reports import figures
from worker.reports.cohort import GROUPS, MONTH, Asked, cohort_of
from worker.reports.figures import OUTCOMES, by_month
from worker.reports.store import steps_of

DUE = "2026-06-30"
BEFORE = ("2025-06-30", DUE)


def renewal(start: str, closed: str = "") -> Days:
    return (*year(start), closed)


def fate(told: dict[str, Any]) -> str:
    """What became of the only term that was due."""
    assert told["due"] == 1
    (found,) = [outcome for outcome in OUTCOMES if told[outcome]]
    return found


# --- what became of a term ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "closed", "late"),
    [
        (DUE, "2026-04-01", -90),
        (DUE, DUE, 0),
        (DUE, "2026-07-01", 1),
        (DUE, "", 0),
        ("2026-08-15", "", 46),
        (after(DUE, 90), "", 90),
        (after(DUE, 90), "2026-07-10", 10),
    ],
)
def test_a_renewal_is_as_late_as_its_closing_day_and_without_one_as_its_start(
    book: Book, start: str, closed: str, late: int
) -> None:
    book.licence("L", BEFORE, renewal(start, closed))
    told = book.told()
    assert fate(told) == "renewed"
    assert told["late_days"] == late
    assert told["on_time_rate"] == (1 if late <= 0 else 0)
    assert told["on_time_value_rate"] == told["on_time_rate"]
    assert told["closing_day_known"] == bool(closed)


def test_a_return_after_more_than_90_days_is_no_renewal(book: Book) -> None:
    book.licence("L", BEFORE, renewal(after(DUE, 91)))
    told = book.told()
    assert fate(told) == "leaked"
    assert told["late_days"] is None
    assert told["gross_renewal_rate"] == told["net_renewal_rate"] == 0


@pytest.mark.parametrize("status", ["cancelled", "ended"])
def test_a_licence_that_was_cancelled_is_due_and_lost(book: Book, status: str) -> None:
    book.licence("L", BEFORE, status=status)
    assert fate(book.told()) == "lost"


def test_a_term_that_was_renewed_stays_so_when_its_licence_is_cancelled_later(book: Book) -> None:
    book.licence("L", BEFORE, renewal(DUE), status="cancelled")
    assert fate(book.told()) == "renewed"


@pytest.mark.parametrize(
    ("grace", "days", "expected"),
    [(30, 30, "open"), (30, 31, "leaked"), (0, 0, "open"), (0, 1, "leaked"), (60, 31, "open")],
)
def test_what_nobody_resolved_is_open_until_grace_is_over(
    book: Book, grace: int, days: int, expected: str
) -> None:
    book.licence("L", BEFORE)
    today = date.fromisoformat(after(DUE, days))
    assert fate(book.told(today=today, grace=grace)) == expected


def test_two_terms_in_one_period_are_counted_twice_and_their_account_once(book: Book) -> None:
    book.licence("L", ("2025-09-01", "2026-03-01"), ("2026-03-01", "2026-09-01"))
    told = book.told()
    assert (told["due"], told["renewed"], told["leaked"]) == (2, 1, 1)
    assert told["due_value"] == Decimal("200.00")
    assert told["logo_renewal_rate"] == 1


def test_an_account_is_renewed_when_any_of_its_licences_is(book: Book) -> None:
    book.licence("A1", BEFORE, renewal(DUE), account="Alder")
    book.licence("A2", BEFORE, account="Alder")
    book.licence("B1", BEFORE, account="Birch")
    told = book.told()
    assert told["renewal_rate"] == pytest.approx(1 / 3)
    assert told["logo_renewal_rate"] == 0.5


def test_both_ends_of_the_period_belong_to_it(book: Book) -> None:
    for key, end in enumerate(("2025-12-31", "2026-01-01", "2026-12-31", "2027-01-01")):
        book.licence(f"L{key}", ("2025-01-01", end))
    assert book.told()["due"] == 2


def test_history_without_a_number_is_due_and_followed_by_the_first_known_term(book: Book) -> None:
    book.licence("L", BEFORE, renewal(DUE))
    with book.engine.begin() as conn:
        conn.execute(text("UPDATE terms SET number = NULL, origin = 'history' WHERE number = 1"))
        conn.execute(text("UPDATE terms SET number = 1, origin = 'first' WHERE number = 2"))
    assert fate(book.told()) == "renewed"


@pytest.mark.parametrize(("end", "expected"), [("2027-06-30", "renewed"), ("2027-10-01", "leaked")])
def test_a_term_without_a_start_is_taken_to_last_a_year(
    book: Book, end: str, expected: str
) -> None:
    book.licence("L", BEFORE, ("", end))
    told = book.told()
    assert fate(told) == expected
    if expected == "renewed":
        assert told["late_days"] == 0


def test_the_median_of_late_days_is_of_those_renewed(book: Book) -> None:
    for key, closed in enumerate(("2026-06-20", "2026-06-30", "2026-07-05", "2026-07-30")):
        book.licence(f"L{key}", BEFORE, renewal(DUE, closed))
    book.licence("LOST", BEFORE, status="cancelled")
    assert book.told()["late_days"] == 2.5


def test_nothing_due_is_no_rate_and_no_error(book: Book) -> None:
    told = book.told()
    assert told["due"] == 0
    assert told["renewal_rate"] is None
    assert told["late_days"] is None


# --- money ----------------------------------------------------------------------------------------


def test_large_contracts_weigh_more_than_small_ones(book: Book) -> None:
    book.licence("L1", BEFORE, renewal(DUE, "2026-07-20"), amount="900.50")
    book.licence("L2", BEFORE, renewal(DUE, "2026-06-01"), amount="99.50")
    book.licence("L3", BEFORE, amount="1000.00")
    told = book.told()
    assert told["due_value"] == Decimal("2000.00")
    assert told["gross_renewal_rate"] == told["net_renewal_rate"] == 0.5
    assert told["on_time_value_rate"] == pytest.approx(0.04975)
    assert told["leaked_value"] == Decimal("1000.00")


def test_blank_and_negative_amounts_are_counted_and_have_no_value(book: Book) -> None:
    book.licence("L1", BEFORE, renewal(DUE), amount="100")
    book.licence("L2", BEFORE, amount=None)
    book.licence("L3", BEFORE, amount="-50")
    told = book.told()
    assert (told["due"], told["without_amount"]) == (3, 2)
    assert told["due_value"] == Decimal("100.00")
    assert told["gross_renewal_rate"] == 1


def test_amounts_of_zero_are_values_that_no_rate_can_be_made_of(book: Book) -> None:
    book.licence("L1", BEFORE, renewal(DUE), amount="0")
    found = {f.metric: f for f in figures.figures(book.report()) if f.currency == "EUR"}
    assert found["due_value"].value == 0
    assert found["gross_renewal_rate"].n == 1
    for metric in ("gross_renewal_rate", "net_renewal_rate", "on_time_value_rate"):
        assert found[metric].value is None
        assert found[metric].low is None


def test_currencies_are_never_added_up(book: Book) -> None:
    book.licence("L1", BEFORE, renewal(DUE), amount="100", currency="EUR")
    book.licence("L2", BEFORE, amount="300", currency="PLN")
    book.licence("L3", BEFORE, renewal(DUE), amount="7", currency=None)
    found = list(figures.figures(book.report()))
    due = {f.currency: f.value for f in found if f.metric == "due_value"}
    assert due == {"EUR": Decimal("100.00"), "PLN": Decimal("300.00"), "XXX": Decimal("7.00")}
    gross = {f.currency: f.value for f in found if f.metric == "gross_renewal_rate"}
    assert gross == {"EUR": 1.0, "PLN": 0.0, "XXX": 1.0}
    (count,) = [f.value for f in found if f.metric == "due"]
    assert count == 3


# --- the base -------------------------------------------------------------------------------------


def test_churn_contraction_and_growth_of_the_base(book: Book) -> None:
    whole = ("2025-06-30", "2028-06-30")
    book.licence("STAYS", whole, account="Alder", amount="3000")
    book.licence("GONE", BEFORE, account="Alder", amount="500")
    book.licence("CHURN", BEFORE, account="Birch", amount="400")
    book.licence("OLD", BEFORE, renewal(DUE), account="Cedar", amount="100")
    book.licence("NEW", year("2026-05-01"), account="Cedar", amount="900")
    book.licence("STRANGER", year("2026-05-01"), account="Dogwood", amount="5000")
    told = book.told()
    # A year: 3,000 for three years is 1,000. Alder 1,500 -> 1,000, Birch 400 -> 0,
    # Cedar 100 -> 1,000; Dogwood was not there.
    assert told["base_arr"] == Decimal("2000.00")
    assert told["base_grr"] == pytest.approx((1000 + 0 + 100) / 2000)
    assert told["base_nrr"] == pytest.approx((1000 + 0 + 1000) / 2000)
    assert told["base_accounts_kept"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("start", "end", "arr"),
    [
        ("2025-12-01", "2026-12-01", "1200.00"),
        ("2023-12-15", "2026-12-15", "400.00"),
        ("2025-12-15", "2026-01-15", "14400.00"),
        ("2025-12-25", "2026-01-04", "14400.00"),
        ("", "2026-06-01", "1200.00"),
    ],
)
def test_an_amount_is_annualised_by_the_whole_months_of_its_term(
    book: Book, start: str, end: str, arr: str
) -> None:
    book.licence("L", (start, end), amount="1200")
    assert book.told()["base_arr"] == Decimal(arr)


def test_a_term_is_in_force_from_its_start_and_no_more_on_its_expiry(book: Book) -> None:
    book.licence("STARTS", ("2026-01-01", "2027-01-01"), amount="1")
    book.licence("EXPIRED", ("2025-01-01", "2026-01-01"), amount="10")
    book.licence("LATER", ("2026-01-02", "2027-01-02"), amount="100")
    book.licence("RUNS", ("2025-01-02", "2026-01-02"), ("2026-01-02", "2027-01-02"), amount="1000")
    told = book.told()
    assert told["base_arr"] == Decimal("1001.00")
    assert told["base_grr"] == pytest.approx(1000 / 1001)


# --- told before the deadline ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "more", "covered"),
    [
        ("2026-06-01", {}, True),
        ("2026-06-29", {}, True),
        ("2026-06-30", {}, False),
        ("2026-07-03", {}, False),
        ("2026-06-01", {"state": "failed"}, False),
        ("2026-06-01", {"state": "due"}, False),
        ("2026-06-01", {"decision": "skipped"}, False),
        ("2026-06-01", {"kind": "survey"}, False),
        ("2026-06-01", {"kind": "commercial"}, True),
        ("2026-06-29", {"accepted": "2026-06-30T04:00"}, True),
        ("2026-06-29", {"accepted": "2026-07-01T04:00"}, False),
    ],
)
def test_a_licence_was_told_when_a_mail_was_accepted_before_its_deadline(
    book: Book, on: str, more: dict[str, str], covered: bool
) -> None:
    book.licence("L", BEFORE)
    book.step("L", "heads-up", on, **more)  # type: ignore[arg-type]
    assert book.told()["coverage"] == covered


def test_where_notice_must_be_given_the_deadline_is_that_of_the_notice(book: Book) -> None:
    book.licence("LATE", BEFORE, notice=30)
    book.step("LATE", "heads-up", "2026-05-31")
    book.licence("TIMELY", BEFORE, notice=30)
    book.step("TIMELY", "heads-up", "2026-05-30")
    assert book.told()["coverage"] == 0.5


def test_a_mail_about_another_term_does_not_count(book: Book) -> None:
    book.licence("L", BEFORE, renewal(DUE))
    book.step("L", "heads-up", "2026-06-01", term=2)
    assert book.told()["coverage"] == 0


def test_what_came_into_the_book_after_its_deadline_could_not_be_told(book: Book) -> None:
    book.licence("EARLY", BEFORE, seen="2026-06-29")
    book.licence("LATE", BEFORE, seen="2026-06-30")
    assert book.told()["seen_in_time"] == 0.5


# --- steps ----------------------------------------------------------------------------------------


def effects(book: Book, **asked: Any) -> dict[str, tuple[int, int, int, int]]:
    return {
        step.name: (step.soon, step.given, step.soon_without, step.without)
        for step in book.report(**asked).steps
    }


def test_a_step_is_compared_with_those_who_did_not_get_it(book: Book) -> None:
    for number in range(6):
        closed = "2026-06-10" if number < 3 else "2026-06-25"
        book.licence(f"W{number}", BEFORE, renewal(DUE, closed))
        book.step(f"W{number}", "reminder", "2026-06-01")
    for number in range(4):
        closed = "2026-06-10" if number < 1 else "2026-06-25"
        book.licence(f"O{number}", BEFORE, renewal(DUE, closed))
        book.step(f"O{number}", "reminder", "2026-06-01", decision="superseded")
    assert effects(book) == {"renewal/reminder": (3, 6, 1, 4)}
    assert effects(book, within=60) == {"renewal/reminder": (6, 6, 4, 4)}
    (told,) = [f for f in figures.figures(book.report()) if f.metric == "step_effect"]
    assert told.value == pytest.approx(3 / 6 - 1 / 4)
    assert told.low is not None
    assert told.high is not None
    assert told.low < 0.25 < told.high
    assert (told.group, told.n, told.method) == ("renewal/reminder", 10, "newcombe")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (1, 1, 0, 0)),
        ({"decision": "sent"}, (1, 1, 0, 0)),
        ({"decision": "skipped", "reason": "too-late"}, (0, 0, 1, 1)),
        ({"state": "failed"}, (0, 0, 1, 1)),
        ({"decision": "skipped", "reason": "history"}, None),
        ({"decision": "cancelled", "reason": "renewed"}, None),
        ({"state": "due"}, None),
        ({"state": "cancelled"}, None),
    ],
)
def test_who_got_a_step_who_did_not_and_who_is_left_out(
    book: Book, more: dict[str, str], expected: tuple[int, ...] | None
) -> None:
    book.licence("L", BEFORE, renewal(DUE, "2026-06-10"))
    book.step("L", "reminder", "2026-06-01", **more)  # type: ignore[arg-type]
    assert effects(book).get("renewal/reminder") == expected


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        ("2026-05-31", None),
        ("2026-06-01", (1, 1, 0, 0)),
        ("2026-06-15", (1, 1, 0, 0)),
        ("2026-06-16", (0, 1, 0, 0)),
    ],
)
def test_only_those_not_yet_renewed_are_compared_and_soon_means_within_the_days(
    book: Book, closed: str, expected: tuple[int, ...] | None
) -> None:
    book.licence("L", BEFORE, renewal(DUE, closed))
    book.step("L", "reminder", "2026-06-01")
    assert effects(book).get("renewal/reminder") == expected


def test_a_step_of_late_is_not_judged_before_its_days_have_passed(book: Book) -> None:
    book.licence("L", BEFORE)
    book.step("L", "reminder", "2026-06-01")
    assert effects(book, today=date(2026, 6, 14)) == {}
    assert effects(book, today=date(2026, 6, 15)) == {"renewal/reminder": (0, 1, 0, 0)}


def test_steps_are_told_in_the_order_in_which_they_come(book: Book) -> None:
    book.licence("L", BEFORE)
    for step, on in (("a-grace", "2026-07-03"), ("z-heads-up", "2026-05-01")):
        book.step("L", step, on)
    assert list(effects(book)) == ["renewal/z-heads-up", "renewal/a-grace"]


# --- groups, months, and the whole ----------------------------------------------------------------


def test_groups_split_the_cohort_and_those_without_the_word_are_one(book: Book) -> None:
    book.licence("S1", BEFORE, renewal(DUE), segment="smb", amount="10")
    book.licence("S2", BEFORE, segment="smb", amount="30")
    book.licence("M1", BEFORE, renewal(DUE), segment="mid", amount="500")
    book.licence("N1", BEFORE, amount="7")
    found = list(figures.figures(book.report(by="segment")))
    groups = {f.group: f.value for f in found if f.metric == "due"}
    assert groups == {None: 4, "": 1, "mid": 1, "smb": 2}
    assert values(found, "smb")["gross_renewal_rate"] == 0.25
    assert values(found, "smb")["base_arr"] == Decimal("40.00")
    assert values(found)["base_arr"] == Decimal("547.00")


@pytest.mark.parametrize("by", [*GROUPS, MONTH])
def test_whatever_it_is_split_by_the_parts_add_up(book: Book, by: str) -> None:
    book.licence("A", BEFORE, renewal(DUE), segment="smb", product="Disk", vendor="Acme")
    book.licence("B", ("2025-02-01", "2026-02-01"), product="Net")
    report = book.report(by=by)
    assert sum(cohort.due for cohort in report.groups) == report.whole.due == 2
    assert sum(cohort.accounts for cohort in report.groups) == 2


def test_every_month_of_the_period_is_there_even_those_with_nothing_due(
    book: Book, engine: Engine
) -> None:
    book.licence("L", BEFORE)
    with engine.connect() as conn:
        months = by_month(conn, Asked(YEAR, date(2027, 2, 15)))
    assert [cohort.group for cohort in months] == [f"2026-{n:02}" for n in range(1, 13)]
    assert [cohort.due for cohort in months] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


# --- against a plain count of the same book -------------------------------------------------------


def _random_book(book: Book, seed: int) -> list[tuple[list[Days], dict[str, Any]]]:
    draw = random.Random(seed)
    made = []
    for number in range(120):
        end = date(2025, 6, 1) + timedelta(days=draw.randrange(800))
        known: list[Days] = [((end - timedelta(days=365)).isoformat(), end.isoformat())]
        for _ in range(draw.randrange(3)):
            start = end + timedelta(days=draw.choice([0, 0, 0, 10, 90, 91, 200]))
            closed = start + timedelta(days=draw.randrange(-60, 30))
            end = start + timedelta(days=draw.choice([30, 180, 365, 1095]))
            said = closed.isoformat() if draw.random() < 0.7 else ""
            known.append((start.isoformat(), end.isoformat(), said))
        about = {
            "account": f"A{draw.randrange(40)}",
            "amount": draw.choice([None, "0", "12.34", "1000", "99999999.99"]),
            "currency": draw.choice(["EUR", "PLN", None]),
            "status": draw.choice(["active", "active", "cancelled", "ended"]),
        }
        book.licence(f"L{number}", *known, **about)
        made.append((known, about))
    draw.shuffle(made)
    return made


def _plain(made: list[tuple[list[Days], dict[str, Any]]], today: date) -> dict[str, Any]:
    """The same figures, counted one by one in Python."""
    fates: list[tuple[str, int | None, dict[str, Any]]] = []
    for known, about in made:
        for place, (_, end, *_rest) in enumerate(known):
            due = date.fromisoformat(end)
            if due not in YEAR:
                continue
            later = known[place + 1] if place + 1 < len(known) else None
            if later and (date.fromisoformat(later[0]) - due).days <= 90:
                closed = date.fromisoformat(later[2] or later[0])
                fates.append(("renewed", (closed - due).days, about))
            elif about["status"] != "active":
                fates.append(("lost", None, about))
            else:
                fates.append(("leaked" if (today - due).days > 30 else "open", None, about))
    renewed = [one for one in fates if one[0] == "renewed"]
    accounts = {about["account"] for *_, about in fates}
    money: dict[str, Decimal] = {}
    for outcome, late, about in fates:
        if about["currency"] == "EUR" and about["amount"] is not None:
            for name, counts in (
                ("due_value", True),
                ("renewed_value", outcome == "renewed"),
                ("on_time", outcome == "renewed" and (late or 0) <= 0),
            ):
                money[name] = money.get(name, Decimal(0)) + Decimal(about["amount"]) * counts
    return {
        "due": len(fates),
        **{name: sum(one[0] == name for one in fates) for name in OUTCOMES},
        "on_time_rate": sum((one[1] or 0) <= 0 for one in renewed) / len(fates),
        "logo_renewal_rate": len({one[2]["account"] for one in renewed}) / len(accounts),
        "due_value": money["due_value"],
        "renewed_value": money["renewed_value"],
        "gross_renewal_rate": float(money["renewed_value"] / money["due_value"]),
        "on_time_value_rate": float(money["on_time"] / money["due_value"]),
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_book_comes_to_what_a_plain_count_comes_to(book: Book, seed: int) -> None:
    today = date(2027, 1, 10)
    expected = _plain(_random_book(book, seed), today)
    told = book.told(today=today)
    assert {name: told[name] for name in expected} == pytest.approx(expected)
    for figure in figures.figures(book.report(today=today, by="month")):
        if figure.method.startswith("wilson") and figure.value is not None:
            assert figure.low is not None
            assert figure.high is not None
            assert 0 <= figure.low <= figure.value <= figure.high <= 1


# --- cost -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("counted", [cohort_of, steps_of])
def test_the_cohort_is_found_by_the_period_and_not_by_reading_the_book(
    sqlite_url: str, counted: Callable[[Asked], Select[Any]]
) -> None:
    engine = make_engine(sqlite_url)
    asked = Asked(Period(date(2026, 6, 1), date(2026, 6, 30)), date(2027, 1, 1), "segment")
    query = counted(asked).compile(engine, compile_kwargs={"literal_binds": True})
    with engine.connect() as conn:
        plan = [row.detail for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    engine.dispose()
    whole = {f"SCAN {table}" for table in (*metadata.tables, "later")}
    assert not whole.intersection(plan)
    assert any("ix_terms_expires_on" in step for step in plan)
