"""Signed batches of events, from the raw body to the commit, on PostgreSQL.

Of each mail SendGrid tells that it was processed and delivered; some are opened, clicked or come
back, and some batches come twice. The floor keeps the same events with SQLAlchemy's executemany and
does nothing about them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from typing import Any

from sqlalchemy import Engine, func, insert, select, text

from bench import book
from tests.events.signing import Signer, batch
from worker.cadence.records import steps, walks
from worker.catalogue.records import licences
from worker.channels.sendgrid_events import SendgridEar
from worker.channels.told import Told, copy_mark
from worker.db import bulk
from worker.events import flow
from worker.events.records import events
from worker.outbox.records import messages
from worker.schedules.records import versions

EVENTS_A_SECOND = 2_000
BATCH = 1_000
SENT = datetime(2027, 3, 31, 9, tzinfo=UTC)
NOW = SENT + timedelta(hours=12)
_BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0 Safari/537.36"


def fill(engine: Engine, count: int) -> None:
    """``count`` licences, each with a walk whose first mail was accepted."""
    book.fill(engine, [date(2027, 4, 30)] * count, book.EUROPE)
    row = {"id": 1, "schedule": "ten", "number": 1, "digest": "", "text": "", "templates": {}}
    row |= {"steps_since": {}, "applied_at": SENT, "active": True}
    day, walked, stepped, mailed = SENT.date(), [], [], []
    with engine.begin() as conn:
        conn.execute(versions.insert().values(row))
        ids = list(conn.execute(select(licences.c.id).order_by(licences.c.id)).scalars())
        for id_ in ids:
            walked.append((id_, "ten", id_, 1, date(2027, 4, 30), SENT, "active"))
            stepped.append((id_, "heads-up", "email", "waiting", day, SENT, SENT, 1, _key(id_)))
            same = ("ten", "heads-up", 1, "renewal/heads-up", "contractual", day, "accepted")
            mailed.append((_key(id_), _address(id_), *same, SENT, SENT, SENT))
        names = ("id", "schedule", "subject_id", "cycle", "anchor_on", "first_act_at", "state")
        bulk.insert(conn, walks, names, walked)
        names = ("walk_id", "step", "kind", "decision", "due_on", "at", "decided_at", "version_id")
        bulk.insert(conn, steps, (*names, "mail_key"), stepped)
        names = ("mail_key", "address", "schedule", "step", "version_id", "template", "kind", "day")
        more = ("state", "valid_until", "accepted_at", "created_at")
        bulk.insert(conn, messages, (*names, *more), mailed)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))


def _key(id_: int) -> str:
    return f"m{id_:015}"


def _address(id_: int) -> str:
    return f"anna{id_}@example.com"


@dataclass
class Provider:
    """What SendGrid would post about the mails, as requests."""

    signer: Signer
    requests: list[tuple[dict[str, str], bytes]]
    events: int

    @classmethod
    def about(cls, mails: int, now: datetime = NOW) -> Provider:
        """All that is told of so many mails, in requests that were signed at ``now``."""
        draw = random.Random(7)
        told = [event for id_ in range(1, mails + 1) for event in _of_mail(id_, draw)]
        told.sort(key=lambda event: event["timestamp"] + draw.randrange(120))
        signer, requests = Signer(), []
        for some in bulk.chunks(told, BATCH):
            body = batch(list(some))
            requests += [(signer.headers(body, now), body)] * (2 if draw.random() < 0.05 else 1)
        return cls(signer, requests, sum(len(json.loads(body)) for _, body in requests))


def _of_mail(id_: int, draw: random.Random) -> Iterator[dict[str, Any]]:
    at = int(SENT.timestamp()) + draw.randrange(3600)
    kinds = [("processed", 1), ("delivered", 30)]
    if draw.random() < 0.01:
        kinds = [("processed", 1), ("bounce", 30)]
    elif draw.random() < 0.3:
        kinds.append(("open", draw.randrange(60, 30_000)))
        if draw.random() < 0.5:
            kinds.append(("click", draw.randrange(60, 30_000)))
    for number, (kind, after) in enumerate(kinds):
        yield {
            "email": _address(id_),
            "timestamp": at + after,
            "smtp-id": f"<{_key(id_)}@example.com>",
            "event": kind,
            "sg_event_id": f"{_key(id_)}-{number}",
            "sg_message_id": f"{_key(id_)}.recvd-5d8f-1.0",
            "mail": _key(id_),
            "copy": copy_mark(_address(id_)),
            "response": "250 2.0.0 OK",
            "useragent": _BROWSER,
            "url": f"https://licences.example.com/answer/{id_}",
            "ip": "192.0.2.7",
        }


def take(engine: Engine, provider: Provider) -> float:
    """Hears, keeps and follows every request; seconds."""
    ear = SendgridEar(provider.signer.public)
    began = perf_counter()
    for headers, body in provider.requests:
        told = ear.hear(headers, body, NOW)
        with engine.begin() as conn:
            flow.take(conn, "sendgrid", told, NOW)
    return perf_counter() - began


def keep(engine: Engine, provider: Provider) -> float:
    """The floor: the same events, heard and inserted; seconds."""
    ear, seen = SendgridEar(provider.signer.public), set[str]()
    began = perf_counter()
    for headers, body in provider.requests:
        told = [one for one in ear.hear(headers, body, NOW) if one.key not in seen]
        seen |= {one.key for one in told}
        if told:
            with engine.begin() as conn:
                conn.execute(insert(events), [_row(one) for one in told])
    return perf_counter() - began


def _row(told: Told) -> dict[str, Any]:
    names = ("key", "kind", "mail_key", "address", "detail", "at", "raw")
    row = {name: getattr(told, name) for name in names}
    return row | {"channel": "sendgrid", "received_at": NOW}


def run(fresh: Callable[[], Engine], mails: int) -> tuple[int, float, float]:
    """Events, seconds of the floor, seconds of ours; checks that all were kept and followed."""
    provider = Provider.about(mails)
    engine = fresh()
    floor = keep(engine, provider)
    engine.dispose()
    engine = fresh()
    fill(engine, mails)
    ours = take(engine, provider)
    with engine.connect() as conn:
        fates = select(func.count()).select_from(messages).where(messages.c.fate.is_not(None))
        assert conn.execute(fates).scalar_one() == mails
    engine.dispose()
    return provider.events, floor, ours
