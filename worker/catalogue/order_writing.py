"""Orders into the book, some thousands at a time, and the totals of their days with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from worker.catalogue import order_store, store
from worker.catalogue.laying import Part
from worker.catalogue.ordering import ACCOUNT, CURRENCY, LINE
from worker.catalogue.records import orders
from worker.catalogue.report import Counts
from worker.catalogue.totals import Line, Tally
from worker.catalogue.writing import emptied, laid_over
from worker.db import bulk

_AT_ONCE = 20_000
_OWN = ("account_id", "product_line", "ordered_on", "quantity", "amount", "currency")
_EMPTIES = (None,) * len(_OWN)


class OrderWriter:
    """Writes the orders that differ, or in a dry run only counts them."""

    def __init__(
        self,
        conn: Connection,
        account_ids: Mapping[str, int],
        source: str,
        now: datetime,
        *,
        dry_run: bool,
    ) -> None:
        self._conn, self._account_ids = conn, account_ids
        self._source, self._now, self._dry_run = source, now, dry_run
        self._tally = Tally(conn)

    def write(self, said: Mapping[str, Part]) -> Counts:
        """Adds and changes orders; whatever changes of one moves it between totals."""
        counts = Counts()
        is_first = not order_store.any_there(self._conn)
        for keys in bulk.chunks(list(said), _AT_ONCE):
            known = {} if is_first else store.known(self._conn, orders, _OWN, keys)
            added: list[tuple[Any, ...]] = []
            changed: list[tuple[Any, ...]] = []
            for key in keys:
                values, old = self._values(said[key]), known.get(key)
                if old is None:
                    fresh: Line = emptied(values, _EMPTIES)
                    added.append((key, *fresh, self._source, self._now))
                    self._tally.add(fresh)
                elif (after := laid_over(old[1:], values, _EMPTIES)) is not None:
                    changed.append((old[0], *after, self._now))
                    self._tally.take(old[1:])
                    self._tally.add(after)
            self._keep(added, changed)
            counts.created += len(added)
            counts.updated += len(changed)
            counts.unchanged += len(keys) - len(added) - len(changed)
        return counts

    def remove(self, gone: Mapping[int, Line]) -> None:
        """Removes orders, by id, from the book and from its totals."""
        for line in gone.values():
            self._tally.take(line)
        if not self._dry_run:
            order_store.delete(self._conn, list(gone))

    def finish(self) -> None:
        """Brings the totals up to what was written. Call it last."""
        if not self._dry_run:
            self._tally.settle()

    def _values(self, part: Part) -> tuple[Any, ...]:
        account = part[ACCOUNT]
        return (self._account_ids[account] if account else None, *part[LINE : CURRENCY + 1])

    def _keep(self, added: Sequence[tuple[Any, ...]], changed: Sequence[tuple[Any, ...]]) -> None:
        if self._dry_run:
            self._tally.forget()
            return
        bulk.insert(self._conn, orders, ("key", *_OWN, "source", "updated_at"), added)
        bulk.update(self._conn, orders, (*_OWN, "updated_at"), changed)
        self._tally.settle_if_many()
