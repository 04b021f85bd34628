"""From a rendered mail to the bytes of a message."""

from __future__ import annotations

import re
from datetime import datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses
from functools import lru_cache
from typing import Any, Protocol

from worker.kernel.clock import require_aware


class _Registry(HeaderRegistry):
    """Python's own headers. Most of a mail's are the same in the next one: parsed once."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = lru_cache(maxsize=512)(super().__call__)
        self._kinds = lru_cache(maxsize=64)(super().__getitem__)

    def __getitem__(self, name: str) -> type[BaseHeader]:
        return self._kinds(name)

    def __call__(self, name: str, value: Any) -> BaseHeader:
        return self._kept(name, value)


# Seven-bit bodies pass every relay unchanged.
_POLICY = SMTP.clone(cte_type="7bit", header_factory=_Registry())
_CONTROL = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_KEY = re.compile(r"[A-Za-z0-9-]{1,64}")
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


def address(name: str | None, email: str) -> str:
    """An address field: ``"Nowak, Anna" <anna@example.com>``, or the bare address.

    Control characters in the name become spaces. Raises ``ValueError`` when ``email`` is not one
    plain address.
    """
    return str(_address(name or "", email))


def compose(
    mail_key: str,
    *,
    sender: str,
    recipient: str,
    reply_to: str | None,
    rendered: Text,
    domain: str,
    date: datetime,
) -> bytes:
    """The message as bytes with CRLF line ends; the same arguments give the same bytes.

    ``sender``, ``recipient`` and ``reply_to`` are address fields, ``date`` is aware and
    ``domain`` is the right side of the Message-ID ``<mail_key@domain>``. Raises ``ValueError``
    when one of them cannot be used, so that nothing can smuggle in a header.
    """
    if not _KEY.fullmatch(mail_key) or not _KEY.fullmatch(domain.replace(".", "-")):
        raise ValueError(f"expected a plain key and domain, got {mail_key!r} and {domain!r}")
    message = EmailMessage(_POLICY)
    message["From"] = str(parse_address(sender))
    message["To"] = str(parse_address(recipient))
    if reply_to:
        message["Reply-To"] = str(parse_address(reply_to))
    message["Subject"] = _one_line(rendered.subject)
    message["Date"] = require_aware(date)
    message["Message-ID"] = f"<{mail_key}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    # Only now: content headers that stand before would move into the first part.
    message["Content-Language"] = rendered.language
    # "=_" stands in no quoted-printable and no base64 body.
    message.set_boundary(f"=_{mail_key}")
    return message.as_bytes()


def parse_address(field: str) -> Address:
    """The one address of an address field; ``ValueError`` for none, several or a broken one."""
    found = getaddresses([_one_line(field)])
    if len(found) != 1 or not found[0][1]:
        raise ValueError(f"expected one address, got {field!r:.200}")
    return _address(*found[0])


def _address(name: str, email: str) -> Address:
    if not _ADDR_SPEC.fullmatch(email) or _CONTROL.search(email):
        raise ValueError(f"expected one address, got {email!r:.200}")
    local, _, domain = email.rpartition("@")
    if not local.isascii():
        raise ValueError(f"expected an ASCII name before the @, got {email!r:.200}")
    ascii_domain = domain.encode("idna").decode("ascii")  # UnicodeError is a ValueError
    return Address(_CONTROL.sub(" ", name).strip(), local, ascii_domain)


def _one_line(text: str) -> str:
    found = _CONTROL.search(text.replace(" ", ""))
    if found:
        raise ValueError(f"expected one line of text, got {text!r:.200}")
    return text
