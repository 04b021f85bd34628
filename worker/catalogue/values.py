"""Text in a cell to a value in the book. Nothing is coerced: what is not meant is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from babel import Locale

from worker.kernel.dates import zone_names
from worker.kernel.errors import did_you_mean
from worker.sources.contract import DateCell

Convert = Callable[[str], Any]
"""Takes text that is stripped and not blank; raises ``BadValueError``."""

_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", re.ASCII)
_SERIAL = re.compile(r"\d{4,6}(\.\d+)?", re.ASCII)
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{2}))?")
_URL = re.compile(r"https?://[^\s/?#]+\S*")
_TRUE = frozenset({"true", "yes", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "n", "f", "0"})


class BadValueError(ValueError):
    """A text that is not what its field holds: ``expected``, and what to do about it."""

    def __init__(self, code: str, expected: str, hint: str = "") -> None:
        super().__init__(expected)
        self.code, self.expected, self.hint = code, expected, hint


def dates(date_format: str | None) -> Convert:
    """A converter to ``date``: the declared format (as in ``strftime``), else ISO 8601 only."""
    example = date(2027, 12, 31).strftime(date_format) if date_format else "2027-12-31"
    expected = f"a date written like {example}"

    def convert(text: str) -> date:
        day = text.day if isinstance(text, DateCell) else _parsed(text, date_format, expected)
        if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
            hint = "leave the cell blank if there is no such date"
            raise BadValueError("date", f"a year from {_FIRST_YEAR} to {_LAST_YEAR}", hint)
        return day

    return convert


def _parsed(text: str, date_format: str | None, expected: str) -> date:
    try:
        if date_format is not None:
            return datetime.strptime(text, date_format).date()  # noqa: DTZ007 -- a civil date
        if _ISO.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError as error:
        hint = "there is no such day" if "day is out of range" in str(error) else ""
        raise BadValueError("date", expected, hint or _date_hint(text, date_format)) from error
    raise BadValueError("date", expected, _date_hint(text, date_format))


def _date_hint(text: str, date_format: str | None) -> str:
    if _SERIAL.fullmatch(text):
        return "if it is a day number of Excel, give the column a date format there"
    if date_format is not None:
        return f'the declared date_format is "{date_format}"'
    if _MOMENT.match(text):
        return 'declare it with its time, e.g. date_format = "%Y-%m-%dT%H:%M:%SZ"'
    if re.search(r"\d+[./-]\d+[./-]\d+", text):
        return 'declare how the file writes dates, e.g. date_format = "%d/%m/%Y"'
    return ""


_MAP = "map other words with values = { FIELD = { … } }"


def truth(text: str) -> bool:
    """``yes`` or ``no``, ``true`` or ``false``, ``1`` or ``0``."""
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise BadValueError("truth", "yes or no", _MAP)


def word(allowed: Iterable[str]) -> Convert:
    """A converter that lets only these words through, in any case."""
    words = tuple(allowed)

    def convert(text: str) -> str:
        lowered = text.lower()
        if lowered in words:
            return lowered
        hint = did_you_mean(lowered, words, otherwise=_MAP)
        raise BadValueError("word", ", ".join(words[:-1]) + f" or {words[-1]}", hint)

    return convert


def timezone(text: str) -> str:
    """An IANA name, ``Area/City`` or ``UTC``."""
    if text in zone_names():
        return text
    meant = _cities().get(text.lower().replace(" ", "_").rpartition("/")[2])
    hint = f"did you mean {meant!r}?" if meant else ""
    raise BadValueError("timezone", "a time zone such as Europe/Warsaw", hint)


@lru_cache(maxsize=1)
def _cities() -> dict[str, str]:
    return {name.rpartition("/")[2].lower(): name for name in sorted(zone_names())}


def country(text: str) -> str:
    """An ISO 3166 code of two letters, upper case."""
    upper = text.upper()
    if upper in _countries():
        return upper
    raise BadValueError("country", "a country code of two letters such as PL")


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    named = map(str, Locale("en").territories)
    return frozenset(c for c in named if len(c) == 2 and c.isalpha()) - {"EU", "EZ", "UN", "ZZ"}


def currency(text: str) -> str:
    """An ISO 4217 code of three letters, upper case."""
    upper = text.upper()
    if upper in _currencies():
        return upper
    raise BadValueError("currency", "a currency code of three letters such as EUR")


@lru_cache(maxsize=1)
def _currencies() -> frozenset[str]:
    return frozenset(Locale("en").currencies)


def language(text: str) -> str:
    """A language code, with or without a country: ``pl``, ``pt-BR``."""
    found = _LANGUAGE.fullmatch(text)
    if found is None:
        raise BadValueError("language", "a language code such as pl")
    return found[1].lower() + (f"-{found[2].upper()}" if found[2] else "")


def score(text: str) -> int:
    """A whole number from 0 to 10, as digits."""
    if re.fullmatch(r"[0-9]|10", text, re.ASCII):
        return int(text)
    hint = "leave the cell blank where nobody answered"
    raise BadValueError("score", "a whole number from 0 to 10", hint)


def stem(text: str) -> str:
    """The name of a schedule's file without its ending: lower-case letters, digits and dashes."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", text):
        return text
    raise BadValueError("schedule", "the name of a schedule such as surveys", _MAP)


def url(text: str) -> str:
    """An address of the web."""
    if _URL.fullmatch(text) and len(text) <= 2000:
        return text
    raise BadValueError("url", "an address such as https://example.com/renew")


def tags(text: str) -> list[str]:
    """Words separated by commas, without repetitions, in their order."""
    return list(dict.fromkeys(tag for part in text.split(",") if (tag := part.strip())))
