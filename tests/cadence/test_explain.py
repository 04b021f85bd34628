"""The story of a licence: nobody is without one, and every date comes with its arithmetic."""

from __future__ import annotations

import pytest

from tests.cadence.conftest import WEEKDAYS, Book, schedule_text
from worker.cadence.explain import Explanation
from worker.cadence.facts import account_slot
from worker.kernel.errors import FindingsError

CADENCE = ("30 days before", "call = task 14 days before", "3 days after")
OFFICE = f'timezone = "account"\nhours = "09:00-17:00"\n{WEEKDAYS}\nholidays = "account"'
FATES = {
    "DUE": {},
    "LATE": {"end": "2026-12-01"},
    "AHEAD": {"start": "2026-01-15", "end": "2027-01-15"},
    "FAR": {"start": "2026-11-01", "end": "2029-11-01"},
    "AUTO": {"auto": "yes"},
    "CANCELLED": {"status": "cancelled"},
    "ENDED": {"start": "2022-01-01", "end": "2023-01-01", "status": "ended"},
    "OVER": {"start": "2025-10-20", "end": "2026-11-01"},
    "SHORT": {"start": "2026-11-24", "end": "2026-12-24"},
    "ALONE": {},
}


@pytest.fixture
def small(book: Book) -> Book:
    """One licence of every fate."""
    for key, said in FATES.items():
        book.licence(key, **said)
        if key != "ALONE":
            book.contact(f"C-{key}", licence=key)
    book.apply(schedule_text(*CADENCE, audience='[[audience]]\n"licence.auto_renew" = false\n'))
    book.run()
    return book


def _sums(told: Explanation) -> list[str]:
    return [told.why(record) for record in told.records]


def test_every_licence_of_a_book_is_accounted_for_on_every_day(small: Book) -> None:
    for day in ("2026-11-21", "2026-12-07", "2027-03-01", "2030-01-01"):
        small.live_until(day)
        for key in FATES:
            records = small.explained(key).records
            assert records, key
            steps = [record.step for record in records if record.step]
            if steps:
                assert sorted(steps) == ["3-days-after", "30-days-before", "call"], (day, key)
            else:
                assert [record.decision for record in records] == ["nothing"], (day, key)
            for record in records:
                assert record.reason or record.decision in ("planned", "sent"), record


def test_each_fate_has_its_reason(small: Book) -> None:
    told = {key: [line for line in small.story(key) if "planned" not in line] for key in FATES}
    assert told == {
        "DUE": ["Fri 2026-11-20 30-days-before sent"],
        "LATE": [
            "Sun 2026-11-01 30-days-before superseded later-step",
            "Fri 2026-11-20 call sent",
        ],
        "AHEAD": [],
        "FAR": [],
        "AUTO": ["nothing not-in-audience"],
        "CANCELLED": ["nothing cancelled"],
        "ENDED": ["nothing ended"],
        "OVER": ["nothing history"],
        "SHORT": ["Tue 2026-11-24 30-days-before skipped before-term"],
        "ALONE": [
            "Fri 2026-11-20 30-days-before blocked no-reachable-contact",
            "Wed 2026-12-23 3-days-after blocked no-reachable-contact",
        ],
    }


def test_a_licence_that_no_beat_has_looked_at_yet_is_explained_as_it_will_be_treated(
    small: Book,
) -> None:
    small.licence("NEW", end="2026-12-01")
    small.contact("C-NEW", licence="NEW")
    foreseen = small.story("NEW")
    assert foreseen == [
        "Sun 2026-11-01 30-days-before superseded later-step",
        "Fri 2026-11-20 call planned",
        "Fri 2026-12-04 3-days-after planned",
    ]
    small.run()
    assert small.story("NEW") == [line.replace("call planned", "call sent") for line in foreseen]


def test_past_and_future_stand_in_one_row_with_who_is_reached(small: Book) -> None:
    first, call, last = small.explained("DUE").records
    assert (first.decision, first.to) == ("sent", ("c-due@example.com",))
    assert first.message
    assert (call.decision, call.kind, call.to) == ("planned", "task", ("renewal-manager",))
    assert (last.decision, last.to) == ("planned", ("c-due@example.com",))
    assert last.message not in (None, first.message)


def test_the_past_year_and_the_coming_one_are_told_apart(small: Book) -> None:
    small.licence("DUE", start="2026-12-20", end="2027-12-20")
    small.run()
    assert [(r.cycle, r.step, r.decision) for r in small.explained("DUE").records] == [
        (1, "30-days-before", "sent"),
        (1, "call", "cancelled"),
        (1, "3-days-after", "cancelled"),
        (2, "30-days-before", "planned"),
        (2, "call", "planned"),
        (2, "3-days-after", "planned"),
    ]


def test_every_date_comes_with_its_arithmetic(book: Book) -> None:
    book.accounts(
        [{"account": "A-L-1", "name": "Client", "country": "US", "timezone": "America/Chicago"}]
    )
    book.licence(end="2027-02-28")
    book.contact()
    steps = (
        "60 days before",
        "41 days before",
        "2 business days before",
        "on the day",
        "1 day after",
    )
    book.apply(schedule_text(*steps, calendar=OFFICE))
    book.run()
    at = f"09:{account_slot('A-L-1')}0 America/Chicago"
    assert _sums(book.explained()) == [
        f"60 days before Sun 2027-02-28 is Wed 2026-12-30; {at}",
        "41 days before Sun 2027-02-28 is Mon 2027-01-18, a holiday (Martin Luther King Jr. Day); "
        f"moved earlier to Fri 2027-01-15; {at}",
        f"2 business days before Sun 2027-02-28 is Thu 2027-02-25; {at}",
        f"on the day Sun 2027-02-28, a Sunday; moved earlier to Fri 2027-02-26; {at}",
        f"1 day after Sun 2027-02-28 is Mon 2027-03-01; {at}",
    ]


def test_a_step_without_an_open_day_says_so(book: Book) -> None:
    book.licence(end="2027-02-28")
    closed = ", ".join(
        f"2027-{m:02}-{d:02}" for m, n in ((1, 31), (2, 28)) for d in range(1, n + 1)
    )
    calendar = schedule_text("on the day").replace(
        'holidays = "none"', f'holidays = "none"\nextra_holidays = [{closed}]'
    )
    book.apply(calendar)
    book.run()
    told = book.explained()
    assert book.story() == ["Sun 2027-02-28 on-the-day skipped no-open-moment"]
    assert _sums(told) == ["on the day Sun 2027-02-28; no open day on that side of the expiry"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (
            "AHAED",
            "No licence 'AHAED' is in the book; the key is the one that your source gives it",
        ),
        ("CANCELED", "No licence 'CANCELED' is in the book; did you mean 'CANCELLED'?"),
    ],
)
def test_an_unknown_licence_is_refused_with_the_one_that_was_meant(
    small: Book, key: str, said: str
) -> None:
    with pytest.raises(FindingsError) as refused:
        small.explained(key)
    assert str(refused.value) == said
