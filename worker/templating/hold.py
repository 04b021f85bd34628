"""Entries for the client's calendar: the day that matters, which moves when the date moves. Pure.

A mail may have three more files, each the title of an all-day entry in its first line and notes
in the lines below it:

``hold-notice.txt``     on the last day to give notice, for licences that have one still to come
``hold.txt``            on the expiry date, for all other licences
``hold-cancelled.txt``  takes the entry of the term before this one away again

There is one entry for each listed licence. Its name is made of licence, term and domain alone, so
that a later mail with another day moves it, in whichever of the first two files it was written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, lru_cache

from worker.kernel.clock import require_aware
from worker.kernel.keys import digest
from worker.templating.context import LicenceView
from worker.templating.mime import Attachment, parse_address

NOTICE, EXPIRY, CANCELLED = "hold-notice.txt", "hold.txt", "hold-cancelled.txt"

_HEAD = (("PRODID", "-//Perennial//Licences//EN"), ("VERSION", "2.0"), ("CALSCALE", "GREGORIAN"))
_LINE = 74
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Which file writes an entry, of which term, on which day."""

    file: str
    term: int
    day: date


@dataclass(frozen=True, slots=True)
class Hold:
    """One entry: of a licence's term, in the words of its file."""

    licence: str
    place: Place
    title: str
    notes: str

    def uid(self, domain: str) -> str:
        """The name of the entry, the same in every mail about this term."""
        return f"{digest(f'{self.licence}/{self.place.term}')}@{domain}"


def places(licence: LicenceView, files: Collection[str], today: date) -> Iterator[Place]:
    """The entries that a mail with these ``files`` makes for ``licence`` on the day ``today``."""
    notice_on = licence.notice_on
    if NOTICE in files and notice_on and notice_on >= today:
        yield Place(NOTICE, licence.term, notice_on)
    elif EXPIRY in files:
        yield Place(EXPIRY, licence.term, licence.expires_on)
    if CANCELLED in files and licence.previous_term is not None:
        # The entry is found by its name; the day is for programs that want one.
        yield Place(CANCELLED, licence.previous_term, licence.starts_on or today)


def parted(text: str) -> tuple[str, str]:
    """Title and notes of a written file."""
    title, _, notes = text.strip().partition("\n")
    return title.strip(), notes.strip()


def attachments(
    holds: Sequence[Hold], *, sender: str, domain: str, now: datetime
) -> tuple[Attachment, ...]:
    """The entries as .ics files, one for those that stand and one for those that are taken back.

    ``sender`` is an address field, ``now`` the aware moment of sending: of two mails about one
    term, the later one counts. RFC 5546: PUBLISH and CANCEL name an organizer and no attendee.
    """
    standing = [hold for hold in holds if hold.place.file != CANCELLED]
    cancelled = [hold for hold in holds if hold.place.file == CANCELLED]
    made = []
    for method, name, some in (
        ("PUBLISH", "licence.ics", standing),
        ("CANCEL", "licence-cancelled.ics", cancelled),
    ):
        if some:
            content = _calendar(method, some, sender, domain, require_aware(now))
            about = {"method": method, "charset": "utf-8"}
            made.append(Attachment(name, "text", "calendar", content, about))
    return tuple(made)


def _calendar(method: str, holds: Sequence[Hold], sender: str, domain: str, now: datetime) -> bytes:
    stamp = now.astimezone(UTC).replace(microsecond=0)
    entries = b"".join(_entry(hold, sender, domain, stamp) for hold in holds)
    head, end = _frame(method)
    return head + entries + end


def _entry(hold: Hold, sender: str, domain: str, stamp: datetime) -> bytes:
    """One entry: what is its own, inside of what many have in common."""
    from icalendar.prop import vText  # slow to load, and for mails only

    own = [("UID", hold.uid(domain)), ("SUMMARY", hold.title)]
    if hold.notes:
        own.append(("DESCRIPTION", _CONTROL.sub(" ", hold.notes)))
    head, rest = _common(hold.place.file == CANCELLED, hold.place.day, sender, stamp)
    lines = [f"{name}:{vText(text).to_ical().decode()}" for name, text in own]
    return head + b"".join(folded(line) + b"\r\n" for line in lines) + rest


def folded(line: str) -> bytes:
    """A content line in pieces of at most 74 octets, cut between characters and not after the
    first sign of an escape (RFC 5545, section 3.1). The library does the same, sign by sign, which
    took an eighth of a mail's time."""
    raw, start, pieces = line.encode(), 0, []
    while len(raw) - start > _LINE:
        end = start + _LINE
        while raw[end] & 0xC0 == 0x80:  # inside of a character
            end -= 1
        if raw[end - 1] in b"\\^":
            end -= 1
        pieces.append(raw[start:end])
        start = end
    return b"\r\n ".join([*pieces, raw[start:]])


@cache
def _frame(method: str) -> tuple[bytes, bytes]:
    """What stands before the entries of a calendar, and after them."""
    from icalendar import Calendar

    calendar = Calendar()
    for name, value in (*_HEAD, ("METHOD", method)):
        calendar.add(name, value)
    return _parted(calendar.to_ical(), b"END:VCALENDAR")


@lru_cache(maxsize=1024)
def _common(cancelled: bool, day: date, sender: str, stamp: datetime) -> tuple[bytes, bytes]:
    """What the entries of a day have in common, apart after its first line. An entry takes no time
    of the day: nobody is busy because of it."""
    from icalendar import Event, vCalAddress  # a fifth of a second, for mails only

    address, event = parse_address(sender), Event()
    organizer = vCalAddress(f"mailto:{address.addr_spec}")
    organizer.params["CN"] = address.display_name or address.addr_spec
    event.add("SEQUENCE", max(0, int((stamp - _EPOCH).total_seconds()) // 60))
    event.add("DTSTAMP", stamp)
    event.add("DTSTART", day)
    event.add("STATUS", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("TRANSP", "TRANSPARENT")
    event.add("X-MICROSOFT-CDO-BUSYSTATUS", "FREE")
    event.add("ORGANIZER", organizer, encode=False)
    begin, rest = _parted(event.to_ical(), b"\r\n")
    return begin + b"\r\n", rest[2:]


def _parted(raw: bytes, mark: bytes) -> tuple[bytes, bytes]:
    place = raw.index(mark)
    return raw[:place], raw[place:]
