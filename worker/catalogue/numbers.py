"""Numbers as people write them. Which sign is the decimal one is declared, never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

from worker.catalogue.values import BadValueError

Point = Literal[".", ","]

MOST_OF_A_LINE = Decimal(10) ** 12
"""Orders are smaller than that, so that the sums of their days have room."""

_PLAIN = re.compile(r"-?\d{1,16}(\.\d+)?", re.ASCII)
_AMBIGUOUS = re.compile(r"[1-9]\d{0,2}([.,])\d{3}", re.ASCII)
_SPACES = " \u00a0\u2007\u2009\u202f"  # also the ones that do not break, and the thin ones
_CENT = Decimal("0.01")
_MOST = 2**31
_NEGATIVE = re.compile(r"\((?P<in>[^()-]+)\)|(?P<after>[^()-]+?)\s?-|-\s?(?P<before>[^()-]+)")
_DECLARE = 'declare how the source writes numbers: decimal = "," or decimal = "."'


def amounts(point: Point | None) -> Callable[[str], Decimal]:
    """A converter to a non-negative amount with at most two decimals.

    Undeclared: a point, no grouping, and no ``1.240``, which two countries read differently.
    Declared: ``point`` is the decimal sign; thousands may be grouped by spaces, apostrophes or the
    other sign.
    """
    expected = f"an amount such as 1234{point or '.'}50"

    def convert(text: str) -> Decimal:
        plain = _normal(text, point)
        if plain is None or plain.startswith("-"):
            raise BadValueError("amount", expected, _hint(text, point))
        fraction = plain.partition(".")[2]
        if point is None and _AMBIGUOUS.fullmatch(text):
            hint = f"it may mean {text.replace('.', '')} or {text.replace('.', ',')}; {_DECLARE}"
            raise BadValueError("ambiguous-amount", expected, hint)
        if len(fraction.rstrip("0")) > 2:
            raise BadValueError("amount", expected, "at most two decimals")
        return Decimal(plain).quantize(_CENT)

    return convert


def signed(point: Point | None, places: int) -> Callable[[str], Decimal]:
    """A converter to a number of either sign, below 10^12, with at most ``places`` decimals.

    Written as an amount is; below zero as ``-12.50``, ``12.50-`` or ``(12.50)``, as the programs
    of accountants do. The minus may be the one of typesetters.
    """
    unit = Decimal(1).scaleb(-places)
    expected = f"a number such as 1234{point or '.'}50 or -1234{point or '.'}50"

    def convert(text: str) -> Decimal:
        found = _NEGATIVE.fullmatch(text.replace("\u2212", "-"))
        size = next(filter(None, found.groups())) if found else text
        plain = _normal(size, point)
        if plain is None or plain.startswith("-"):
            raise BadValueError("number", expected, _hint(size, point))
        if point is None and _AMBIGUOUS.fullmatch(size):
            hint = f"it may mean {size.replace('.', '')} or {size.replace('.', ',')}; {_DECLARE}"
            raise BadValueError("ambiguous-amount", expected, hint)
        number = Decimal(plain)
        if number >= MOST_OF_A_LINE:
            raise BadValueError("number", "a number below a million millions")
        if len(plain.partition(".")[2].rstrip("0")) > places:
            raise BadValueError("number", expected, f"at most {places} decimals")
        number = number.quantize(unit)
        return -number if found and number else number

    return convert


def counts(point: Point | None) -> Callable[[str], int]:
    """A converter to a whole number from 0 to two thousand million.

    Where the source declares its decimal sign, thousands may be grouped, and ``3,00`` is 3.
    """

    def convert(text: str) -> int:
        plain = text if point is None else (_normal(text, point) or "")
        whole, _, fraction = plain.partition(".")
        well_written = whole.isascii() and whole.isdigit() and len(whole) <= 10
        if well_written and not fraction.strip("0") and (point is not None or whole == text):
            number = int(whole)
            if number < _MOST:
                return number
        raise BadValueError("number", "a whole number such as 12")

    return convert


def _normal(text: str, point: Point | None) -> str | None:
    """``1 240,50`` → ``1240.50``; ``None`` when it is not written in that way."""
    if point is None:
        return text if _PLAIN.fullmatch(text) else None
    found = _GROUPED[point].fullmatch(text)
    if found is None:
        return None
    whole = re.sub(r"[^\d-]", "", found["whole"])
    return f"{whole}.{found['fraction']}" if found["fraction"] else whole


def _grouped(point: Point) -> re.Pattern[str]:
    """Digits, or groups of three that one and the same sign separates; then maybe a fraction."""
    other = "." if point == "," else ","
    sign = rf"[{_SPACES}'’{re.escape(other)}]"
    groups = rf"\d{{1,3}}(?P<sign>{sign})\d{{3}}(?:(?P=sign)\d{{3}}){{0,4}}"
    whole = rf"(?P<whole>-?(?:\d{{1,16}}|{groups}))"
    return re.compile(rf"{whole}(?:{re.escape(point)}(?P<fraction>\d+))?", re.ASCII)


_GROUPED: dict[Point, re.Pattern[str]] = {".": _grouped("."), ",": _grouped(",")}


def _hint(text: str, point: Point | None) -> str:
    if text.startswith("-"):
        return ""
    if point is None:
        looks_grouped = any(sign in text for sign in f",'’{_SPACES}")
        return _DECLARE if looks_grouped and any(c.isdigit() for c in text) else ""
    other = "." if point == "," else ","
    if other in text:
        return f'the declared decimal sign is "{point}"; {other!r} may only stand between thousands'
    if re.search(r"[^\W\d]|[€$£]", text):
        return "the currency stands in a field of its own"
    return ""
