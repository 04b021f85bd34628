"""Clients that fell silent, as reactivation writes them down, and a book that hears of them."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import func, insert, select, update

from tests.cadence.conftest import Book, schedule_text
from worker.cadence.records import walks
from worker.catalogue.records import accounts
from worker.db.engine import reading
from worker.reactivation.records import episodes
from worker.worklist import store as worklist


def dormant(*steps: str, mail_class: str = "commercial", **more: str) -> str:
    """A schedule for silent clients in TOML; steps as in ``schedule_text``."""
    text = schedule_text(
        *steps, trigger="account-dormant", mail_class=mail_class, name="Silent", **more
    )
    return text.replace("renewal/heads-up", "silent/miss-you")


class SilentBook(Book):
    """A book whose clients order, and stop ordering."""

    def __post_init__(self) -> None:
        super().__post_init__()
        folder = self.root / "templates/silent/miss-you/en"
        folder.mkdir(parents=True)
        (folder / "subject.txt").write_text("We miss you, {{ account.name }}", encoding="utf-8")
        body = "Hello {{ account.name }}\n{{ unsubscribe }}\n"
        (folder / "body.txt").write_text(body, encoding="utf-8")
        html = '<html lang="en"><body><p>Hello {{ account.name }}</p></body></html>'
        (folder / "body.html").write_text(html, encoding="utf-8")

    def client(self, key: str = "A-1", **said: str) -> None:
        """Imports an account with one contact and no licence."""
        self.accounts([{"account": key, "name": f"Client {key}"} | said])
        self.person(key, f"{key.lower()}@example.com", name=f"Person of {key}")

    def flag(self, key: str = "A-1", *, schedule: str = "silent") -> int:
        """Writes down that a client fell silent today; the number of the episode."""
        account = self.id_of(key)
        mine = (episodes.c.schedule == schedule) & (episodes.c.account_id == account)
        with self.engine.begin() as conn:
            last = conn.execute(select(func.max(episodes.c.number)).where(mine)).scalar() or 0
            conn.execute(insert(episodes), episode(schedule, account, last + 1, self.now.date()))
        return last + 1

    def end(self, why: str, key: str = "A-1") -> None:
        """Writes down that the episode that goes on is over."""
        going = (episodes.c.account_id == self.id_of(key)) & episodes.c.ended_on.is_(None)
        with self.engine.begin() as conn:
            ended = {"ended_on": self.now.date(), "ended_why": why}
            conn.execute(update(episodes).where(going).values(ended))

    def id_of(self, key: str) -> int:
        """The number of an account."""
        with reading(self.engine) as conn:
            found: int = conn.execute(
                select(accounts.c.id).where(accounts.c.key == key)
            ).scalar_one()
        return found

    def account_walks(self, key: str = "A-1") -> list[tuple[int, str, str | None]]:
        """(cycle, state, reason) of an account's walks, in order of cycles."""
        mine = walks.c.account_id == self.id_of(key)
        query = select(walks).where(mine).order_by(walks.c.cycle, walks.c.schedule)
        with reading(self.engine) as conn:
            return [(row.cycle, row.state, row.reason) for row in conn.execute(query)]

    def open_tasks(self, *kinds: str) -> list[Any]:
        """The open tasks of these kinds, or of all."""
        with reading(self.engine) as conn:
            return worklist.open_ones(conn, list(kinds))


def episode(schedule: str, account: int, number: int, day: date) -> dict[str, Any]:
    """A row of an account that was flagged on ``day``."""
    return {
        "schedule": schedule,
        "account_id": account,
        "number": number,
        "flagged_on": day,
        "as_of": day,
        "lane": "gone-quiet",
        "score": 0.8,
        "at_stake": 1200,
        "currency": "EUR",
        "reasons": [],
        "facts": {},
    }
