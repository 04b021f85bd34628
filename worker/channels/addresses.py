"""Addresses: which of them a provider can be given, and none of them in what is written down."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[!#-'*+./0-9=?A-Z^_`a-z{|}~-]{1,64}@[a-z0-9.-]{1,255}", re.IGNORECASE)
_ANY = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_MOST = 300


def plain(address: str) -> str | None:
    """``address`` in ASCII, its domain in the xn-- form; ``None`` when there is no such form."""
    local, _, domain = address.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    found = f"{local}@{ascii_domain}"
    return found if _PLAIN.fullmatch(found) else None


def is_same(one: str, other: str) -> bool:
    """Whether two addresses are one: domains in either form, and nobody tells capitals apart."""
    return one == other or (plain(one) or one).lower() == (plain(other) or other).lower()


def without(text: str | bytes) -> str:
    """What the other side said, on one short line, without the addresses in it."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return _CONTROL.sub(" ", _ANY.sub("…", text[: 4 * _MOST])).strip()[:_MOST]
