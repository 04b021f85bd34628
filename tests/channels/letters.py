"""A mail as the house writes them: two languages of it, a calendar file, every header."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from worker.channels.contract import Envelope, Mail
from worker.templating.mime import Attachment, draft, parse_address

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "k" * 16
SUBJECT = "Zażółć gęślą jaźń: продление лицензии, " + "bardzo długi temat " * 12 + "koniec"
CALENDAR = (
    "BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\nSUMMARY:Odnowić: Łódź\r\nEND:VCALENDAR\r\n".encode()
)


@dataclass(frozen=True)
class Words:
    subject: str = SUBJECT
    text: str = "Dzień dobry,\n.\n..kropki\n.na początku\n\n" + "ż" * 3000 + "\nдо свидания\n"
    html: str = "<p>Dzień dobry <b>Łukasz</b></p>\n<p>.</p>\n"
    language: str = "pl"


def an_envelope(address: str = "anna@example.com", key: str = KEY) -> Envelope:
    return Envelope(key, address, date(2026, 11, 20), "renewal", "heads-up")


def a_letter(
    to: str = '"Nowak-Żądło, Anna (łódzkie)" <anna@example.com>',
    recipient: str = "anna@example.com",
    key: str = KEY,
    intended_for: str | None = None,
    words: Words | None = None,
) -> Mail:
    words = words or Words()
    calendar = {"method": "PUBLISH", "charset": "utf-8"}
    parts = draft(
        key,
        sender='"Wiśniewska, Ewa" <renewals@example.com>',
        recipient=parse_address(to),
        reply_to="Ewa Wiśniewska <ewa@example.com>",
        rendered=words,
        domain="example.com",
        date=NOW,
        attachments=[Attachment("odnowienie.ics", "text", "calendar", CALENDAR, calendar)],
        unsubscribe="mailto:renewals@example.com?subject=unsubscribe",
        one_click="https://renewals.example.com/u/" + "t0ken-" * 30,
        intended_for=intended_for,
    )
    return Mail(words.subject, words.language, parts, recipient)


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def content(message: EmailMessage, kind: str) -> str:
    """The text of a body's part, with plain line ends."""
    part = message.get_body((kind,))
    assert part is not None
    text: str = part.get_content()
    return text.replace("\r\n", "\n").rstrip("\n")
