"""Sources that run by themselves: each is read when its time has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from worker.catalogue import store
from worker.catalogue.flow import Options, import_source
from worker.catalogue.freshness import UNFINISHED, next_try
from worker.config.settings import SourceSettings
from worker.db.engine import reading
from worker.kernel.clock import Clock
from worker.kernel.errors import PerennialError

_LONGEST = 1000  # characters that are kept of what went wrong


class Tried(NamedTuple):
    """A source that was read or not: why not, and the exception if that was our own mistake."""

    source: str
    problem: str | None = None
    error: Exception | None = None


def refresh(
    engine: Engine,
    sources: Mapping[str, SourceSettings],
    clock: Clock,
    root: Path,
    options: Options,
    stop: Callable[[], bool],
) -> list[Tried]:
    """Reads the sources whose time has come, one after the other.

    Any number of processes may do so at once: one conditional write says whose turn it is. What
    goes wrong with a source is recorded and no error; only the database's own trouble is raised.
    """
    with reading(engine) as conn:
        reads = store.reads(conn)
    tried = []
    for name, source in sources.items():
        now = clock.now()
        if source.every is None or stop():
            continue
        due = next_try(reads.get(name), source.every)
        if (due is None or due <= now) and _claim(engine, name, reads.get(name), now):
            tried.append(_read(engine, name, source, clock, root, options))
    return tried


def _claim(engine: Engine, name: str, seen: store.Read | None, now: datetime) -> bool:
    with engine.begin() as conn:
        return store.claim_read(conn, name, seen, now, UNFINISHED)


def _read(
    engine: Engine,
    name: str,
    source: SourceSettings,
    clock: Clock,
    root: Path,
    options: Options,
) -> Tried:
    try:
        import_source(engine, name, source, clock, root, options)
    except PerennialError as error:
        tried = Tried(name, str(error))
    except Exception as error:  # noqa: BLE001 -- whatever it is, the other sources go on
        kind = type(error).__name__
        tried = Tried(name, f"internal error ({kind}); the log has the details", error)
    else:
        return Tried(name)
    with engine.begin() as conn:
        store.record_failure(conn, name, clock.now(), str(tried.problem)[:_LONGEST])
    return tried
