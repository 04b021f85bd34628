"""Keeps an eye on edited files while the system runs: an invalid edit raises an alarm, and the
last good version goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from worker import __version__
from worker.db import heartbeats
from worker.db.engine import reading
from worker.kernel.errors import PerennialError, Problem
from worker.schedules.flow import read_drafts
from worker.templating.check import check_folder
from worker.worklist import store as worklist

ALARM = "invalid-edit"
_DUTY = "edits"
_SHOWN = 5

Fingerprint = frozenset[tuple[str, int, int]]


def fingerprint(root: Path) -> Fingerprint:
    """Names, sizes and times of all files that an application would read."""
    stats = [(str(path), path.stat()) for path in _files(root)]
    return frozenset((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def check_edits(engine: Engine, root: Path, now: datetime) -> list[Problem]:
    """Opens an alarm when the files could not be applied, and closes it when they could.

    Trying all templates out takes seconds, so files that any process of this release has looked at
    already, to the byte, are left as they were found, and no problem is told of them again.
    """
    seen = _contents(root)
    with reading(engine) as conn:
        if heartbeats.done_to(conn, _DUTY) == seen:
            return []
    try:
        problems = [*read_drafts(root)[1], *check_folder(root / "templates")]
    except PerennialError as error:
        problems = list(error.problems)
    with engine.begin() as conn:
        heartbeats.note(conn, _DUTY, seen, now)
        if problems:
            worklist.open_tasks(conn, [_alarm(problems)], now)
        else:
            worklist.close(conn, ALARM, "the files are in order again", now)
    return problems


def _files(root: Path) -> Iterator[Path]:
    for folder in (root / "schedules", root / "templates"):
        if folder.is_dir():
            yield from (path for path in folder.rglob("*.*") if path.is_file())


def _contents(root: Path) -> str:
    """What the files say, and who reads them, as one short text."""
    told = hashlib.blake2s(__version__.encode(), digest_size=16)
    for path in sorted(_files(root)):
        for part in (path.relative_to(root).as_posix().encode(), _bytes(path)):
            told.update(b"%d:" % len(part))
            told.update(part)
    return told.hexdigest()


def _bytes(path: Path) -> bytes:
    """What is in the file; of one that cannot be read nothing, the check says why."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _alarm(problems: list[Problem]) -> worklist.NewTask:
    named = "\n".join(str(problem) for problem in problems[:_SHOWN])
    more = f"\n… and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return worklist.NewTask(
        key=ALARM,
        kind="alarm",
        title="Edited files cannot be applied; the last good version goes on",
        detail=f"{named}{more}\nSee all of them with: perennial check",
    )
