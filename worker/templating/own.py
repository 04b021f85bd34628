"""What a person writes into one mail: a subject, and words above the mail's own text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape

from worker.templating.render import LONGEST_SUBJECT, Rendered

LONGEST_WORDS = 2000
"""Characters."""

_STRANGE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BODY = re.compile(r"<body\b[^>]*>", re.I)
_PARAGRAPH = re.compile(r"<p[\s>]", re.I)


@dataclass(frozen=True, slots=True)
class Own:
    """A subject instead of the template's, and words above its text; ``None``: the template's."""

    subject: str | None = None
    words: str | None = None

    def __bool__(self) -> bool:
        return self.subject is not None or self.words is not None


NOTHING_OWN = Own()


def own_of(subject: str, words: str) -> Own:
    """What a person typed: without blanks around it, with plain line ends."""
    plain = "\n".join(line.rstrip() for line in words.splitlines()).strip()
    return Own(subject.strip() or None, plain or None)


def faults(own: Own) -> Iterator[str]:
    """Everything that keeps these words from being mailed, a sentence each."""
    if not own:
        yield "Write a subject, or words for above the text, or both."
    if own.subject and ("\n" in own.subject or _STRANGE.search(own.subject)):
        yield "The subject holds a line break or a sign that cannot be seen; type it anew."
    if own.subject and len(own.subject) > LONGEST_SUBJECT:
        yield f"The subject has {len(own.subject)} characters; {LONGEST_SUBJECT} are the most."
    if own.words and _STRANGE.search(own.words):
        yield "The words hold a sign that cannot be seen, a tab perhaps; type them anew."
    if own.words and len(own.words) > LONGEST_WORDS:
        yield f"The words have {len(own.words):,} characters; {LONGEST_WORDS:,} are the most."


def added(rendered: Rendered, own: Own) -> Rendered:
    """The mail with a person's words: escaped, above all else that it says."""
    if not own:
        return rendered
    if own.words:
        text = f"{own.words}\n\n{rendered.text}"
        rendered = replace(rendered, text=text, html=_above(rendered.html, own.words))
    return replace(rendered, subject=own.subject or rendered.subject)


def _above(html: str, words: str) -> str:
    """Before the first paragraph, so that the words stand where the text does."""
    body = _BODY.search(html)
    start = body.end() if body else 0
    first = _PARAGRAPH.search(html, start)
    at = first.start() if first else start
    return html[:at] + "".join(_paragraphs(words)) + html[at:]


def _paragraphs(words: str) -> Iterator[str]:
    for part in re.split(r"\n{2,}", words):
        lines = "<br>\n".join(escape(line) for line in part.split("\n"))
        yield f'<p style="margin:0 0 20px 0;">{lines}</p>\n'
