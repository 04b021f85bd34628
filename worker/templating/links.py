"""What may stand in the tags of a mail: full web and mail addresses, and nothing that acts.

Data is escaped before it gets here, so a raw ``<``, ``>`` or quote is always the template's own.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

SCHEMES = ("https:", "http:", "mailto:")

# Candidates are few in a mail; only the tag around each is taken apart.
_CANDIDATE = re.compile(
    r"[\s\"'/](?:href|src|srcset|action|formaction|background|poster|cite|data|on[a-z]+)\s*=", re.I
)
_ELEMENT = re.compile(r"<(script|iframe|object|embed|form|base|link|svg|math|input|button)\b", re.I)
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""")
_LINKS = {"href", "src", "srcset", "action", "formaction", "background", "poster", "cite", "data"}
_INVISIBLE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be in a mail; ``place`` is its offset in the text."""

    place: int
    path: str
    expected: str
    got: str


def findings(text: str) -> Iterator[Finding]:
    """Links with another scheme than http, https or mailto, handlers, and elements that act."""
    for found in _ELEMENT.finditer(text):
        name = found[1].lower()
        yield Finding(found.start(), name, "no elements that act or load", f"<{name}>")
    seen = -1
    for found in _CANDIDATE.finditer(text):
        start = text.rfind("<", 0, found.start() + 1)
        if start in {-1, seen} or text.find(">", start, found.start() + 1) >= 0:
            continue  # words in the running text
        seen = start
        end = text.find(">", start)
        yield from _in_tag(text[start : end if end >= 0 else None], start)


def _in_tag(tag: str, start: int) -> Iterator[Finding]:
    for found in _ATTRIBUTE.finditer(tag):
        name = found[1].lower()
        place = start + found.start()
        if name.startswith("on"):
            yield Finding(place, name, "no handlers in a mail", f"{name}=…")
        elif name in _LINKS:
            if found[2][0] not in "\"'":
                yield Finding(place, name, "a link in quotes", shown(found[2]))
            elif not allowed(found[2][1:-1]):
                yield Finding(place, name, "a link to http, https or mailto", shown(found[2][1:-1]))


def allowed(link: str) -> bool:
    """Whether ``link``, as written in an attribute, is a full web or mail address."""
    plain = _INVISIBLE.sub("", html.unescape(link)).lower()
    return plain.startswith(SCHEMES)


def shown(link: str) -> str:
    """The link for a message: unescaped, one line, at most 80 characters."""
    plain = _INVISIBLE.sub(" ", html.unescape(link)).strip()
    return f"'{plain if len(plain) <= 80 else plain[:79] + '…'}'"
