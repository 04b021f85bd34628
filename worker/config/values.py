"""Kinds of values that settings and schedules share: spans, zones, words, addresses."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from email.utils import getaddresses
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, InstanceOf

from worker.config.validation import not_a
from worker.kernel.dates import (
    Allowance,
    Pace,
    parse_allowance,
    parse_pace,
    parse_span,
    zone_names,
)
from worker.kernel.errors import did_you_mean

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]"
_ADDRESS = re.compile(f"(?=.{{1,64}}@){_LOCAL}@{_DOMAIN}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+")
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_SPAN_UNITS = (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def span(value: object) -> object:
    """``"30 seconds"`` → ``timedelta``; what is no text is left for the type check."""
    if isinstance(value, timedelta):
        return value
    expected = "a span of time"
    hint = "write e.g. '30 seconds', '10 minutes' or '2 days'"
    if not isinstance(value, str):
        raise not_a("span", expected, hint)
    try:
        length = parse_span(value)
    except ValueError:
        raise not_a("span", expected, hint) from None
    if not length:
        raise not_a("span", f"{expected} longer than nothing", hint)
    return length


def allowance(value: object) -> object:
    """``"3 per 7 days"`` → an ``Allowance``."""
    if isinstance(value, Allowance):
        return value
    expected, hint = "a number of mails in a number of days", "write e.g. '3 per 7 days'"
    if not isinstance(value, str):
        raise not_a("allowance", expected, hint)
    try:
        return parse_allowance(value)
    except ValueError:
        raise not_a("allowance", expected, hint) from None


def pace(value: object) -> object:
    """``"10 per second"`` → a ``Pace``; ``""`` → ``None``."""
    if isinstance(value, Pace) or value is None:
        return value
    expected, hint = "a number of mails per second or minute", "write e.g. '10 per second'"
    if not isinstance(value, str):
        raise not_a("pace", expected, hint)
    try:
        return parse_pace(value) if value.strip() else None
    except ValueError:
        raise not_a("pace", expected, hint) from None


def span_text(length: timedelta) -> str:
    """``timedelta`` → the largest unit that fits: ``"2 days"``, ``"90 seconds"``."""
    seconds = int(length.total_seconds())
    unit, size = next((unit, size) for unit, size in _SPAN_UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def wall_time(text: str) -> str:
    """``"07:30"``, or ``""``: a time of day on a clock of 24 hours, or never."""
    if text and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise not_a("time", "a time of day", "write e.g. '07:30', or '' for never")
    return text


def zone_name(text: str) -> str:
    """An IANA name such as ``Europe/Warsaw``, or ``UTC``; no abbreviation, no offset."""
    if text in zone_names():
        return text
    fallback = "write a city's zone such as 'Europe/Warsaw', or 'UTC'"
    near = did_you_mean(text, zone_names()) if "/" in text else ""
    raise not_a("zone", "a time zone", near or fallback)


def mail_address(text: str) -> str:
    """A bare ASCII address, ``local@domain.tld``."""
    if not text.isascii():
        hint = "write an international domain in its xn-- form"
        raise not_a("address", "an address in plain ASCII", hint)
    if not _ADDRESS.fullmatch(text):
        raise not_a("address", "an e-mail address", "write e.g. 'renewals@example.com'")
    return text


def mailbox(text: str) -> str:
    """One address with or without a name, as it stands in a ``From`` header."""
    if re.search(r"[\r\n\0\v\f\x85\u2028\u2029]", text):
        raise not_a("address", "a sender on one line", "remove the line break")
    found = getaddresses([text])
    if len(found) != 1 and text.strip():
        hint = "write one 'Name <address>'; a name with a comma stands in double quotes"
        raise not_a("address", "one sender", hint)
    address = found[0][1] if found else ""
    if not address.isascii():
        hint = "write an international domain in its xn-- form; the name may be in any letters"
        raise not_a("address", "a sender whose address is plain ASCII", hint)
    if not _ADDRESS.fullmatch(address):
        raise not_a("address", "a sender", "write e.g. 'Renewals <renewals@example.com>'")
    return text


def pages_url(text: str) -> str:
    """Where clients reach the pages: https, or http on this machine only; no trailing slash."""
    safe = "safe to mail: away from localhost a base_url begins with https://"
    return _web_url(text, "an address of pages", safe, "write e.g. 'https://renewals.example.com'")


def api_url(text: str) -> str:
    """Where a provider is called: https, or http on this machine only; no trailing slash."""
    safe = "safe for a key: away from localhost a base_url begins with https://"
    return _web_url(text, "the address of an API", safe, "write e.g. 'https://api.sendgrid.com'")


def issuer_url(text: str) -> str:
    """Who vouches for people by OpenID Connect, letter by letter as the provider names itself."""
    safe = "safe to sign in by: away from localhost an issuer begins with https://"
    _web_url(text, "the address of an issuer", safe, "write e.g. 'https://login.example.com'")
    return text


def _web_url(text: str, what: str, safe: str, hint: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise not_a("url", what, hint) from None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise not_a("url", what, hint)
    if parts.scheme == "http" and host not in LOOPBACK:
        raise not_a("https", safe, hint)
    return text.rstrip("/")


def called_url(text: str) -> str:
    """What is called while mails keep moving: a plain address, without a login."""
    hint = "write e.g. 'https://hc-ping.com/…' with the check's own id"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise not_a("url", "an address that can be called", hint) from None
    sound = text.isascii() and text.isprintable() and " " not in text
    if parts.scheme not in ("http", "https") or not host or not sound:
        raise not_a("url", "an address that can be called", hint)
    if parts.username is not None or parts.fragment:
        raise not_a("url", "an address without a login or a '#'", hint, got="")
    return text


def hook_url(text: str) -> str:
    """Where signed calls go: https, or http on this machine; no login, no fragment."""
    called_url(text)
    if not text.startswith("https://") and urlsplit(text).hostname not in LOOPBACK:
        hint = "write e.g. 'https://hooks.example.com/renewals'"
        raise not_a("https", "an address to call: away from localhost it is https://", hint)
    return text


def host_name(text: str) -> str:
    """The name of a machine, or its address; no scheme, no port."""
    if _HOST.fullmatch(text):
        return text
    raise not_a("host", "the name of a machine", "write e.g. 'smtp.example.com'")


def bounce_box(text: str) -> str:
    """A Maildir, or ``imaps://user@host/folder``; without TLS on this machine only."""
    hint = "write e.g. 'var/bounces' or 'imaps://bounces@imap.example.com/INBOX'"
    if "://" not in text:
        if text.strip() and text.isprintable():
            return text
        raise not_a("mailbox", "a mailbox", hint)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise not_a("mailbox", "a mailbox", hint) from None
    if parts.password is not None:
        raise not_a("mailbox", "a mailbox without its password", "set its variable", got="")
    known = parts.scheme in ("imap", "imaps") and host and parts.username
    if not known or parts.query or parts.fragment or not text.isascii():
        raise not_a("mailbox", "a mailbox", hint)
    if parts.scheme == "imap" and host not in LOOPBACK:
        raise not_a("mailbox", "safe for a password: away from localhost write imaps://", hint)
    return text


def public_key(text: str) -> str:
    """A public key of the curve P-256, as SendGrid shows it: base64 of its DER form; or blank."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b"?"
    if key and not (key.startswith(_P256) and len(key) == len(_P256) + 64):
        hint = "copy the verification key of the signed event webhook"
        raise not_a("key", "the public key of signed events", hint)
    return text


def signing_key(text: str) -> bytes:
    """The key in a secret of Standard Webhooks: ``whsec_`` and the base64 of 24 to 64 bytes.

    Raises ``UnfitError``, which never repeats the secret.
    """
    make = "make one with: echo whsec_$(openssl rand -base64 32)"
    prefix, _, coded = text.partition("_")
    try:
        key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except ValueError:
        key = b""
    if prefix != "whsec" or not key:
        raise not_a("secret", "a secret begins with whsec_ and goes on in base64", make, got="")
    if not 24 <= len(key) <= 64:
        said = f"the secret holds {len(key)} bytes; 24 to 64 are needed"
        raise not_a("secret", said, make, got="")
    if len(set(key)) < 8:
        raise not_a("secret", "the secret is a placeholder that anyone could guess", make, got="")
    return key


def database_url(text: str) -> str:
    """``sqlite:///file`` or ``postgresql+psycopg://…``."""
    hint = "write 'sqlite:///var/perennial.db' or 'postgresql+psycopg://user@host/name'"
    if text.startswith("sqlite:///") and not re.fullmatch(r"sqlite:///(:memory:.*)?", text):
        return text
    if re.fullmatch(r"postgresql(\+psycopg)?://\S+", text):
        return text
    raise not_a("url", "the address of a database", hint)


def broker_url(text: str) -> str:
    """``memory`` or ``redis://…``."""
    if text == "memory" or re.fullmatch(r"rediss?://[^\s/]+(/\d*)?", text):
        return text
    raise not_a("url", "a broker", "write 'memory' or 'redis://localhost:6379'")


Span = Annotated[timedelta, BeforeValidator(span)]
PerDays = Annotated[InstanceOf[Allowance], BeforeValidator(allowance)]
PerTime = Annotated[InstanceOf[Pace] | None, BeforeValidator(pace)]
ZoneName = Annotated[str, AfterValidator(zone_name)]
Address = Annotated[str, AfterValidator(mail_address)]
Mailbox = Annotated[str, AfterValidator(mailbox)]
