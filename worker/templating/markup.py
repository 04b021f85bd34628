"""Tags of an HTML template: are all of them closed, and on which line is the one that is not?"""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"),
        *("source", "track", "wbr"),
    }
)
_OPENING = re.compile(r"</?[a-zA-Z]")
_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>"']*)[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>""")
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.S)


class _Tags(HTMLParser):
    """Keeps a stack of open tags; ``faults`` are (line, tag, what is wrong)."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, int]] = []
        self.faults: list[tuple[int, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append((tag, self.getpos()[0]))

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if tag not in [name for name, _ in self.open]:
            self.faults.append((self.getpos()[0], tag, "closed, but never opened"))
            return
        while self.open:
            name, line = self.open.pop()
            if name == tag:
                return
            self.faults.append((line, name, "opened, but never closed"))

    def finish(self) -> list[tuple[int, str, str]]:
        """What is wrong, by line."""
        self.close()
        unread = getattr(self, "rawdata", "")
        if "<" in unread:
            self.faults.append((self.getpos()[0], unread[:20].strip(), "never ended with >"))
        self.faults += [(line, name, "opened, but never closed") for name, line in self.open]
        return sorted(self.faults)


def faults(html: str) -> list[tuple[int, str, str]]:
    """Tags of ``html`` that are not closed or not opened: (line from 1, tag, what is wrong)."""
    if _in_order(html):
        return []
    tags = _Tags()
    tags.feed(html)
    return tags.finish()


def _in_order(html: str) -> bool:
    """Whether all is well at a first glance, far cheaper than a second one; in doubt it is not."""
    found = _TAG.findall(html)
    if "<!-" in html or len(found) != len(_OPENING.findall(html)):
        return False
    still_open: list[str] = []
    for slash, name in found:
        tag = name.lower()
        if not slash and tag not in _VOID:
            still_open.append(tag)
        elif slash and tag not in _VOID and (not still_open or still_open.pop() != tag):
            return False
    return not still_open


def template_faults(source: str) -> list[tuple[int, str, str]]:
    """As ``faults`` for a template: Jinja is blanked out, so that lines stay what they are.

    Both branches of a condition are read; a tag that only one branch closes is a fault here and
    perhaps none in the mail, so believe it only when a rendered mail has a fault too.
    """
    return faults(_JINJA.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source))
