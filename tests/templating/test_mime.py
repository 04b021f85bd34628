"""The message as it leaves, read back by the standard library's own parser."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.templating.mime import address, compose
from worker.templating.render import Rendered

NOW = datetime(2027, 1, 30, 9, 15, tzinfo=UTC)
MAIL = Rendered(
    "Лицензия: срок истекает через 30 дней — żółć",
    "Здравствуйте!\n.\nFrom here\n" + "long " * 300 + "\n",
    '<p style="x">Dzień dobry – żółć</p>\n',
    "ru",
)
HEADERS = {
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Content-Language"),
    *("Auto-Submitted", "MIME-Version", "Content-Type"),
}


def made(
    mail: Rendered = MAIL,
    sender: str = "Zażółć Gęślą <renewals@example.com>",
    recipient: str = "Анна Новак <anna@example.org>",
    reply_to: str | None = "maria@example.com",
    domain: str = "mail.example.com",
) -> bytes:
    return compose(
        "0123456789abcdef",
        sender=sender,
        recipient=recipient,
        reply_to=reply_to,
        rendered=mail,
        domain=domain,
        date=NOW,
    )


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk()] == [[], [], []]
    return message


def test_text_and_html_and_all_headers_survive_the_way() -> None:
    message = read(made())
    assert set(message.keys()) == HEADERS
    assert message["Subject"] == MAIL.subject
    assert message["From"].addresses[0].display_name == "Zażółć Gęślą"
    assert message["To"].addresses[0].display_name == "Анна Новак"
    assert message["To"].addresses[0].addr_spec == "anna@example.org"
    assert message["Reply-To"] == "maria@example.com"
    assert message["Message-ID"] == "<0123456789abcdef@mail.example.com>"
    assert message["Date"].datetime == NOW
    assert message["Content-Language"] == "ru"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == MAIL.text
    assert html.get_content().replace("\r\n", "\n") == MAIL.html


def test_the_bytes_are_plain_ascii_in_short_lines_with_crlf() -> None:
    raw = made()
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 78


def test_the_same_mail_is_the_same_bytes_at_every_attempt() -> None:
    assert made() == made()


def test_without_a_reply_address_there_is_no_such_header() -> None:
    assert read(made(reply_to=None))["Reply-To"] is None


@settings(deadline=None)
@given(name=st.text(max_size=80), subject=st.text(max_size=120))
def test_no_text_in_a_name_or_subject_adds_a_header(name: str, subject: str) -> None:
    recipient = address(name, "anna@example.org")
    try:
        raw = made(Rendered(subject, "t\n", "<p>h</p>\n", "en"), recipient=recipient)
    except ValueError:
        assert not subject.isprintable()
        return
    message = message_from_bytes(raw, policy=policy.default)
    assert set(message.keys()) == HEADERS
    assert [one.addr_spec for one in message["To"].addresses] == ["anna@example.org"]
    assert len(list(message.iter_parts())) == 2  # type: ignore[attr-defined]  # an EmailMessage


@pytest.mark.parametrize(
    "break_", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\x00"]
)
def test_line_breaks_cannot_smuggle_in_a_header(break_: str) -> None:
    evil = f"x{break_}Bcc: victim@example.net"
    with pytest.raises(ValueError, match="expected one line"):
        made(Rendered(evil, "t", "h", "en"))
    with pytest.raises(ValueError, match="expected one line"):
        made(sender=f"{evil} <a@example.com>")
    with pytest.raises(ValueError, match="expected one"):
        made(recipient=f"anna@example.org{break_}Bcc: victim@example.net")
    with pytest.raises(ValueError, match="expected one"):
        made(reply_to=evil)
    with pytest.raises(ValueError, match="expected a plain key and domain"):
        made(domain=f"example.com>{break_}Bcc: x")
    with pytest.raises(ValueError, match="expected one address"):
        address("Anna", f"anna@example.org{break_}Bcc: victim@example.net")
    named = made(recipient=address(evil, "anna@example.org"))
    assert set(read(named).keys()) == HEADERS


@pytest.mark.parametrize(
    "field",
    [
        *("", "Anna", "a@b, c@d.example", "Anna <a@example.com>, Bob <b@example.com>"),
        *("a b@example.com", "анна@example.com", "a@", "@example.com", "a@b@example.com"),
    ],
)
def test_a_field_that_is_not_one_address_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        made(recipient=field)


@pytest.mark.parametrize(
    "name", ["Nowak, Anna", 'Anna "Ania" Nowak', "a@b.example", "Sp. z o.o.", "", None]
)
def test_any_name_becomes_one_address_field(name: str | None) -> None:
    message = read(made(recipient=address(name, "anna@example.org")))
    (found,) = message["To"].addresses
    assert (found.display_name, found.addr_spec) == (name or "", "anna@example.org")


def test_an_international_domain_is_written_in_ascii() -> None:
    assert address(None, "anna@żółć.example") == "anna@xn--kda4b0koi.example"


def test_a_date_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        compose(
            "k",
            sender="a@example.com",
            recipient="b@example.com",
            reply_to=None,
            rendered=MAIL,
            domain="example.com",
            date=NOW.replace(tzinfo=None),
        )
