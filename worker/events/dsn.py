"""What comes back by mail: delivery reports (RFC 3464), complaints (RFC 5965), replies. Pure.

Nobody signs such a mail. What proves it is the key of ours that it brings back: 48 random bits that
only those know who got the mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from typing import Any

from worker.channels.told import Kind, Told, as_address, as_detail, as_moment, as_raw
from worker.kernel.keys import digest

_OURS = re.compile(r"<([0-9a-z]{16})@[^<>\s]+>", re.ASCII)
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])", re.ASCII)
_REPLY = re.compile(r"\b([245])\d\d\b", re.ASCII)

_REPORTS = ("message/delivery-status", "message/global-delivery-status")
_RETURNED = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/global-headers",
)
_ACTIONS = {
    "delayed": Kind.DEFERRED,
    "delivered": Kind.DELIVERED,
    "relayed": Kind.ACCEPTED,
    "expanded": Kind.ACCEPTED,
}
# RFC 3463: subjects of a permanent failure that are not the address's. Mailbox (x.2) is, but for a
# full one (x.2.2) and a message too long for it (x.2.3).
_NOT_THE_ADDRESS = ("3", "5", "6", "7")
_NOT_THE_MAILBOX = ("2", "3")


def read(raw: bytes, now: datetime) -> list[Told]:
    """What a mail reports about ours, one for each recipient, or the one that it replies to;
    nothing when it is neither."""
    mail = message_from_bytes(raw)
    parts = list(mail.walk())
    reports = [part for part in parts if part.get_content_type() in _REPORTS]
    feedback = [part for part in parts if part.get_content_type() == "message/feedback-report"]
    if not reports and not feedback:
        return _reply(mail, raw, now)
    name = _header(mail, "Message-ID") or digest(raw.decode("latin-1"))
    mail_key = _mail_key(mail, parts)
    at = _date(mail, now)
    found = [*_deliveries(reports), *_complaints(feedback)]
    return [
        Told(
            key="mail-" + digest("\n".join((name, str(number), kind.value, address or ""))),
            kind=kind,
            at=at,
            mail_key=mail_key,
            address=address,
            detail=detail,
            raw=as_raw(fields),
        )
        for number, (kind, address, detail, fields) in enumerate(found)
    ]


def _reply(mail: Message, raw: bytes, now: datetime) -> list[Told]:
    """That a person replied to a mail of ours. What is kept of the reply is that it came."""
    said = [_header(mail, name) for name in ("In-Reply-To", "References")]
    found = next((match for text in said if text and (match := _OURS.search(text))), None)
    if found is None or _is_automatic(mail):
        return []
    sender = as_address(parseaddr(_header(mail, "From", ""))[1])
    name = _header(mail, "Message-ID") or digest(raw.decode("latin-1"))
    told = Told(
        key="mail-" + digest(f"{name}\nreplied"),
        kind=Kind.REPLIED,
        at=_date(mail, now),
        mail_key=found[1],
        address=sender,
    )
    return [told]


def _is_automatic(mail: Message) -> bool:
    """Whether a program wrote it: RFC 3834, and what older programs say instead."""
    if _header(mail, "Auto-Submitted", "no").strip().lower() != "no":
        return True
    bulk = _header(mail, "Precedence", "").strip().lower() in ("bulk", "junk", "list", "auto_reply")
    return bulk or any(name in mail for name in ("X-Autoreply", "X-Autorespond"))


_Said = tuple[Kind, str | None, str | None, dict[str, Any]]


def _deliveries(reports: list[Message]) -> Iterator[_Said]:
    for report in reports:
        for block in _blocks(report):
            action = (_header(block, "Action") or "").lower()
            if action:
                address = _recipient(block)
                said = _header(block, "Diagnostic-Code") or _header(block, "Status")
                yield _kind(action, block), address, as_detail(said), _fields(block)


def _complaints(feedback: list[Message]) -> Iterator[_Said]:
    for report in feedback:
        for block in _blocks(report):
            type_ = (_header(block, "Feedback-Type") or "").lower()
            kind = Kind.COMPLAINED if type_ == "abuse" else Kind.UNKNOWN
            address = as_address(_header(block, "Original-Rcpt-To", "").strip("<> "))
            yield kind, address, as_detail(type_), _fields(block)


def _kind(action: str, block: Message) -> Kind:
    """What became of the mail for one recipient."""
    if action != "failed":
        return _ACTIONS.get(action, Kind.UNKNOWN)
    said = f"{_header(block, 'Status')} {_header(block, 'Diagnostic-Code')}"
    statuses = _STATUS.findall(said)
    # A relay's own status is often a bare 5.0.0; what the other side answered says more.
    telling = [one for one in statuses if one[1:] != ("0", "0")] or statuses
    if telling:
        return _judged(*telling[-1])
    reply = _REPLY.search(said)
    return Kind.BOUNCED if reply and reply[1] == "5" else Kind.BLOCKED


def _judged(class_: str, subject: str, detail: str) -> Kind:
    """Given up for good: by the address's fault (RFC 3463), or not."""
    if class_ != "5" or subject in _NOT_THE_ADDRESS:
        return Kind.BLOCKED
    return Kind.BLOCKED if subject == "2" and detail in _NOT_THE_MAILBOX else Kind.BOUNCED


def _blocks(part: Message) -> list[Message]:
    """The groups of fields of a report."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return [block for block in payload if isinstance(block, Message)]
    return [message_from_bytes(str(payload).encode("utf-8", "replace"))]


def _recipient(block: Message) -> str | None:
    """The address as we wrote it where the report knows it, else where the mail ended up."""
    for name in ("Original-Recipient", "Final-Recipient"):
        _, _, address = (_header(block, name) or "").rpartition(";")
        found = as_address(address.strip().strip("<>"))
        if found:
            return found
    return None


def _mail_key(mail: Message, parts: list[Message]) -> str | None:
    """The key of the mail that came back: of its own headers, else of what the report refers to."""
    said = []
    for part in parts:
        if part.get_content_type() in _RETURNED:
            said += [_header(block, "Message-ID") for block in _blocks(part)]
        if part.get_content_type() in _REPORTS:
            said += [_header(block, "Original-Message-ID") for block in _blocks(part)]
    said += [_header(mail, name) for name in ("X-Original-Message-ID", "In-Reply-To", "References")]
    found = (_OURS.search(text) for text in said if text)
    return next((match[1] for match in found if match), None)


def _header(mail: Message, name: str, otherwise: str | None = None) -> Any:
    value = mail.get(name)
    return otherwise if value is None else str(value)


def _fields(block: Message) -> dict[str, Any]:
    return {str(name): str(value)[:2000] for name, value in block.items()[:40]}


def _date(mail: Message, now: datetime) -> datetime:
    try:
        at = parsedate_to_datetime(_header(mail, "Date", ""))
    except (TypeError, ValueError, IndexError, OverflowError):
        return now
    return as_moment((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), now)
