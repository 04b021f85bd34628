"""What comments speak of: words and phrases that ``[surveys.themes]`` declares. Pure.

Nothing is sent anywhere and nothing is guessed: a theme is there when one of its words is. A ``*``
stands for any letters, so that ``cen*`` finds *cena*, *ceny* and *cenami*, and ``дорог*`` every
form of its word. Case and accents do not matter: people leave them out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from unicodedata import combining, normalize

from worker.config.settings import ThemeSettings
from worker.kernel.keys import digest

_LETTERS = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "’": "'"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Finds the declared themes in comments. ``digest`` changes with the declaration."""

    digest: str
    names: Mapping[str, str]
    """What each theme is called, in the order of the declaration."""
    _patterns: Mapping[str, Mapping[str, re.Pattern[str]]]

    def themes_of(self, comment: str, language: str | None = None) -> list[str]:
        """The themes of ``comment``: by the words of its ``language`` where a theme has any, else
        by those of all languages."""
        text = folded(comment)
        spoken = (language or "").partition("-")[0].lower()
        return [
            theme
            for theme, by in self._patterns.items()
            if any(each.search(text) for each in ([by[spoken]] if spoken in by else by.values()))
        ]


def reader_of(declared: Mapping[str, ThemeSettings]) -> Reader:
    """A reader for the themes of a configuration."""
    patterns = {
        theme: {
            language.lower(): _pattern(words) for language, words in told.words.items() if words
        }
        for theme, told in declared.items()
    }
    said = [f"{theme}\n{told.model_dump_json()}" for theme, told in sorted(declared.items())]
    return Reader(
        digest("\n".join(said)), {theme: told.name for theme, told in declared.items()}, patterns
    )


def folded(text: str) -> str:
    """``text`` in lower case and without accents: ``Obsługa`` becomes ``obsluga``, ``ё`` ``е``."""
    plain = normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(sign for sign in plain if not combining(sign))


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    phrases = (r"\W+".join(map(_word, folded(text).split())) for text in words)
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)")


def _word(word: str) -> str:
    return re.escape(word).replace(r"\*", r"\w*")
