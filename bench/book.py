"""A generated book, written straight into the tables: what the engine is measured on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine

from worker.catalogue.records import accounts, contacts, licences, terms
from worker.db import bulk
from worker.schedules.flow import Draft
from worker.schedules.loader import load_text
from worker.templating import texts

NOW = datetime(2026, 11, 2, 10, tzinfo=UTC)
WHENS = (
    "90 days before",
    "60 days before",
    "30 days before",
    "14 days before",
    "7 days before",
    "1 day before",
    "on the day",
    "3 days after",
    "7 days after",
    "30 days after",
)
WORLD = (("America/Chicago", "US"), ("Europe/Warsaw", "PL"), ("Europe/Berlin", "DE"), (None, None))
EUROPE = (("Europe/London", "GB"), ("Europe/Warsaw", "PL"), ("Europe/Berlin", "DE"), (None, None))
Places = tuple[tuple[str | None, str | None], ...]
YEAR = timedelta(days=365)
_CHUNK = 20_000


def fill(engine: Engine, ends: Sequence[date], places: Places, *, per_account: int = 1) -> None:
    """A licence for each of ``ends``, the days on which the current terms end; ids count from 1.

    Every ``per_account`` licences have an account and a contact of their own. Each has terms of a
    year and an older one; half of the current ones were agreed around the end of the older, the
    others at their start.
    """
    draw = random.Random(1)
    for start in range(0, len(ends), _CHUNK):
        some = ends[start : start + _CHUNK]
        closed = [
            end - YEAR + timedelta(days=draw.randrange(-20, 6)) if number % 2 else None
            for number, end in enumerate(some)
        ]
        ids = range(start + 1, start + len(some) + 1)
        _write(engine, ids, some, closed, places, per_account)


def _write(
    engine: Engine,
    ids: range,
    ends: Sequence[date],
    closed: Sequence[date | None],
    places: Places,
    per_account: int,
) -> None:
    clients = range(_client(ids[0], per_account), _client(ids[-1], per_account) + 1)
    with engine.begin() as conn:
        bulk.insert(
            conn,
            accounts,
            ("id", "key", "name", "timezone", "country", "updated_at"),
            [(i, f"A{i}", f"Firm {i}", *places[i % len(places)], NOW) for i in clients],
        )
        bulk.insert(
            conn,
            contacts,
            ("id", "key", "account_id", "email", "name", "updated_at"),
            [(i, f"C{i}", i, f"anna{i}@example.com", f"Anna {i}", NOW) for i in clients],
        )
        bulk.insert(
            conn,
            licences,
            ("id", "key", "account_id", "term", "starts_on", "expires_on", "updated_at"),
            [
                (i, f"L{i}", _client(i, per_account), 2, end - YEAR, end, NOW)
                for i, end in zip(ids, ends, strict=True)
            ],
        )
        names = ("licence_id", "number", "origin", "starts_on", "expires_on", "closed_on")
        rows: list[tuple[object, ...]] = [
            (i, 1, "first", end - 2 * YEAR, end - YEAR, None, NOW)
            for i, end in zip(ids, ends, strict=True)
        ]
        rows += [
            (i, 2, "renewal", end - YEAR, end, agreed, NOW)
            for i, end, agreed in zip(ids, ends, closed, strict=True)
        ]
        bulk.insert(conn, terms, (*names, "seen_at"), rows)


def _client(licence: int, per_account: int) -> int:
    """The account of a licence; chunks begin with an account of their own."""
    return (licence - 1) // per_account + 1


def ten_steps(
    folder: dict[str, str], *, mail_class: str = "contractual", limits: str = ""
) -> Draft:
    """A schedule of ten mails, ready to be applied; ``folder`` holds the templates."""
    steps = "".join(
        f'\n[[steps]]\nid = "step-{number}"\nwhen = "{when}"\nto = ["any"]\n'
        f'email = "renewal/{"grace" if "after" in when else "heads-up"}"\n'
        for number, when in enumerate(WHENS)
    )
    head = f'name = "Ten steps"\ntrigger = "licence-expiry"\nclass = "{mail_class}"\n'
    toml = f"{head}[limits]\n{limits}\n{steps}"
    schedule = load_text(toml.encode(), "schedules/ten.toml", templates=None)
    needed = {**texts.needed(folder, "renewal/heads-up"), **texts.needed(folder, "renewal/grace")}
    return Draft(schedule, toml, needed)
