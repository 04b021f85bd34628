"""Patterns of a load: ``{column}`` and text around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Compose = Callable[[Sequence[str]], str]

_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]|[^{}]+")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern: ``parts`` alternate between text (even places) and columns (odd ones)."""

    parts: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, in order."""
        return self.parts[1::2]

    @property
    def literal(self) -> str | None:
        """Its text when it names no column."""
        return self.parts[0] if len(self.parts) == 1 else None

    @property
    def sole_column(self) -> str | None:
        """Its column when it is nothing but that column."""
        return self.parts[1] if len(self.parts) == 3 and not self.parts[0] + self.parts[2] else None

    def composer(self, header: Sequence[str], *, code: bool) -> Compose:
        """A function from cells to text.

        With all its columns blank the text is blank. A ``code`` (a key, an address) is blank as
        soon as one of them is: half a key is no key.
        """
        places = [header.index(column) for column in self.columns]
        texts = self.parts[0::2]
        template = "%s".join(text.replace("%", "%%") for text in texts)
        enough = all if code else any

        def compose(cells: Sequence[str]) -> str:
            told = tuple([cells[place].strip() for place in places])
            if not enough(told):
                return ""
            composed = template % told
            return composed if all(told) else " ".join(composed.split())

        return compose


def parse_pattern(text: str) -> Pattern:
    """Reads a pattern; ``{{`` and ``}}`` stand for braces. ``ValueError`` for a stray brace."""
    parts = [""]
    for found in _PART.finditer(text):
        token, column = found[0], found[1]
        if column is not None:
            parts += [column.strip(), ""]
        elif token in ("{", "}"):
            raise ValueError(f"a brace without its partner in place {found.start() + 1}")
        else:
            parts[-1] += token[0] if token in ("{{", "}}") else token
    return Pattern(tuple(parts))
