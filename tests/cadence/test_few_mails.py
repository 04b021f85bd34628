"""Few mails: one for an account's licences whose same step falls soon, within a budget."""

from __future__ import annotations

from datetime import date, timedelta

from tests.cadence.conftest import WEEKDAYS, Book, schedule_text

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
