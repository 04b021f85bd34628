"""From a rendered mail to the bytes of a message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import getaddresses
from functools import lru_cache
from typing import Any, Protocol

from worker.kernel.clock import require_aware


class _Whole(UniqueUnstructuredHeader):
    """A header of one word, such as a link: never folded and never encoded."""

    name: str  # of the class that the registry makes of this one

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


class _Subject(UniqueUnstructuredHeader):
    """Begins on its own line: the standard library moves a subject of 70 to 77 signs below it,
    and some programs then show none."""

    name: str

    def fold(self, *, policy: Policy) -> str:
        folded: str = super().fold(policy=policy)  # type: ignore[misc]  # of the registry's class
        head = f"{self.name}:{policy.linesep} "
        moved, end, rest = folded.removeprefix(head).partition(policy.linesep)
        cut = moved.rfind(" ", 0, 76 - len(self.name))
        if not folded.startswith(head) or cut < 0:
            return folded
        return f"{self.name}: {moved[:cut]}{policy.linesep}{moved[cut:]}{end}{rest}"


class _Registry(HeaderRegistry):
    """Python's own headers. Most of a mail's are the same in the next one: parsed once."""

    def __init__(self) -> None:
        super().__init__()
        self.map_to_type("Subject", _Subject)  # type: ignore[arg-type]  # mixed in, too
        for name in ("List-Unsubscribe", INTENDED_FOR):
            self.map_to_type(name, _Whole)  # type: ignore[arg-type]  # mixed in by the registry
        self._kept = lru_cache(maxsize=512)(super().__call__)
        self._kinds = lru_cache(maxsize=64)(super().__getitem__)

    def __getitem__(self, name: str) -> type[BaseHeader]:
        return self._kinds(name)

    def __call__(self, name: str, value: Any) -> BaseHeader:
        return self._kept(name, value)


INTENDED_FOR = "X-Perennial-Intended-For"
"""Names the address that a mail would have gone to, had mails not been redirected."""

_LANGUAGE = "Content-Language"

# Seven-bit bodies pass every relay unchanged.
_POLICY = SMTP.clone(cte_type="7bit", header_factory=_Registry())
_SUBJECT = re.compile(rb"(?m)^Subject:.*(?:\r\n[ \t].*)*(?=\r$|\Z)")
_CONTROL = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_KEY = re.compile(r"[A-Za-z0-9-]{1,64}")
_LINK = re.compile(r"(?:mailto:|https://)[!-;=?-~]{1,900}")  # no blanks, no angle brackets
_ADDR_SPEC = re.compile(r"[^@\s<>(),;:\"\\\[\]]+@[^@\s<>(),;:\"\\\[\]]+")


class Text(Protocol):
    """What a message says; a rendered mail is one."""

    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def language(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along; ``parameters`` stand in its Content-Type."""

    name: str
    maintype: str
    subtype: str
    content: bytes
    parameters: Mapping[str, str] = field(default_factory=dict)


def address(name: str | None, email: str) -> str:
    """An address field: ``"Nowak, Anna" <anna@example.com>``, or the bare address.

    Control characters in the name become spaces. Raises ``ValueError`` when ``email`` is not one
    plain address.
    """
    return str(addressed(name, email))


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail that may leave, in its parts: every field was checked.

    ``headers`` are those beside From, To, Reply-To, Subject, Date and what describes the content.
    """

    mail_key: str
    sender: Address
    to: Address
    reply_to: Address | None
    subject: str
    date: datetime
    headers: Mapping[str, str]
    text: str
    html: str
    attachments: Sequence[Attachment]

    def written(self) -> bytes:
        """The message as bytes with CRLF line ends; the same parts give the same bytes."""
        message = EmailMessage(_POLICY)
        message["From"], message["To"] = str(self.sender), str(self.to)
        if self.reply_to is not None:
            message["Reply-To"] = str(self.reply_to)
        message["Subject"], message["Date"] = self.subject, self.date
        for name, value in self.headers.items():
            if name != _LANGUAGE:
                message[name] = value
        message.set_content(self.text)
        message.add_alternative(self.html, subtype="html")
        if self.attachments:
            # Neither boundary may begin with the other one: RFC 2046 compares beginnings of lines.
            message.set_boundary(f"=_text_{self.mail_key}")
            _attach(message, self.attachments)
        # "=_" stands in no quoted-printable and no base64 body.
        message.set_boundary(f"=_{self.mail_key}")
        # Only now: content headers that stand before would move into the first part.
        message[_LANGUAGE] = self.headers[_LANGUAGE]
        return _folded(message.as_bytes(), self.subject)


def compose(mail_key: str, *, recipient: str, **given: Any) -> bytes:
    """The bytes of a ``draft`` of the same arguments, to an address field."""
    return draft(mail_key, recipient=parse_address(recipient), **given).written()


def draft(
    mail_key: str,
    *,
    sender: str,
    recipient: Address,
    reply_to: str | None,
    rendered: Text,
    domain: str,
    date: datetime,
    attachments: Sequence[Attachment] = (),
    unsubscribe: str | None = None,
    one_click: str | None = None,
    intended_for: str | None = None,
) -> Draft:
    """The message in its parts, checked.

    ``sender`` and ``reply_to`` are address fields, ``date`` is aware and
    ``domain`` is the right side of the Message-ID ``<mail_key@domain>``. ``unsubscribe`` is a
    mailto address with ``mailto:``, ``one_click`` an https address that unsubscribes at a POST
    (RFC 8058); give them for mails that are not contractual. ``intended_for`` is the plain
    address of the client when ``recipient`` is somebody who only looks. Raises ``ValueError``
    when one of them cannot be used, so that nothing can smuggle in a header.
    """
    if not _KEY.fullmatch(mail_key) or not _KEY.fullmatch(domain.replace(".", "-")):
        raise ValueError(f"expected a plain key and domain, got {mail_key!r} and {domain!r}")
    for text in (rendered.text, rendered.html):
        text.encode()  # half of a surrogate pair is no text; UnicodeError is a ValueError
    subject, headers = _one_line(rendered.subject), {}
    if intended_for is not None:
        plain = str(addressed(None, intended_for))
        subject, headers[INTENDED_FOR] = f"[for {plain}] {subject}", plain
    headers |= {"Message-ID": f"<{mail_key}@{domain}>", "Auto-Submitted": "auto-generated"}
    headers |= _ways_out(unsubscribe, one_click)
    headers[_LANGUAGE] = rendered.language
    return Draft(
        mail_key,
        parse_address(sender),
        recipient,
        parse_address(reply_to) if reply_to else None,
        subject,
        require_aware(date),
        headers,
        rendered.text,
        rendered.html,
        attachments,
    )


def _folded(raw: bytes, subject: str) -> bytes:
    """The message with its subject encoded as one run of words.

    Where Python folds a mix of plain and encoded words it leaves a blank on both sides of the
    break, which reads as two, or loses one between two encoded words.
    """
    head, gap, body = raw.partition(b"\r\n\r\n")
    if not subject.isascii():
        words = Header(subject, "utf-8", maxlinelen=75, header_name="Subject").encode(
            linesep="\r\n"
        )
        told = b"Subject: " + words.encode("ascii")
        head = _SUBJECT.sub(lambda _: told, head, count=1)
    return head + gap + body


def _ways_out(unsubscribe: str | None, one_click: str | None) -> dict[str, str]:
    """How to unsubscribe by a program's button: RFC 2369, and RFC 8058 for the POST."""
    links = [link for link in (one_click, unsubscribe) if link]
    for link in links:
        if not _LINK.fullmatch(link) or link.startswith("https:") != (link == one_click):
            raise ValueError(f"expected a mailto address or an https link, got {link!r:.200}")
    found = {"List-Unsubscribe": ", ".join(f"<{link}>" for link in links)} if links else {}
    post = {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if one_click else {}
    return found | post


def _attach(message: EmailMessage, attachments: Sequence[Attachment]) -> None:
    for one in attachments:
        message.add_attachment(
            one.content,
            maintype=one.maintype,
            subtype=one.subtype,
            filename=one.name,
            params=dict(one.parameters),
        )


@lru_cache(maxsize=512)  # the house and its people stand in every mail
def parse_address(field: str) -> Address:
    """The one address of an address field; ``ValueError`` for none, several or a broken one."""
    found = getaddresses([_one_line(field)])
    if len(found) != 1 or not found[0][1]:
        raise ValueError(f"expected one address, got {field!r:.200}")
    return addressed(*found[0])


def addressed(name: str | None, email: str) -> Address:
    """Somebody's name and plain address as one; otherwise as ``address``."""
    if not _ADDR_SPEC.fullmatch(email) or _CONTROL.search(email):
        raise ValueError(f"expected one address, got {email!r:.200}")
    local, _, domain = email.rpartition("@")
    if not local.isascii():
        raise ValueError(f"expected an ASCII name before the @, got {email!r:.200}")
    ascii_domain = domain.encode("idna").decode("ascii")  # UnicodeError is a ValueError
    return Address(_CONTROL.sub(" ", name or "").strip(), local, ascii_domain)


def _one_line(text: str) -> str:
    found = _CONTROL.search(text.replace(" ", ""))
    if found:
        raise ValueError(f"expected one line of text, got {text!r:.200}")
    return text
