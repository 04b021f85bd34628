"""What the file says, against what the book holds: the difference, and its writing in bulk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine import Connection

from worker.catalogue import rules, store, telling
from worker.catalogue.entities import ENTITIES
from worker.catalogue.laying import DATES, Part
from worker.catalogue.mapping import CLEARED
from worker.catalogue.records import accounts, contacts, licences, staff
from worker.catalogue.report import Counts, Managed
from worker.catalogue.rules import Outcome, Term
from worker.catalogue.said import Known, KnownLicence, LicenceSaid, own_fields
from worker.db import bulk

_DEFAULTS = {"opt_out": False, "auto_renew": False, "status": "active"}
_MANAGERS = ("account_manager", "renewal_manager")
_MIRROR = ("term", "starts_on", "expires_on", "closed_on")
Values = tuple[Any, ...]


@dataclass(slots=True)
class _Rows:
    """Rows of one table to add and to change; changes hold the id first."""

    added: list[Values] = field(default_factory=list)
    changed: list[Values] = field(default_factory=list)


class Writer:
    """Writes what differs, or in a dry run only counts it."""

    def __init__(
        self,
        conn: Connection,
        shapes: Mapping[str, Sequence[str]],
        known: Known,
        source: str,
        now: datetime,
        *,
        dry_run: bool,
    ) -> None:
        self._conn, self._shapes, self._known = conn, shapes, known
        self._source, self._now, self._dry_run = source, now, dry_run
        self._account_ids = {key: row[0] for key, row in known.accounts.items()}
        self.outcomes: Counter[Outcome] = Counter()
        self.managed: list[Managed] = []
        """Accounts that have another manager than before."""

    @property
    def account_ids(self) -> Mapping[str, int]:
        """Ids by key of the accounts that the file names, once they are written."""
        return self._account_ids

    def accounts(self, said: Mapping[str, Part]) -> Counts:
        """Adds and changes accounts; rings the bell of all licences of a changed one."""
        shape = list(self._shapes.get("account", ()))
        if not shape:
            return Counts()
        columns, places, empties = _own("account", shape)
        managers = [at for at, name in enumerate(columns) if name in _MANAGERS]
        new = [key for key in said if key not in self._known.accounts]
        ids = self._ids(accounts, len(new))
        self._account_ids.update(zip(new, ids, strict=True))
        rows = _Rows()
        for key, part in said.items():
            values = [part[place] for place in places]
            old = self._known.accounts.get(key)
            if old is None:
                fresh = emptied(values, empties)
                rows.added.append((self._account_ids[key], key, *fresh, self._source, self._now))
            elif (after := laid_over(old[1:], values, empties)) is not None:
                rows.changed.append((old[0], *after, self._now))
                self.managed += _managed(old, after, managers)
        names = ["id", "key", *columns, "source", "updated_at"]
        self._insert(accounts, *_named(names, rows.added))
        self._update(accounts, [*columns, "updated_at"], rows.changed)
        if not self._dry_run:
            store.mark_accounts_changed(self._conn, [row[0] for row in rows.changed])
        return _counts(said, rows)

    def contacts(self, said: Mapping[str, Part]) -> Counts:
        """Adds and changes contacts."""
        shape = list(self._shapes.get("contact", ()))
        if not shape:
            return Counts()
        columns, places, empties = _own("contact", shape)
        account_at = shape.index("account")
        rows = _Rows()
        for key, part in said.items():
            account = self._account_ids[part[account_at]] if part[account_at] else None
            values = [account, *[part[place] for place in places]]
            old = self._known.contacts.get(key)
            if old is None:
                fresh = emptied(values, [None, *empties])
                rows.added.append((key, *fresh, self._source, self._now))
            elif (after := laid_over(old[1:], values, [None, *empties])) is not None:
                rows.changed.append((old[0], *after, self._now))
        names = ["account_id", *columns]
        self._insert(contacts, ["key", *names, "source", "updated_at"], rows.added)
        self._update(contacts, [*names, "updated_at"], rows.changed)
        return _counts(said, rows)

    def staff(self, said: Mapping[str, Part]) -> Counts:
        """Adds and changes staff. No licence need be looked at again: names are read when used."""
        shape = list(self._shapes.get("staff", ()))
        if not shape:
            return Counts()
        columns, places, empties = _own("staff", shape)
        rows = _Rows()
        for key, part in said.items():
            values = [part[place] for place in places]
            old = self._known.staff.get(key)
            if old is None:
                rows.added.append((key, *emptied(values, empties), self._source, self._now))
            elif (after := laid_over(old[1:], values, empties)) is not None:
                rows.changed.append((old[0], *after, self._now))
        self._insert(staff, *_named(["key", *columns, "source", "updated_at"], rows.added))
        self._update(staff, [*columns, "updated_at"], rows.changed)
        return _counts(said, rows)

    def licences(self, said: Sequence[LicenceSaid], *, revive: bool) -> Counts:
        """Adds and changes licences and their terms.

        ``revive``: a licence that an earlier full sync ended is active again when it comes back.
        """
        shape = list(self._shapes.get("licence", ()))
        if not shape:
            return Counts()
        work = _Licences(shape, self._account_ids, self._source, self._now, self.outcomes)
        ids = iter(self._ids(licences, sum(1 for one in said if one.known is None)))
        for one in said:
            if one.known is None:
                work.add(next(ids), one)
            else:
                work.change(one.known, one, revive=revive)
        columns = [*work.columns, *_MIRROR]
        names = ["id", "key", "account_id", *columns, "source", "updated_at", "changed"]
        self._insert(licences, names, work.rows.added)
        changed_names = ["account_id", *columns, "updated_at", "changed"]
        self._update(licences, changed_names, work.rows.changed)
        if not self._dry_run:
            store.insert_terms(self._conn, work.terms.added)
            store.update_terms(self._conn, work.terms.changed)
            telling.renewed(self._conn, work.renewed, self._now)
        return _counts(said, work.rows)

    def end(self, ids: Sequence[int]) -> None:
        """Ends licences."""
        rows = [(licence_id, "ended", self._now, True) for licence_id in ids]
        self._update(licences, ["status", "updated_at", "changed"], rows)

    def _ids(self, table: Table, how_many: int) -> Sequence[int]:
        if self._dry_run:
            unused = count(-1, -1)
            return [next(unused) for _ in range(how_many)]
        return store.reserve_ids(self._conn, table, how_many)

    def _insert(self, table: Table, columns: Sequence[str], rows: Sequence[Values]) -> None:
        if rows and not self._dry_run:
            bulk.insert(self._conn, table, columns, rows)

    def _update(self, table: Table, columns: Sequence[str], rows: Sequence[Values]) -> None:
        if rows and not self._dry_run:
            bulk.update(self._conn, table, columns, rows)


class _Licences:
    """Collects the rows of licences and terms."""

    def __init__(
        self,
        shape: list[str],
        account_ids: Mapping[str, int],
        source: str,
        now: datetime,
        outcomes: Counter[Outcome],
    ) -> None:
        self.columns = own_fields(shape)
        self.rows, self.terms = _Rows(), _Rows()
        self._empties = _empties("licence", self.columns)
        self._places = [shape.index(name) for name in self.columns]
        self._account, self._starts, self._expires, self._closed = (
            shape.index(name) for name in ("account", *DATES)
        )
        self._status = self.columns.index("status")
        self._account_ids, self._source, self._now = account_ids, source, now
        self._outcomes = outcomes
        self.renewed: list[int] = []
        """Known licences whose next term opens."""

    def add(self, licence_id: int, one: LicenceSaid) -> None:
        """A new licence, with its terms."""
        part = one.part
        if one.settled is None:
            dates = (part[self._starts], part[self._expires], part[self._closed])
            mirror = (1, *dates)
            self.terms.added.append((licence_id, 1, "first", *dates, self._now))
        else:
            mirror = _mirror(rules.current(one.settled.terms))
            self._add_terms(licence_id, one)
        own = emptied([part[place] for place in self._places], self._empties)
        account_id = self._account_ids[part[self._account]]
        tail = (self._source, self._now, True)
        self.rows.added.append((licence_id, one.key, account_id, *own, *mirror, *tail))

    def change(self, known: KnownLicence, one: LicenceSaid, *, revive: bool) -> None:
        """A known licence: its own fields, its account, its terms."""
        values = [one.part[place] for place in self._places]
        if revive and values[self._status] is None and known.own[self._status] == "ended":
            values[self._status] = "active"
        own = laid_over(known.own, values, self._empties)
        account = one.part[self._account]
        account_id = self._account_ids[account] if account else known.account_id
        before = (known.term, known.starts_on, known.expires_on, known.closed_on)
        mirror, touched = before, False
        if one.settled is not None:
            touched = self._add_terms(known.id, one)
            mirror = _mirror(rules.current(one.settled.terms))
        if own is None and account_id == known.account_id and mirror == before and not touched:
            return
        opens = one.settled is not None and mirror[0] > known.term
        if opens and one.settled is not None and _is_renewal(rules.current(one.settled.terms)):
            self.renewed.append(known.id)
        after = known.own if own is None else own
        self.rows.changed.append((known.id, account_id, *after, *mirror, self._now, True))

    def _add_terms(self, licence_id: int, one: LicenceSaid) -> bool:
        """Collects the terms to write; whether there are any."""
        touched = False
        for _, decision in one.settled.decisions if one.settled else ():
            self._outcomes[decision.outcome] += 1
            term, old = decision.term, decision.replaces
            dates = (term.starts_on, term.expires_on, term.closed_on)
            if term.id is None:
                row = (licence_id, term.number, term.origin, *dates, self._now)
                self.terms.added.append(row)
                touched = True
            elif old is None or dates != (old.starts_on, old.expires_on, old.closed_on):
                self.terms.changed.append((term.id, *dates))
                touched = True
        return touched


def _managed(old: Values, after: Values, managers: Sequence[int]) -> Iterator[Managed]:
    """Who follows whom, where a manager follows another; ``old`` begins with the id."""
    for at in managers:
        before, now = old[at + 1], after[at]
        if before and now and before != now:
            yield Managed(old[0], before, now)


def _named(columns: Sequence[str], rows: Sequence[Values]) -> tuple[list[str], list[Values]]:
    """Columns and new rows in which each record has a name: its own, else its key."""
    key = columns.index("key")
    if "name" not in columns:
        return [*columns, "name"], [(*row, row[key]) for row in rows]
    at = columns.index("name")
    return list(columns), [r if r[at] else (*r[:at], r[key], *r[at + 1 :]) for r in rows]


def _is_renewal(term: Term) -> bool:
    return term.origin == Outcome.RENEWAL.value


def _mirror(term: Term) -> tuple[Any, ...]:
    return (term.number, term.starts_on, term.expires_on, term.closed_on)


def _own(entity: str, shape: Sequence[str]) -> tuple[list[str], list[int], list[Any]]:
    """The columns that a load fills, their places in a part, and what each is when emptied."""
    columns = [name for name in shape if name not in ("key", "account")]
    return columns, [list(shape).index(name) for name in columns], _empties(entity, columns)


def _empties(entity: str, columns: Sequence[str]) -> list[Any]:
    fields = ENTITIES[entity].fields
    return [_DEFAULTS.get(name, fields[name].empty) for name in columns]


def _counts(said: Mapping[str, Part] | Sequence[LicenceSaid], rows: _Rows) -> Counts:
    created, updated = len(rows.added), len(rows.changed)
    return Counts(created, updated, len(said) - created - updated)


def emptied(values: Sequence[Any], empties: Sequence[Any]) -> tuple[Any, ...]:
    """Values for a new record: what was blank or cleared becomes what its field has then."""
    return tuple(
        [e if v is None or v is CLEARED else v for v, e in zip(values, empties, strict=True)]
    )


def laid_over(
    old: Sequence[Any], new: Sequence[Any], empties: Sequence[Any]
) -> tuple[Any, ...] | None:
    """The values after ``new`` is laid over ``old``; ``None`` when nothing changes."""
    out: list[Any] | None = None
    for at, after in enumerate(new):
        if after is None or after == old[at]:
            continue
        value = empties[at] if after is CLEARED else after
        if value == old[at]:
            continue
        out = list(old) if out is None else out
        out[at] = value
    return None if out is None else tuple(out)
