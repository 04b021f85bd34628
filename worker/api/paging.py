"""Pages of a list by keyset: a cursor names the last one that was sent, never a number of rows."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, Select, literal, tuple_
from sqlalchemy.engine import Connection

from worker.api.problems import Fault, unfit
from worker.api.shapes import Shape

MOST = 200
USUAL = 50


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is ordered: by these columns, which together name one row."""

    columns: Sequence[ColumnElement[Any]]
    falling: bool = False

    def after(self, query: Select[Any], cursor: str | None, limit: int) -> Select[Any]:
        """The rows of ``query`` behind the cursor: one more than ``limit``, to see whether there
        are others. Raises ``RefusedError`` for a cursor that is none of this list's."""
        if cursor is not None:
            place = tuple_(*[literal(value, c.type) for c, value in self._read(cursor)])
            row = tuple_(*self.columns)
            query = query.where(row < place if self.falling else row > place)
        by = [column.desc() if self.falling else column for column in self.columns]
        return query.order_by(*by).limit(limit + 1)

    def _read(self, cursor: str) -> Sequence[tuple[ColumnElement[Any], Any]]:
        values = place_of(cursor, [column.type.python_type for column in self.columns])
        return list(zip(self.columns, values, strict=True))


def place_of(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The values that a cursor names, of these kinds; raises ``RefusedError`` for a cursor that is
    none of this list's."""
    try:
        values = json.loads(urlsafe_b64decode(cursor.encode("ascii")))
        if not isinstance(values, list) or len(values) != len(kinds):
            raise ValueError
        return [_value(kind, value) for kind, value in zip(kinds, values, strict=True)]
    except (ValueError, Error, RecursionError):
        hint = "take the whole address of next from the page before"
        raise unfit([Fault("query: cursor", "a cursor of this list", cursor, hint)]) from None


def _value(kind: type, value: object) -> object:
    if kind is date and isinstance(value, str):
        return date.fromisoformat(value)
    if kind is int and type(value) is int and abs(value) < 1 << 53:
        return value
    if kind is str and isinstance(value, str) and value.isprintable():
        return value
    raise ValueError


def cursor_of(values: Sequence[object]) -> str:
    """The cursor behind a row with these values."""
    plain = [value.isoformat() if isinstance(value, date | datetime) else value for value in values]
    return urlsafe_b64encode(json.dumps(plain, ensure_ascii=True).encode()).decode()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page: of the list at ``path``, with these filters, behind ``cursor``."""

    path: str
    filters: Mapping[str, object]
    cursor: str | None
    limit: int

    def page(
        self,
        conn: Connection,
        query: Select[Any],
        order: Order,
        shape: Callable[[Any], Shape],
    ) -> dict[str, Any]:
        """The page as JSON. The columns of ``order`` must be among those of ``query``, last."""
        rows = conn.execute(order.after(query, self.cursor, self.limit)).all()
        items = [shape(row).json_() for row in rows[: self.limit]]
        more = len(rows) > self.limit
        last = rows[self.limit - 1][-len(order.columns) :] if more else ()
        return {"items": items, "next": self.link(cursor_of(last)) if more else None}

    def link(self, cursor: str) -> str:
        """The path of the page behind ``cursor``."""
        said = {name: value for name, value in self.filters.items() if value is not None}
        return f"{self.path}?{urlencode(said | {'limit': self.limit, 'cursor': cursor})}"
