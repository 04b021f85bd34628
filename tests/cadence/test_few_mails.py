"""Few mails: one for an account's licences whose same step falls soon, within a budget."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from tests.cadence.conftest import OPEN, WEEKDAYS, Book, schedule_text
from worker.cadence import outline
from worker.cadence.ahead import forecast
from worker.db.engine import reading
from worker.kernel.dates import Allowance, Period

GROUPED = 'group_by = "contact"\ngather = "5 days"'
OFFICE = f'timezone = "UTC"\nhours = "09:00-17:00"\n{WEEKDAYS}\nholidays = "none"'


def _licences(book: Book, ends: list[date]) -> None:
    """So many licences of one account with one contact."""
    for number, end in enumerate(ends):
        book.licence(f"L-{number}", account="A", name="Client", end=end.isoformat())
    book.person("A", "anna@example.com")


def test_forty_licences_on_forty_days_give_seven_mails_a_step(book: Book) -> None:
    first = date(2027, 2, 1)
    _licences(book, [first + timedelta(days=n) for n in range(40)])
    book.apply(schedule_text("30 days before", limits=GROUPED))
    book.live_until("2027-03-31")
    assert len(book.sent()) == 7
    assert book.speaks_of() == [6, 6, 6, 6, 6, 6, 4]


def test_forty_licences_on_forty_days_give_seven_mails_in_office_hours_too(book: Book) -> None:
    first = date(2027, 2, 1)
    _licences(book, [first + timedelta(days=n) for n in range(40)])
    book.apply(schedule_text("30 days before", "3 days after", limits=GROUPED, calendar=OFFICE))
    book.live_until("2027-05-31")
    heads = [line for line in book.sent() if line.endswith("before")]
    assert len(heads) == 7


def test_a_plan_has_a_line_for_each_mail_and_counts_mails(book: Book) -> None:
    _licences(book, [date(2027, 2, 1), date(2027, 2, 2), date(2027, 2, 20)])
    book.apply(schedule_text("30 days before", limits=GROUPED))
    with reading(book.engine) as conn:
        period = Period(date(2026, 11, 20), date(2027, 3, 1))
        records = forecast(conn, book.asked(), period)
    assert [(r["licence"], r["decision"]) for r in outline.folded(records, {})] == [
        ("L-0 and 1 more", "planned"),
        ("L-2", "planned"),
    ]
    assert next(outline.summary(records, period)).startswith(
        "2026-11-20 to 2027-03-01: 2 mails, 0 tasks; 0 licences"
    )


def test_a_plan_says_at_its_end_what_cannot_be_done(book: Book) -> None:
    book.licence("L-1", end="2027-02-01")  # of an account without a contact
    book.apply(schedule_text("30 days before", "3 days after"))
    with reading(book.engine) as conn:
        period = Period(date(2026, 11, 20), date(2027, 3, 1))
        records = forecast(conn, book.asked(), period)
    assert list(outline.summary(records, period))[1:] == [
        "2 steps cannot be done:",
        "  2 × no-reachable-contact: No contact of the account can be reached by mail.",
    ]


@pytest.mark.parametrize("seen", ["Sat 2026-11-21 12:00", "Mon 2026-11-23 18:00"])
def test_thanks_for_a_renewal_seen_while_the_office_is_closed_come_when_it_opens(
    book: Book, seen: str
) -> None:
    book.licence(end="2026-12-20")
    book.contact()
    text = schedule_text("on the day", calendar=OFFICE + '\nwhen_closed = "later"')
    book.apply(text.replace("licence-expiry", "licence-renewed"))
    book.run()
    book.start_at(datetime.fromisoformat(f"{seen[4:].replace(' ', 'T')}+00:00"))
    book.licence(start="2026-12-20", end="2027-12-20", closed=seen[4:14])
    book.live_until("2026-11-30")
    opens = "2026-11-23" if seen.startswith("Sat") else "2026-11-24"
    assert book.sent() == [f"{opens} on-the-day"]


def test_a_plan_announces_what_was_put_off_last(book: Book) -> None:
    book.allowance = Allowance(1, 2)
    book.licence(end="2027-01-20")
    book.contact()
    notice = schedule_text("31 days before", calendar=OPEN)
    offer = schedule_text("30 days before", calendar=OPEN, mail_class="commercial")
    book.apply_all({"notice": notice, "offer": offer})
    book.live_until("2026-12-22")
    assert "Tue 2026-12-22 30-days-before put-off budget" in book.story()
    with reading(book.engine) as conn:
        asked = replace(book.asked(), allowance=book.allowance)
        found = forecast(conn, asked, Period(date(2026, 12, 22), date(2027, 1, 31)))
    assert [(r.step, r.decision, str(r.at)[:10]) for r in found if r.step] == [
        ("30-days-before", "planned", "2026-12-22")
    ]
