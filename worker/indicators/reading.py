"""The clients of the book as the rules want them, read in three statements."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.engine import Connection

from worker.db.engine import settle_in
from worker.indicators import rules, store
from worker.indicators.asked import Asked
from worker.indicators.rules import Chance, Client


@dataclass(frozen=True, slots=True)
class Known:
    """All that ever bought by the last day, and the chance that those of each state stay."""

    clients: Sequence[Client]
    chances: Mapping[str, Chance]

    @property
    def active(self) -> list[Client]:
        """Those who are clients on the last day."""
        return [client for client in self.clients if client.last is not None]

    @property
    def currencies(self) -> list[str]:
        """The currencies in which anything is bought now or was on the first day, the one of most
        clients first."""
        counts: Counter[str] = Counter()
        for client in self.clients:
            counts.update(name for name, cents in client.worth.items() if max(cents) > 0)
        return sorted(counts, key=lambda name: (-counts[name], name))


def read(conn: Connection, asked: Asked) -> Known:
    """Reads the clients in the view of one transaction; the cost is that of the book."""
    settle_in(conn)
    worth: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
    for account, currency, then, now in store.worth(conn, asked.period.first, asked.period.last):
        if then or now:
            worth[account][currency] = then, now
    days = (asked.year_ago, asked.period.first, asked.period.last)
    rows = store.clients(conn, days, asked.by)
    found = [_client(row, days, worth.get(row.account_id, {})) for row in rows]
    return Known(found, rules.chances(found))


def _client(row: Any, days: Sequence[date], worth: Mapping[str, tuple[int, int]]) -> Client:
    states = []
    for place, day in enumerate(days):
        held = getattr(row, f"held_{place}")
        order = getattr(row, f"order_{place}")
        renewals = int(getattr(row, f"renewals_{place}")) if held else None
        states.append(rules.state_of(renewals, (day - order).days if order else None))
    cost = None if row.cost_to_serve is None else round(row.cost_to_serve * 100)
    year_ago, first, last = states
    return Client(row.account_id, year_ago, first, last, row.since, worth, cost, row.grp)
