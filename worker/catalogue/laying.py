"""A load laid over a file's header: cells in, values out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import repeat
from operator import itemgetter
from typing import Any

from worker.catalogue.mapping import CLEARED, Load, LoadField
from worker.catalogue.numbers import MOST_OF_A_LINE
from worker.catalogue.patterns import Compose
from worker.catalogue.values import BadValueError
from worker.sources.contract import LONGEST_CELL

Part = tuple[Any, ...]
"""The values of one load, in the order of its shape. ``None``: the cell was blank."""

DATES = ("starts_on", "expires_on", "closed_on")
_CENT = Decimal("0.01")
PAST = "past"
"""The schedule of answers that come without one."""
_MOST_KEPT = 100_000  # values remembered per column; dates and words repeat, names do not

# What a terminal or a mail would act on, reorder or hide: control characters, line and paragraph
# separators, bidirectional embeddings, overrides and isolates, zero-width space and no-break;
# halves of characters, which no file can hold.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


class RowError(Exception):
    """This row does not fit; how, is found out slowly."""


class Kept(dict[str, Any]):
    """Values by the text of their cells: dates and words repeat, and are converted once."""

    def __init__(self, value: Callable[[str], Any], blank: Any) -> None:
        super().__init__()
        self._value, self._blank = value, blank

    def __missing__(self, text: str) -> Any:
        stripped = text.strip()
        try:
            given = text if len(stripped) == len(text) else stripped
            made = self._value(given) if stripped else self._blank
        except BadValueError as error:
            raise RowError from error
        if len(self) < _MOST_KEPT:
            self[text] = made
        return made


@dataclass(slots=True)
class Cell:
    """One field over one header: its place, and how its text becomes a value."""

    column: int
    compose: Compose | None
    kept: Kept | None  # None for plain text
    value: Callable[[str], Any]
    blank: Any
    field: LoadField
    at: int  # its place in the part


Wrong = tuple[Cell | None, BadValueError, str]
"""What is wrong with a row: where, why, and the text that came."""


class Laid:
    """A load laid over a header."""

    def __init__(self, load: Load, shape: Sequence[str], header: Sequence[str]) -> None:
        self.load, self.shape = load, shape
        self.fixed: list[Any] = [None] * len(shape)
        self.cells: list[Cell] = []
        for each in load.fields:
            at = shape.index(each.name)
            value = _valuer(each)
            if each.pattern.literal is not None:
                literal = each.pattern.literal.strip()
                self.fixed[at] = value(literal) if literal else _blank(each)
            else:
                self.cells.append(_cell(each, at, header, value))
        self._finish = _needing(_FINISH[load.entity.name](shape), load, shape)

    def parts(self, block: Sequence[Sequence[str]]) -> list[Part | None]:
        """The values of this load in many rows, ``None`` where it loads nothing from one.

        Goes column by column, which is fast; raises ``RowError`` if any row does not fit.
        """
        columns: list[Iterable[Any]] = [repeat(value, len(block)) for value in self.fixed]
        for cell in self.cells:
            cells = list(map(cell.compose or itemgetter(cell.column), block))
            if cell.kept is not None:
                columns[cell.at] = map(cell.kept.__getitem__, cells)
                continue
            texts = list(map(str.strip, cells))
            columns[cell.at] = texts if all(texts) else [text or cell.blank for text in texts]
        return [self._finished(list(values)) for values in zip(*columns, strict=True)]

    def _finished(self, values: list[Any]) -> Part | None:
        problem = self._finish(values)
        if problem is None:
            return tuple(values)
        if problem is SKIP:
            return None
        raise RowError

    def told(
        self, cells: Sequence[str]
    ) -> tuple[Part | None, list[tuple[Cell | None, BadValueError, str]]]:
        """The values in one row, or everything that is wrong with it."""
        values = self.fixed.copy()
        wrong: list[Wrong] = []
        for cell in self.cells:
            text = (cells[cell.column] if cell.compose is None else cell.compose(cells)).strip()
            try:
                _check_text(text)
                values[cell.at] = cell.value(_as_given(cells, cell, text)) if text else cell.blank
            except BadValueError as error:
                wrong.append((cell, error, text))
        if wrong:
            return None, wrong
        problem = self._finish(values)
        if problem is None or problem is SKIP:
            return (tuple(values) if problem is None else None), []
        place = next((c for c in self.cells if c.field.name == problem.field), None)
        return None, [(place, problem, problem.got)]


class RowProblemError(BadValueError):
    """Values that are good one by one do not go together; ``field`` is where it is told."""

    def __init__(self, field: str, code: str, expected: str, got: str, hint: str = "") -> None:
        super().__init__(code, expected, hint)
        self.field, self.got = field, got


Finish = Callable[[list[Any]], RowProblemError | None]
"""The last word on a load's values in a row; may complete them in place."""

SKIP = RowProblemError("", "skip", "", "")
"""Not a problem: the load finds nothing to load in this row."""


def _as_given(cells: Sequence[str], cell: Cell, text: str) -> str:
    """The cell itself when nothing was stripped: it may know more than its text."""
    given = cells[cell.column]
    return given if cell.compose is None and len(given) == len(text) else text


def _cell(each: LoadField, at: int, header: Sequence[str], value: Callable[[str], Any]) -> Cell:
    sole = each.pattern.sole_column
    compose = None if sole else each.pattern.composer(header, code=each.what.code)
    column = header.index(sole or each.pattern.columns[0])
    plain = each.convert is None and not each.foreign
    kept = None if plain else Kept(value, _blank(each))
    return Cell(column, compose, kept, value, _blank(each), each, at)


def _blank(each: LoadField) -> Any:
    return CLEARED if each.clears else None


def _valuer(each: LoadField) -> Callable[[str], Any]:
    convert, foreign = each.convert or str, each.foreign
    if not foreign:
        return convert
    return lambda text: convert(foreign.get(text, text))


def _check_text(text: str) -> None:
    if len(text) > LONGEST_CELL:
        raise BadValueError("too-long", f"at most {LONGEST_CELL:,} characters")
    found = _UNSAFE.search(text)
    if found:
        code = f"U+{ord(found[0]):04X}"
        raise BadValueError("unsafe-character", "plain text", f"remove the character {code}")


def _finish_account(shape: Sequence[str]) -> Finish:
    key = shape.index("key")

    def finish(values: list[Any]) -> RowProblemError | None:
        return None if values[key] else _no_key("account")

    return finish


def _finish_staff(shape: Sequence[str]) -> Finish:
    key = shape.index("key")

    def finish(values: list[Any]) -> RowProblemError | None:
        return None if values[key] else SKIP

    return finish


def _finish_contact(shape: Sequence[str]) -> Finish:
    key, email = shape.index("key"), shape.index("email") if "email" in shape else None

    def finish(values: list[Any]) -> RowProblemError | None:
        if not values[key]:
            values[key] = values[email] if email is not None else None
        return None if isinstance(values[key], str) else SKIP

    return finish


def _finish_licence(shape: Sequence[str]) -> Finish:
    key = shape.index("key")
    starts_at, expires_at, closed_at = [shape.index(name) for name in DATES]

    def finish(values: list[Any]) -> RowProblemError | None:
        starts_on, expires_on = values[starts_at], values[expires_at]
        if not values[key]:
            return _no_key("licence")
        if expires_on is None:
            if starts_on is None and values[closed_at] is None:
                return None
            expected = "the date on which the term expires"
            return RowProblemError("expires_on", "no-expiry", expected, "nothing")
        if starts_on is not None and expires_on <= starts_on:
            expected = f"a date after the start {starts_on}"
            return RowProblemError("expires_on", "ends-before-start", expected, str(expires_on))
        return None

    return finish


def _finish_order(shape: Sequence[str]) -> Finish:
    """The amount of a line is its own, else a piece's price by the quantity, to the cent."""
    key, amount = shape.index("key"), shape.index("amount")
    if "unit_price" not in shape:
        return lambda values: None if values[key] else _no_key("order")
    price_at, quantity_at = shape.index("unit_price"), shape.index("quantity")

    def finish(values: list[Any]) -> RowProblemError | None:
        price, quantity = values[price_at], values[quantity_at]
        if values[amount] is None and price is not None and isinstance(quantity, Decimal):
            made = (price * quantity).quantize(_CENT, ROUND_HALF_UP) + 0  # no negative zero
            if abs(made) >= MOST_OF_A_LINE:
                expected = "an amount below a million millions"
                return RowProblemError("unit_price", "number", expected, f"{quantity} x {price}")
            values[amount] = made
        return None if values[key] else _no_key("order")

    return finish


def _finish_answer(shape: Sequence[str]) -> Finish:
    score, day, schedule = [shape.index(name) for name in ("score", "answered_on", "schedule")]

    def finish(values: list[Any]) -> RowProblemError | None:
        if values[score] is None:
            return SKIP
        values[schedule] = values[schedule] or PAST
        if values[day] is None:
            return RowProblemError("answered_on", "no-day", "the day of the answer", "nothing")
        return None

    return finish


def _needing(finish: Finish, load: Load, shape: Sequence[str]) -> Finish:
    """``finish``, but a row in which a needed field is blank holds nothing for this load."""
    places = [shape.index(name) for name in load.needed]
    if not places:
        return finish

    def skipping(values: list[Any]) -> RowProblemError | None:
        for place in places:
            if values[place] is None or values[place] is CLEARED:
                return SKIP
        return finish(values)

    return skipping


_FINISH: Mapping[str, Callable[[Sequence[str]], Finish]] = {
    "account": _finish_account,
    "contact": _finish_contact,
    "licence": _finish_licence,
    "order": _finish_order,
    "staff": _finish_staff,
    "answer": _finish_answer,
}


def _no_key(entity: str) -> RowProblemError:
    return RowProblemError("key", "no-key", f"the key of the {entity}", "nothing")
