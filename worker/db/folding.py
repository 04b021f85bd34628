"""Text as people look for it: without regard to capitals, from its beginning or by its words.

What is compared stands in an index as it is written here, on both databases. Ranges are used, never
``LIKE``, so no sign of what is looked for has a meaning of its own. SQLite, and PostgreSQL in the
locale C, fold A to Z only, so other letters are looked for in each of their usual spellings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, bindparam, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean

LAST = "\U0010ffff"
"""Sorts behind every sign: ``x`` to ``x`` and this is all that begins with ``x``."""
_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 5
# What stands between words. A class of letters would mean A to Z in a database of the locale C.
_BETWEEN = r"[^a-zA-Z0-9\u0080-\U0010FFFF]+"


class folded(FunctionElement[str]):  # noqa: N801 -- used as a function
    """A text without its capitals, in the order of its signs' numbers on both databases."""

    type = Text()
    inherit_cache = True


@compiles(folded, "postgresql")
def _folded_by_number(element: folded, compiler: SQLCompiler, **options: Any) -> str:
    return f'lower({compiler.process(element.clauses, **options)}) COLLATE "C"'


@compiles(folded, "sqlite")
def _folded(element: folded, compiler: SQLCompiler, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


class worded(FunctionElement[Any]):  # noqa: N801 -- used as a function
    """The words of a text, for an index of PostgreSQL."""

    type = Text()
    inherit_cache = True


@compiles(worded)
def _worded(element: worded, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f"to_tsvector('simple'::regconfig, regexp_replace({text}, '{_BETWEEN}', ' ', 'g'))"


class has_words(FunctionElement[bool]):  # noqa: N801 -- used as a function
    """Whether a text has words that begin like each of those looked for; see ``words_of``."""

    type = Boolean()
    inherit_cache = True


@compiles(has_words, "postgresql")
def _has_words(element: has_words, compiler: SQLCompiler, **options: Any) -> str:
    column, asked = element.clauses
    words = compiler.process(worded(column), **options)
    return f"{words} @@ to_tsquery('simple'::regconfig, {compiler.process(asked, **options)})"


def begins(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether ``column`` begins with ``text``, in one of its ``spellings``. Served by an index on
    ``folded(column)``; several spellings in one query would be by none."""
    key = folded(column)
    return and_(key >= folded(literal(text)), key < folded(literal(text + LAST)))


def words_of(text: str) -> list[str]:
    """The words of what somebody looks for: runs of letters and digits, at most five."""
    return _WORD.findall(text)[:_MOST_WORDS]


def as_asked(words: list[str]) -> str:
    """Words (not empty) as ``has_words`` is asked for them."""
    asked = (" | ".join(f"{one}:*" for one in spellings(word)) for word in words)
    return " & ".join(f"({word})" for word in asked)


def with_words(
    column: ColumnElement[Any], words: list[str], *, indexed: bool
) -> ColumnElement[bool]:
    """Whether ``column`` has words that begin like each of ``words`` (not empty).

    ``indexed``: by an index on ``worded(column)``, on PostgreSQL. Else every row is read, and the
    words may also stand inside longer ones.
    """
    if indexed:
        return has_words(column, literal(as_asked(words)))
    return and_(*(contains(column, word) for word in words))


def contains(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether ``text`` stands anywhere in ``column``, whatever its capitals; every row is read."""
    return or_(*(column.icontains(one, autoescape=True) for one in spellings(text)))


def containing(column: ColumnElement[Any], shape: Sequence[int]) -> ColumnElement[bool]:
    """Whether all of some words stand anywhere in ``column``, for a statement that is built once
    for each ``shape``: how many spellings each word has. ``patterns`` gives the values."""
    names = [[_pattern(word, one) for one in range(count)] for word, count in enumerate(shape)]
    asked = [[bindparam(name, type_=Text()) for name in spelt] for spelt in names]
    return and_(*(or_(*(column.ilike(one, escape="/") for one in spelt)) for spelt in asked))


def patterns(words: Sequence[str]) -> tuple[tuple[int, ...], dict[str, str]]:
    """The shape of ``words`` and their values, as ``containing`` takes them. Words hold letters and
    digits only, so nothing in them has a meaning of its own."""
    spelt = [spellings(word) for word in words]
    values = {
        _pattern(word, one): f"%{text}%"
        for word, texts in enumerate(spelt)
        for one, text in enumerate(texts)
    }
    return tuple(map(len, spelt)), values


def _pattern(word: int, spelling: int) -> str:
    return f"word_{word}_{spelling}"


def spellings(text: str) -> list[str]:
    """``text``, and how it may be spelt where a database folds no more than A to Z."""
    if text.isascii():
        return [text]
    return list(dict.fromkeys((text, text.lower(), text.capitalize(), text.title(), text.upper())))
