"""The message as it leaves, read back by the standard library's own parser."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.templating.mime import Attachment, address, compose
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


@given(
    st.lists(st.sampled_from(["wypowiedzenie", "możliwe", "до", "a", "odnowienie,"]), min_size=1)
)
def test_a_folded_subject_has_the_blanks_it_was_written_with(words: list[str]) -> None:
    subject = " ".join(words)[:180].strip()
    raw = made(Rendered(subject, "t", "<p>t</p>", "pl"))
    assert read(raw)["Subject"] == subject
    (written,) = re.findall(rb"^Subject: (.*(?:\r\n .*)*)\r\n", raw, re.M)
    assert b" \r\n " not in written


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


@pytest.mark.parametrize("length", range(60, 95))
@pytest.mark.parametrize("word", ["expires ", "истекает "])
def test_a_subject_begins_on_its_own_line_and_comes_back_as_it_was(length: int, word: str) -> None:
    subject = (word * 20)[:length].strip()
    raw = made(Rendered(subject, "t\n", "<p>h</p>\n", "en"))
    assert b"\r\nSubject: " in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert read(raw)["Subject"] == subject


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


# --- what goes along ------------------------------------------------------------------------------

ICS = Attachment("licence.ics", "text", "calendar", b"BEGIN:VCALENDAR\r\n", {"method": "PUBLISH"})
WAY_OUT = "mailto:renewals@example.com?subject=unsubscribe%20anna.a.very.long.name%40example.org"


def packed(**given: Any) -> bytes:
    """A mail with more than the usual."""
    return compose(
        "0123456789abcdef",
        sender="a@example.com",
        recipient="b@example.com",
        reply_to=None,
        rendered=MAIL,
        domain="example.com",
        date=NOW,
        **given,
    )


def more(**given: Any) -> EmailMessage:
    """The same, read back."""
    message = message_from_bytes(packed(**given), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert [defect for part in message.walk() for defect in part.defects] == []
    return message


def test_an_attachment_stands_beside_text_and_html() -> None:
    message = more(attachments=[ICS])
    assert message.get_content_type() == "multipart/mixed"
    assert message["Content-Language"] == "ru"
    both, file = message.iter_parts()
    assert [part.get_content_type() for part in both.iter_parts()] == ["text/plain", "text/html"]
    assert file.get_filename() == "licence.ics"
    assert file["Content-Type"].params == {"method": "PUBLISH"}
    assert file.get_payload(decode=True) == ICS.content


def test_no_boundary_begins_with_another_one() -> None:
    parts = [part for part in more(attachments=[ICS]).walk() if part.is_multipart()]
    first, second = (part.get_boundary() or "" for part in parts)
    assert not first.startswith(second)
    assert not second.startswith(first)


def test_a_mail_with_attachments_is_the_same_bytes_at_every_attempt() -> None:
    assert packed(attachments=[ICS]) == packed(attachments=[ICS])


def test_a_way_to_unsubscribe_is_one_unbroken_line() -> None:
    raw = packed(unsubscribe=WAY_OUT)
    assert f"\r\nList-Unsubscribe: <{WAY_OUT}>\r\n".encode() in raw
    assert b"List-Unsubscribe-Post" not in raw


def test_one_click_is_promised_only_where_an_https_address_keeps_the_promise() -> None:
    message = more(unsubscribe=WAY_OUT, one_click="https://example.com/u/abc")
    assert message["List-Unsubscribe"] == f"<https://example.com/u/abc>, <{WAY_OUT}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "given",
    [
        {"unsubscribe": "https://example.com/u"},
        {"unsubscribe": "javascript:x"},
        {"unsubscribe": "mailto:a@example.com>, <mailto:b@example.com"},
        {"unsubscribe": "mailto:a@example.com\r\nBcc: x@example.com"},
        {"one_click": "http://example.com/u"},
        {"one_click": "mailto:a@example.com"},
        {"one_click": "https://example.com/ü"},
        {"intended_for": "anna@example.org\r\nBcc: x@example.com"},
        {"intended_for": "Anna <anna@example.org>"},
    ],
)
def test_a_header_that_cannot_be_kept_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        more(**given)


def test_a_redirected_mail_says_whom_it_was_meant_for() -> None:
    message = more(intended_for="anna@example.org")
    assert message["Subject"] == f"[for anna@example.org] {MAIL.subject}"
    assert message["X-Perennial-Intended-For"] == "anna@example.org"
