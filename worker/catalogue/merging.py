"""Rows to records: what one file says of each account, contact and licence, once it is all read.

Pure: what is known comes in, what shall be written goes out. The order of rows matters only where
two rows say different things about one account or contact: there the later one wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial

from worker.catalogue import answering, ordering, rules
from worker.catalogue.laying import DATES, Part
from worker.catalogue.reading import Parsed
from worker.catalogue.rules import Claim
from worker.catalogue.said import Entry, Known, KnownLicence, LicenceSaid, Reasons, Said, overlay
from worker.kernel.errors import Problem


class Merger:
    """Puts the rows of one file together. ``name`` is the file in messages."""

    def __init__(self, parsed: Parsed, known: Known, name: str, today: date) -> None:
        self._parsed, self._known, self._name, self._today = parsed, known, name, today
        self._at: dict[str, list[int]] = {}  # places of each entity's parts in a row
        for place, load in enumerate(parsed.loads, start=1):
            self._at.setdefault(load.entity.name, []).append(place)
        shape = list(parsed.shapes.get("licence", ()))
        self._places = [shape.index(name) for name in ("account", *DATES)] if shape else []
        self.unsettled: list[int] = []
        """Ids of known licences whose terms must be looked at, not only the current one, and are
        not among those that are known: add them, and merge again."""
        self.doubtful: list[str] = []
        """Keys of orders that are too thin to be new ones: say whether they are known."""

    def merge(self) -> tuple[Said, Reasons]:
        """What the file says, and the rows that contradict others or the book.

        Rows with a reason must be taken out and the rest merged again: what they said of their
        account, say, was not said.
        """
        reasons: Reasons = {}
        said = Said()
        self._merge_plain("staff", said.staff)
        self._merge_plain("account", said.accounts)
        self._check_accounts(said, reasons)
        self._merge_plain("contact", said.contacts)
        self._check_contacts(said, reasons)
        self._merge_answers(said, reasons)
        for key, entries in self._by_licence():
            self._merge_licence(key, entries, said, reasons)
        self._merge_orders(said, reasons)
        return said, reasons

    def _merge_answers(self, said: Said, reasons: Reasons) -> None:
        places = self._at.get("answer", ())
        reject = partial(self._reject, reasons)
        if places:
            said.answers += answering.collect(
                self._parsed, places, self._known, said, self._today, reject
            )

    def _merge_plain(self, entity: str, merged: dict[str, Part]) -> None:
        places = self._at.get(entity, ())
        if not places:
            return
        key_at = self._parsed.shapes[entity].index("key")
        for row in self._parsed.rows:
            for place in places:
                part = row[place]
                if part is None:
                    continue
                key = part[key_at]
                old = merged.get(key)
                merged[key] = part if old is None else overlay(old, part)

    def _check_accounts(self, said: Said, reasons: Reasons) -> None:
        """Every account that a contact or a licence names must be in the book or in the file."""
        for entity in ("contact", "licence", "order"):
            shape = self._parsed.shapes.get(entity, ())
            for place in self._at.get(entity, ()):
                at = list(shape).index("account")
                for row in self._parsed.rows:
                    part = row[place]
                    if part is None:
                        continue
                    account = part[at]
                    if account is None or account in said.accounts:
                        continue
                    if account not in self._known.accounts:
                        self._reject(reasons, row[0], place, "account", *_no_account(account))

    def _check_contacts(self, said: Said, reasons: Reasons) -> None:
        """A new contact needs an account."""
        shape = list(self._parsed.shapes.get("contact", ("key", "account")))
        key_at, account_at = shape.index("key"), shape.index("account")
        lacking = {
            key
            for key, part in said.contacts.items()
            if part[account_at] is None and key not in self._known.contacts
        }
        expected = "the account of a new contact"
        for place in self._at.get("contact", ()) if lacking else ():
            for row in self._parsed.rows:
                if row[place] is not None and row[place][key_at] in lacking:
                    told = ("account", "no-account", expected, "nothing")
                    self._reject(reasons, row[0], place, *told)

    def _merge_orders(self, said: Said, reasons: Reasons) -> None:
        rows, places = self._parsed.rows, self._at.get("order", ())
        said.orders, clashing, said.repeated = ordering.merge(rows, places)
        for line, place, part in ordering.find(rows, places, clashing):
            others = ", ".join(str(n) for n in clashing[part[ordering.KEY]] if n != line)
            got = f"{part[ordering.KEY]!r}, with other values than in line {others or line}"
            told = ("key", "two-orders", "a key for each order", got, _TWO_ORDERS)
            self._reject(reasons, line, place, *told)
        thin = ordering.lacking(said.orders)
        self.doubtful = [key for key in thin if key not in self._known.orders]
        new = {key: lacks for key, lacks in thin.items() if not self._known.orders.get(key, True)}
        for line, place, part in ordering.find(rows, places, new):
            for name in new[part[ordering.KEY]]:
                expected = f"the {ordering.WANTED[name]} of a new order"
                self._reject(reasons, line, place, name, f"no-{name}", expected, "nothing")

    def _by_licence(self) -> Iterator[tuple[str, list[Entry]]]:
        """What the rows say, licence by licence, in the order of their first rows."""
        places = self._at.get("licence", ())
        if not places:
            return
        key_at = self._parsed.shapes["licence"].index("key")
        found: dict[str, int | list[int]] = {}
        rows, width = self._parsed.rows, len(places)
        for number, row in enumerate(rows):
            for nth, place in enumerate(places):
                if row[place] is None:
                    continue
                code, key = number * width + nth, row[place][key_at]
                seen = found.setdefault(key, code)
                if seen is code:
                    continue
                if isinstance(seen, list):
                    seen.append(code)
                else:
                    found[key] = [seen, code]
        declared = [self._parsed.loads[place - 1].declared for place in places]
        for key, codes in found.items():
            entries = []
            for code in codes if isinstance(codes, list) else (codes,):
                number, nth = divmod(code, width)
                row = rows[number]
                entries.append(Entry(row[0], row[places[nth]], declared[nth]))
            yield key, entries

    def _is_plain(self, known: KnownLicence, entries: Sequence[Entry]) -> bool:
        """Whether the rows give the current term the dates that it has, or no dates at all."""
        _, starts_at, expires_at, closed_at = self._places
        for _, part, _ in entries:
            if part[expires_at] is None:
                continue
            if part[expires_at] != known.expires_on:
                return False
            if part[starts_at] not in (None, known.starts_on):
                return False
            if part[closed_at] not in (None, known.closed_on):
                return False
        return True

    def _merge_licence(self, key: str, entries: list[Entry], said: Said, reasons: Reasons) -> None:
        known = self._known.licences.get(key)
        if known is None:
            if self._lacks(entries, reasons):
                return
            plain = len(entries) == 1
        else:
            plain = self._is_plain(known, entries)
            if not plain and known.id not in self._known.terms:
                self.unsettled.append(known.id)
                return
        if plain:
            part = entries[0].part
            for entry in entries[1:]:
                part = overlay(part, entry.part)
            said.licences.append(LicenceSaid(key, known, part, None))
            return
        self._settle(key, known, entries, said, reasons)

    def _lacks(self, entries: Sequence[Entry], reasons: Reasons) -> bool:
        """Whether a new licence comes without what it needs."""
        account_at, _, expires_at, _ = self._places
        if entries[0].part[expires_at] and entries[0].part[account_at]:
            return False
        lacking = []
        if not any(entry.part[expires_at] for entry in entries):
            lacking.append(("expires_on", "no-expiry", "the date on which a new licence expires"))
        if not any(entry.part[account_at] for entry in entries):
            lacking.append(("account", "no-account", "the account of a new licence"))
        for path, code, expected in lacking:
            for entry in entries:
                place = self._at["licence"][0]
                self._reject(reasons, entry.line, place, path, code, expected, "nothing")
        return bool(lacking)

    def _settle(
        self,
        key: str,
        known: KnownLicence | None,
        entries: Sequence[Entry],
        said: Said,
        reasons: Reasons,
    ) -> None:
        terms = self._known.terms.get(known.id, []) if known is not None else []
        claims = {entry: claim for entry in entries if (claim := self._claim(entry)) is not None}
        settled = rules.settle(terms, claims.values())
        if settled.clashing:
            self._reject_clashing(claims, settled.clashing, reasons)
            return
        if settled.decisions:
            latest = settled.decisions[-1][1].term
            about_now = latest.number == rules.current(settled.terms).number
        else:
            about_now = True
        part: Part = (None,) * len(entries[0].part)
        for entry in sorted(entries, key=lambda e: (*_order(claims.get(e)), e.line)):
            if about_now or entry not in claims:
                part = overlay(part, entry.part)
        said.licences.append(LicenceSaid(key, known, part, settled))

    def _claim(self, entry: Entry) -> Claim | None:
        _, starts_at, expires_at, closed_at = self._places
        part = entry.part
        if part[expires_at] is None:
            return None
        return Claim(part[expires_at], part[starts_at], part[closed_at], entry.declared)

    def _reject_clashing(
        self, claims: Mapping[Entry, Claim], clashing: Iterable[Claim], reasons: Reasons
    ) -> None:
        ends = {claim.expires_on: {c.starts_on for c in clashing} for claim in clashing}
        bad = [
            (entry.line, claim)
            for entry, claim in claims.items()
            if claim.starts_on in ends.get(claim.expires_on, ())
            or (claim.starts_on is None and claim.expires_on in ends)
        ]
        place = self._at["licence"][0]
        for line, claim in bad:
            others = [f"{_span(c)} in line {n}" for n, c in bad if n != line and c != claim]
            got = " and ".join([_span(claim), *others[:3]])
            expected = "one pair of dates for a term"
            hint = "correct or remove all rows but one; none of them was used"
            self._reject(reasons, line, place, "expires_on", "two-dates", expected, got, hint)

    def _reject(
        self,
        reasons: Reasons,
        line: int,
        place: int,
        field: str,
        code: str,
        expected: str,
        got: str,
        hint: str = "",
    ) -> None:
        load = self._parsed.loads[place - 1]
        made = next((each for each in load.fields if each.name == field), None)
        path = " + ".join(made.pattern.columns) if made and made.pattern.columns else field
        problem = Problem(self._name, line, 0, path, code, expected, got, hint)
        told = reasons.setdefault(line, [])
        if problem not in told:
            told.append(problem)


_TWO_ORDERS = (
    "correct or remove all but one; if they are lines of one document, give each a key of its own, "
    'or say same_key = "lines"'
)


def _no_account(account: str) -> tuple[str, str, str, str]:
    expected = "an account of the book or of this file"
    hint = "load the accounts first, or in the same row"
    return "unknown-account", expected, repr(account), hint


def _order(claim: Claim | None) -> tuple[bool, date]:
    """Rows in the order of their terms; those without dates speak of the present."""
    if claim is None:
        return True, date.min
    return False, claim.starts_on or claim.expires_on


def _span(claim: Claim) -> str:
    return f"{claim.starts_on or '…'} to {claim.expires_on}"
