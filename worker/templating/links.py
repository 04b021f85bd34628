"""What may stand in the tags of a mail: full web and mail addresses, and nothing that acts.

Data is escaped before it gets here, so a raw ``<``, ``>`` or quote is always the template's own.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

SCHEMES = ("https:", "http:", "mailto:")

_TAG = re.compile(r"""<[a-zA-Z][^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>?""")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""")
_NAME = re.compile(r"<([a-zA-Z][^\s/>]*)")
_ACTING = frozenset(
    {
        *("script", "iframe", "object", "embed", "form", "base", "link", "svg", "math", "input"),
        *("button", "frame", "applet", "video", "audio", "textarea", "select", "template"),
    }
)
_LINKS = frozenset(
    {
        *("href", "src", "srcset", "action", "formaction", "background", "poster", "cite", "data"),
        *("longdesc", "xlink:href", "ping", "manifest"),
    }
)
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
    # Tags without data are the same in every mail, so nearly all of them have been seen before.
    bad = {tag for tag in set(_TAG.findall(text)) if _in_tag(tag)}
    if bad:
        for found in _TAG.finditer(text):
            for place, path, expected, got in _in_tag(found[0]):
                yield Finding(found.start() + place, path, expected, got)


@lru_cache(maxsize=4096)
def _in_tag(tag: str) -> tuple[tuple[int, str, str, str], ...]:
    """What is wrong in one tag: (offset, name, expected, got)."""
    name = _NAME.findall(tag)[0].lower()
    found: list[tuple[int, str, str, str]] = []
    if name in _ACTING:
        found.append((0, name, "no elements that act or load", f"<{name}>"))
    if not tag.endswith(">"):
        found.append((0, name, "a tag that ends with >", shown(tag)))
    for part in _ATTRIBUTE.finditer(tag):
        key, value = part[1].lower(), part[2]
        if key.startswith("on"):
            found.append((part.start(), key, "no handlers in a mail", f"{key}=…"))
        elif key in _LINKS and value[0] not in "\"'":
            found.append((part.start(), key, "a link in quotes", shown(value)))
        elif key in _LINKS and not allowed(value[1:-1]):
            wanted = "a link to http, https or mailto"
            found.append((part.start(), key, wanted, shown(value[1:-1])))
    return tuple(found)


def allowed(link: str) -> bool:
    """Whether ``link``, as written in an attribute, is a full web or mail address."""
    plain = _INVISIBLE.sub("", html.unescape(link)).lower()
    return plain.startswith(SCHEMES)


def shown(link: str) -> str:
    """The link for a message: unescaped, one line, at most 80 characters."""
    plain = _INVISIBLE.sub(" ", html.unescape(link)).strip()
    return f"'{plain if len(plain) <= 80 else plain[:79] + '…'}'"
