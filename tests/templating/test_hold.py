"""Entries for the client's calendar, read back as calendar and mail programs read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from icalendar.parser import Contentline

from tests.templating.small import MAIL, SHIPPED, refusal, texts
from worker.templating import hold, mime
from worker.templating.context import MOST_LISTED, LicenceView, MailContext
from worker.templating.hold import Hold, Place, folded
from worker.templating.render import Renderer
from worker.templating.samples import full, mixed
from worker.templating.texts import read_folder

NOW = datetime(2027, 1, 30, 9, 15, 20, tzinfo=UTC)
_SHIPPED = Renderer(read_folder(SHIPPED))
_ICS = {"PUBLISH": "licence.ics", "CANCEL": "licence-cancelled.ics"}


def sent(mail: str, context: MailContext, now: datetime = NOW, language: str = "en") -> bytes:
    rendered = _SHIPPED.render(mail, language, context)
    sender = "Maria Lind <renewals@example.com>"
    return mime.compose(
        "0123456789abcdef",
        sender=sender,
        recipient="anna@example.org",
        reply_to=None,
        rendered=rendered,
        domain="example.com",
        date=now,
        attachments=hold.attachments(rendered.holds, sender=sender, domain="example.com", now=now),
    )


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert [defect for part in message.walk() for defect in part.defects] == []
    return message


def calendars(raw: bytes) -> list[Calendar]:
    """The .ics files of a mail, each checked against the parameters it is attached with."""
    found = []
    for part in read(raw).iter_attachments():
        assert part.get_content_type() == "text/calendar"
        calendar = Calendar.from_ical(part.get_payload(decode=True))
        assert isinstance(calendar, Calendar)
        method = str(calendar["METHOD"])
        assert part["Content-Type"].params == {"method": method, "charset": "utf-8"}
        assert part.get_filename() == _ICS[method]
        assert part.get_content_disposition() == "attachment"
        found.append(calendar)
    return found


def entries(raw: bytes) -> list[Any]:
    return [event for calendar in calendars(raw) for event in calendar.walk("VEVENT")]


def moved(context: MailContext, days: int) -> MailContext:
    """The same licences with their expiry dates moved."""
    licences = tuple(
        replace(
            one,
            expires_on=one.expires_on + timedelta(days=days),
            days_left=one.days_left + days,
        )
        for one in context.licences
    )
    return replace(context, licences=licences)


def test_a_reminder_brings_an_entry_on_the_expiry_date() -> None:
    (event,) = entries(sent("renewal/reminder", full(30)))
    assert event["DTSTART"].dt == date(2027, 3, 1)
    assert event["DTSTART"].params["VALUE"] == "DATE"
    assert event["SUMMARY"] == "Antivirus Business: licence expires"
    assert "Licence number L-200418, Northwind Traders" in event["DESCRIPTION"]
    assert event["STATUS"] == "CONFIRMED"
    assert event["TRANSP"] == "TRANSPARENT"
    assert event["DTSTAMP"].dt == NOW
    assert event["ORGANIZER"] == "mailto:renewals@example.com"
    assert event["ORGANIZER"].params["CN"] == "Maria Lind"
    assert "ATTENDEE" not in event


def test_the_mail_still_shows_text_and_html_and_the_calendar_stands_beside_them() -> None:
    message = read(sent("renewal/reminder", full(30)))
    assert message.get_content_type() == "multipart/mixed"
    body, calendar = message.iter_parts()
    assert body.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in body.iter_parts()] == ["text/plain", "text/html"]
    assert calendar.get_content_type() == "text/calendar"
    text = message.get_body(("plain",))
    assert text is not None
    assert "Antivirus Business" in text.get_content()


def test_when_the_date_moves_a_later_mail_moves_the_same_entry() -> None:
    first = entries(sent("renewal/heads-up", full(60)))[0]
    later = NOW + timedelta(days=30)
    second = entries(sent("renewal/reminder", moved(full(60), 5), later))[0]
    assert first["UID"] == second["UID"]
    assert second["SEQUENCE"] > first["SEQUENCE"]
    assert second["DTSTART"].dt == first["DTSTART"].dt + timedelta(days=5)


def test_notice_and_expiry_are_one_entry_that_stands_on_the_day_that_matters_next() -> None:
    context = full(60, auto_renew=True)
    (notice,) = entries(sent("auto-renewal/notice", context))
    assert notice["DTSTART"].dt == context.licence.notice_on
    assert notice["SUMMARY"] == "Antivirus Business: last day to give notice"
    (after,) = entries(sent("renewal/reminder", full(7, auto_renew=True), NOW + timedelta(days=53)))
    assert after["DTSTART"].dt == full(7).licence.expires_on
    assert after["SUMMARY"] == "Antivirus Business: licence renews automatically"
    assert after["UID"] == notice["UID"]
    assert after["SEQUENCE"] > notice["SEQUENCE"]


def test_a_renewal_takes_the_entry_of_the_old_term_away_and_leaves_that_of_the_new_one() -> None:
    old = full(3)
    old = replace(old, licences=(replace(old.licence, term=4, previous_term=3),))
    new = replace(old, licences=(replace(moved(old, 365).licence, term=5, previous_term=4),))
    (held,) = entries(sent("renewal/last-call", old))
    (calendar,) = calendars(sent("renewal/renewed", new, NOW + timedelta(days=2)))
    assert calendar["METHOD"] == "CANCEL"
    (cancelled,) = calendar.walk("VEVENT")
    assert cancelled["UID"] == held["UID"]
    assert cancelled["SEQUENCE"] > held["SEQUENCE"]
    assert cancelled["STATUS"] == "CANCELLED"
    assert cancelled["DTSTART"].params["VALUE"] == "DATE"
    (next_,) = entries(sent("renewal/heads-up", new, NOW + timedelta(days=300)))
    assert next_["UID"] != held["UID"]


def test_a_licence_in_its_first_term_has_no_entry_to_take_away() -> None:
    context = full(395)
    context = replace(context, licences=(replace(context.licence, term=1, previous_term=None),))
    message = read(sent("renewal/renewed", context))
    assert message.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize("mail", ["renewal/grace", "renewal/lapsed", "commercial/early-renewal"])
def test_mails_without_a_day_ahead_bring_no_calendar(mail: str) -> None:
    assert calendars(sent(mail, full(-7))) == []


@pytest.mark.parametrize("language", ["en", "pl", "ru"])
def test_each_listed_licence_has_an_entry_of_its_own_in_the_mails_language(language: str) -> None:
    context = mixed(30, MOST_LISTED + 20)
    found = entries(sent("renewal/heads-up", context, language=language))
    assert len(found) == len({event["UID"] for event in found}) == MOST_LISTED
    one = entries(sent("auto-renewal/notice", full(60, auto_renew=True), language=language))[0]
    assert (
        one["SUMMARY"]
        == {
            "en": "Antivirus Business: last day to give notice",
            "pl": "Antivirus Business: ostatni dzień na wypowiedzenie",
            "ru": "Antivirus Business: последний день для отказа от продления",
        }[language]
    )


def test_the_name_of_an_entry_depends_on_licence_term_and_house_alone() -> None:
    one = Hold("L-1", Place(hold.EXPIRY, 2, date(2027, 3, 1)), "a", "b")
    same = Hold("L-1", Place(hold.CANCELLED, 2, date(2026, 1, 1)), "c", "d")
    assert one.uid("example.com") == same.uid("example.com")
    others = {
        one.uid("example.org"),
        replace(one, licence="L-2").uid("example.com"),
        replace(one, place=replace(one.place, term=3)).uid("example.com"),
        replace(one, licence="L-1/2", place=replace(one.place, term=1)).uid("example.com"),
    }
    assert one.uid("example.com") not in others
    assert len(others) == 4


@settings(deadline=None)
@given(title=st.text(min_size=1, max_size=80), notes=st.text(max_size=200))
def test_no_text_of_the_book_breaks_the_calendar(title: str, notes: str) -> None:
    made = Hold("L", Place(hold.EXPIRY, 1, date(2027, 3, 1)), *hold.parted(f"{title}\n{notes}"))
    (file,) = hold.attachments([made], sender="a@example.com", domain="example.com", now=NOW)
    calendar = Calendar.from_ical(file.content)
    (event,) = calendar.walk("VEVENT")
    assert event["UID"] == made.uid("example.com")
    assert file.content.count(b"BEGIN:") == 2
    assert all(len(line) <= 75 for line in file.content.split(b"\r\n"))


@pytest.mark.parametrize(
    ("files", "licence", "places"),
    [
        (["hold.txt"], full(5).licence, [("hold.txt", 2)]),
        (["hold.txt"], full(60, auto_renew=True).licence, [("hold.txt", 2)]),
        (["hold-notice.txt"], full(5).licence, []),
        (["hold-notice.txt"], full(24, auto_renew=True).licence, []),
        (["hold-notice.txt"], full(25, auto_renew=True).licence, [("hold-notice.txt", 2)]),
        (["hold-notice.txt", "hold.txt"], full(24, auto_renew=True).licence, [("hold.txt", 2)]),
        (
            ["hold-cancelled.txt", "hold.txt"],
            full(5).licence,
            [("hold.txt", 2), ("hold-cancelled.txt", 1)],
        ),
        ([], full(5).licence, []),
    ],
)
def test_which_file_writes_the_entry_of_a_licence(
    files: Sequence[str], licence: LicenceView, places: list[tuple[str, int]]
) -> None:
    found = hold.places(licence, files, full().today)
    assert [(place.file, place.term) for place in found] == places


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("{{ licence.vendor }}\u202e", "got RIGHT-TO-LEFT OVERRIDE"),
        ("x" * 201, "got 201 characters"),
        ("{{ nosuch }}", "got 'nosuch'"),
        ("{% if not step %}x{% endif %}", "got nothing"),
    ],
)
def test_a_title_that_cannot_stand_in_a_calendar_blocks_the_mail(title: str, said: str) -> None:
    found = texts() | {f"{MAIL}/en/hold.txt": title}
    told = refusal(found)
    assert told.startswith("templates/renewal/test/en/hold.txt")
    assert said in told


def test_a_rehearsal_of_a_year_long_past_makes_entries_that_can_be_read() -> None:
    past = datetime(1999, 12, 1, tzinfo=UTC)
    assert entries(sent("renewal/reminder", full(30), past))[0]["SEQUENCE"] == 0
    assert 0 < entries(sent("renewal/reminder", full(30)))[0]["SEQUENCE"] < 2**31


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=400))
@settings(deadline=None)
def test_lines_are_cut_where_the_library_cuts_them(line: str) -> None:
    assert folded(line) == Contentline(line).to_ical()


@pytest.mark.parametrize("signs", ["\\", "^", "a\\", "ż", "日", "😀", "\\^"])
@pytest.mark.parametrize("lead", range(4))
def test_no_escape_and_no_character_is_cut_in_two(signs: str, lead: int) -> None:
    line = "x" * lead + signs * 200
    assert folded(line) == Contentline(line).to_ical()
