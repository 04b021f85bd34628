"""E-mail addresses: what may stand in the book."""

from __future__ import annotations

import re
import unicodedata

from worker.catalogue.values import BadValueError

_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(rf"({_LOCAL})@((?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{1,59}}))")
_EXPECTED = "one e-mail address such as anna@example.com"


def address(text: str) -> str:
    """``text`` as an address in lower case; ``BadValueError`` says what is wrong with it.

    Only what all mail systems can deliver to: ASCII, a domain with a dot, at most 64 characters
    before the @ and 254 in all (RFC 5321). Letters that merely look like Latin ones are refused.
    """
    lowered = text.lower()
    found = _ADDRESS.fullmatch(lowered) if text.isascii() else None
    if found and len(found[1]) <= 64 and len(lowered) <= 254:
        return lowered
    raise BadValueError("email", _EXPECTED, _reason(lowered))


def _reason(text: str) -> str:
    foreign = next((c for c in text if not c.isascii()), None)
    if foreign is not None:
        name = unicodedata.name(foreign, "a character without a name")
        return f"{foreign!r} in it is {name}; write a foreign domain in its xn-- form"
    if "<" in text or ">" in text:
        return "put the name in a column of its own"
    if text.count("@") > 1 or re.search(r"[,;\s]", text):
        return "put a second address in a row of its own"
    local, _, domain = text.partition("@")
    if len(local) > 64:
        return f"{len(local)} characters before the @ are more than the 64 that mail allows"
    if domain and "." not in domain:
        return f"the domain {domain!r} has no dot"
    return ""
