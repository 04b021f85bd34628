"""A person's answers: what a command does when somebody has looked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, select

from worker.access import audit
from worker.access.audit import Actor
from worker.cadence import brakes
from worker.catalogue import stops
from worker.catalogue.records import contacts, licences
from worker.catalogue.store import mark_changed
from worker.db import bulk
from worker.db.engine import reading
from worker.kernel.errors import FindingsError, UsageError, did_you_mean
from worker.outbox import holds
from worker.schedules import store as versions
from worker.worklist import store as worklist


class MovedOnError(FindingsError):
    """What a person answers to is not what stands any more."""


def approve(
    engine: Engine,
    schedules: Sequence[str],
    now: datetime,
    by: Actor,
    *,
    seen: int | None = None,
) -> list[tuple[str, int]]:
    """Lets the mails go that wait for an approval: (schedule, mails), for the schedules named or
    for all. Raises ``UsageError`` for a schedule that does not run.

    ``seen`` is the id of the version whose mails a person looked at: ``MovedOnError`` when another
    one runs by now.
    """
    with engine.begin() as conn:
        running = {row.schedule: row.id for row in versions.active(conn)}
        if seen is not None and [running.get(stem) for stem in schedules] != [seen]:
            raise MovedOnError("Another version runs by now; look at its mails first.")
        for stem in schedules:
            if stem not in running:
                listed = ", ".join(running) or "none"
                hint = did_you_mean(stem, running, otherwise=f"there are: {listed}")
                raise UsageError(f"No schedule {stem!r} runs; {hint}")
        chosen = list(schedules) or list(running)
        done = []
        for stem in chosen:
            open_ones = holds.approve(conn, [running[stem]], now)
            woken = holds.wake(conn, holds.APPROVAL, now, schedule=stem)
            worklist.close_all(conn, f"approve:{stem}:", "approved", now)
            if open_ones or woken:
                done.append((stem, woken))
                detail = {"mails": woken, "version": running[stem]}
                audit.note(conn, by, "mails.approved", f"schedule {stem}", now, detail)
    return done


def waiting(engine: Engine) -> list[Any]:
    """What is held: brakes first, then mails by reason and schedule."""
    with reading(engine) as conn:
        return [*holds.pulled(conn), *holds.held(conn)]


def release(engine: Engine, ids: Sequence[int], note: str, now: datetime, by: Actor) -> list[Any]:
    """Takes brakes off: those named, or all. Raises ``FindingsError`` for one that is not on, and
    for a copied database, which is confirmed instead."""
    with engine.begin() as conn:
        on = {brake.id: brake for brake in holds.pulled(conn)}
        unknown = [str(id_) for id_ in ids if id_ not in on]
        if unknown:
            listed = ", ".join(map(str, on)) or "none"
            raise FindingsError(f"No brake {', '.join(unknown)} is on; on are: {listed}")
        chosen = [on[id_] for id_ in ids] if ids else list(on.values())
        copied = [brake for brake in chosen if brake.kind == holds.COPY]
        if copied:
            raise FindingsError(
                "This database was copied or moved. If it is the one that shall mail, run: "
                "perennial confirm-instance. Nothing was released."
            )
        brakes.release(conn, chosen, note, now, by)
    return chosen


def stop(
    engine: Engine,
    scope: str,
    key: str,
    reason: str,
    until: date | None,
    now: datetime,
    by: Actor,
) -> int:
    """Stops a licence, an account or a contact; how many records the key names."""
    with engine.begin() as conn:
        ids = _named(conn, scope, key)
        stops.put(conn, scope, ids, reason, until, now)
        _look_again(conn, scope, ids)
        for about in _spoken_of(scope, key, ids):
            audit.note(conn, by, "stop.made", about, now, {"until": until and until.isoformat()})
    return len(ids)


def lift(engine: Engine, scope: str, key: str, now: datetime, by: Actor) -> int:
    """Ends a stop; how many stood."""
    with engine.begin() as conn:
        ids = _named(conn, scope, key)
        ended = stops.lift(conn, scope, ids, now)
        _look_again(conn, scope, ids)
        for about in _spoken_of(scope, key, ids) if ended else ():
            audit.note(conn, by, "stop.lifted", about, now)
    return ended


def _named(conn: Any, scope: str, key: str) -> list[int]:
    found = stops.find(conn, scope, key)
    if not found:
        raise FindingsError(f"No {scope} {key!r} is in the book")
    return found


def _spoken_of(scope: str, key: str, ids: Sequence[int]) -> list[str]:
    """What the audit log calls them: an address is personal, so a contact goes by its id."""
    return [f"contact {id_}" for id_ in ids] if scope == "contact" else [f"{scope} {key}"]


def _look_again(conn: Any, scope: str, ids: Sequence[int]) -> None:
    """Has the engine look at every licence that the stop speaks of."""
    if scope == "licence":
        mark_changed(conn, ids)
        return
    accounts = list(ids)
    if scope == "contact":
        query = select(contacts.c.account_id).where(bulk.among(contacts.c.id, list(ids)))
        accounts = list(conn.execute(query).scalars())
    query = select(licences.c.id).where(bulk.among(licences.c.account_id, accounts))
    mark_changed(conn, list(conn.execute(query).scalars()))
