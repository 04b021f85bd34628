"""What mail servers report by mail, and what anybody may send to the same mailbox."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.reports import KEY, complaint, failed, original, report
from worker.channels.told import Kind
from worker.events.dsn import read

NOON = datetime(2027, 3, 31, 12, tzinfo=UTC)

# As Postfix 3 writes it (addresses and keys are ours).
POSTFIX = b"""\
Return-Path: <>
Date: Wed, 31 Mar 2027 13:58:12 +0200 (CEST)
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: renewals@example.com
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4CDA1C0042.1617192000/mx.example.com"
Content-Transfer-Encoding: 8bit
Message-Id: <20270331115812.5F2D9C0043@mx.example.com>

This is a MIME-encapsulated message.

--4CDA1C0042.1617192000/mx.example.com
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.com.

<anna@example.com>: host mail.example.com[192.0.2.25] said: 550 5.1.1
    <anna@example.com>: Recipient address rejected: User unknown in virtual
    mailbox table (in reply to RCPT TO command)

--4CDA1C0042.1617192000/mx.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
X-Postfix-Queue-ID: 4CDA1C0042
X-Postfix-Sender: rfc822; renewals@example.com
Arrival-Date: Wed, 31 Mar 2027 13:58:11 +0200 (CEST)

Final-Recipient: rfc822; anna@example.com
Original-Recipient: rfc822;anna@example.com
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.example.com
Diagnostic-Code: smtp; 550 5.1.1 <anna@example.com>: Recipient address
    rejected: User unknown in virtual mailbox table

--4CDA1C0042.1617192000/mx.example.com
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 8bit

Return-Path: <renewals@example.com>
From: Renewals <renewals@example.com>
To: anna@example.com
Subject: Your licence
Message-ID: <0123456789abcdef@example.com>

--4CDA1C0042.1617192000/mx.example.com--
"""


def kinds(raw: bytes) -> list[Kind]:
    return [one.kind for one in read(raw, NOON)]


def test_a_report_of_postfix_names_mail_recipient_and_reason() -> None:
    (one,) = read(POSTFIX, NOON)
    assert (one.kind, one.mail_key, one.address) == (Kind.BOUNCED, KEY, "anna@example.com")
    assert one.detail is not None
    assert one.detail.startswith("smtp; 550 5.1.1 <…>: Recipient address rejected")
    assert one.at == datetime(2027, 3, 31, 11, 58, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        ("5.1.1", "", Kind.BOUNCED),
        ("5.1.10", "", Kind.BOUNCED),
        ("5.2.1", "", Kind.BOUNCED),
        ("5.4.4", "", Kind.BOUNCED),
        ("5.0.0", "", Kind.BOUNCED),
        ("5.2.2", "", Kind.BLOCKED),  # a full mailbox
        ("5.3.4", "", Kind.BLOCKED),  # too big
        ("5.7.1", "", Kind.BLOCKED),  # a filter
        ("4.4.7", "", Kind.BLOCKED),  # given up after days
        ("5.0.0", "550 5.7.1 looks like spam", Kind.BLOCKED),
        ("5.0.0", "550 5.1.1 no such user", Kind.BOUNCED),
        ("", "550 no such user", Kind.BOUNCED),
        ("", "452 try later", Kind.BLOCKED),
        ("", "from 192.5.1.1: no answer", Kind.BLOCKED),
        ("", "", Kind.BLOCKED),
    ],
)
def test_only_a_failure_by_the_addresss_fault_is_a_bounce(
    status: str, said: str, kind: Kind
) -> None:
    assert kinds(report(failed(status=status, said=said))) == [kind]


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("delayed", Kind.DEFERRED),
        ("delivered", Kind.DELIVERED),
        ("relayed", Kind.ACCEPTED),
        ("expanded", Kind.ACCEPTED),
        ("vanished", Kind.UNKNOWN),
    ],
)
def test_what_did_not_fail_is_told_as_well(action: str, kind: Kind) -> None:
    assert kinds(report(failed(status="4.4.1", Action=action))) == [kind]


def test_a_report_of_several_recipients_tells_of_each() -> None:
    found = read(report(failed("a@example.com"), failed("b@example.com", "4.4.7")), NOON)
    assert [(one.address, one.kind) for one in found] == [
        ("a@example.com", Kind.BOUNCED),
        ("b@example.com", Kind.BLOCKED),
    ]
    assert len({one.key for one in found}) == 2


def test_the_address_is_the_one_we_wrote_where_the_report_knows_it() -> None:
    fields = failed("anna@elsewhere.example", Original_Recipient="rfc822;Anna@Example.com")
    (one,) = read(report(fields), NOON)
    assert one.address == "Anna@Example.com"


@pytest.mark.parametrize(
    "raw",
    [
        report(failed(), headers_only=True),
        report(failed(), returned=False, **{"In-Reply-To": f"<{KEY}@example.com>"}),
        report(failed(), returned=False, References=f"<x@y.example> <{KEY}@example.com>"),
        report(failed(Original_Message_ID=f"<{KEY}@example.com>"), returned=False),
    ],
    ids=["headers", "reply", "references", "field"],
)
def test_the_mail_is_known_by_its_key_wherever_the_report_says_it(raw: bytes) -> None:
    (one,) = read(raw, NOON)
    assert one.mail_key == KEY


def test_a_report_about_somebody_elses_mail_names_none_of_ours() -> None:
    (one,) = read(report(failed(), key="not-one-of-ours"), NOON)
    assert one.mail_key is None


def test_the_same_report_read_twice_is_the_same_event() -> None:
    raw = report(failed())
    assert read(raw, NOON)[0].key == read(raw, NOON)[0].key
    other = report(failed(), **{"Message-ID": "<report-2@mx.example.com>"})
    assert read(other, NOON)[0].key != read(raw, NOON)[0].key


def test_a_complaint_by_mail_is_one() -> None:
    (one,) = read(complaint(), NOON)
    assert (one.kind, one.mail_key, one.address) == (Kind.COMPLAINED, KEY, "anna@example.com")
    assert kinds(complaint("not-spam")) == [Kind.UNKNOWN]


@pytest.mark.parametrize(
    "raw",
    [b"", b"\0", b"From: anna@example.com\n\nThank you!", bytes(original()), b"\xff\xfe" * 50],
    ids=["nothing", "nul", "reply", "our own mail", "no mail"],
)
def test_what_is_no_report_tells_nothing(raw: bytes) -> None:
    assert read(raw, NOON) == []


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Wed, 31 Mar 99999 11:59:00 +0000", "1 Jan 1970"]
)
def test_a_report_without_a_date_is_of_now(date: str) -> None:
    (one,) = read(report(failed(), Date=date), NOON)
    assert one.at == NOON


@given(st.integers(0, len(POSTFIX)), st.integers(0, len(POSTFIX)), st.binary(max_size=20))
def test_a_damaged_report_breaks_nothing(one: int, other: int, put: bytes) -> None:
    start, end = sorted((one, other))
    for told in read(POSTFIX[:start] + put + POSTFIX[end:], NOON):
        for text in (told.key, told.address, told.detail, told.mail_key):
            assert text is None or "\0" not in text
            assert text is None or text.encode()


@given(st.binary(max_size=400))
def test_any_bytes_behind_the_head_of_a_report_break_nothing(put: bytes) -> None:
    head, _, _ = POSTFIX.partition(b"Reporting-MTA")
    read(head + put, NOON)
