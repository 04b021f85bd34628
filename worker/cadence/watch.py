"""Keeps an eye on edited files while the system runs: an invalid edit raises an alarm, and the
last good version goes on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from worker.kernel.errors import PerennialError, Problem
from worker.schedules.flow import read_drafts
from worker.templating.check import check_folder
from worker.worklist import store as worklist

ALARM = "invalid-edit"
_SHOWN = 5

Fingerprint = frozenset[tuple[str, int, int]]


def fingerprint(root: Path) -> Fingerprint:
    """Names, sizes and times of all files that an application would read."""
    folders = (root / "schedules", root / "templates")
    files = [path for folder in folders if folder.is_dir() for path in folder.rglob("*.*")]
    stats = [(str(path), path.stat()) for path in files if path.is_file()]
    return frozenset((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def check_edits(engine: Engine, root: Path, now: datetime) -> list[Problem]:
    """Opens an alarm when the files could not be applied, and closes it when they could."""
    try:
        problems = [*read_drafts(root)[1], *check_folder(root / "templates")]
    except PerennialError as error:
        problems = list(error.problems)
    with engine.begin() as conn:
        if not problems:
            worklist.close(conn, ALARM, "the files are in order again", now)
            return []
        worklist.open_tasks(conn, [_alarm(problems)], now)
    return problems


def _alarm(problems: list[Problem]) -> worklist.NewTask:
    named = "\n".join(str(problem) for problem in problems[:_SHOWN])
    more = f"\n… and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return worklist.NewTask(
        key=ALARM,
        kind="alarm",
        title="Edited files cannot be applied; the last good version goes on",
        detail=f"{named}{more}\nSee all of them with: perennial check",
    )
