"""The demo's book: real licences and orders, and answers that are made up, moved to this week, as
they were known on any day."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import worker
from worker.kernel.errors import UsageError

AROUND = date(2024, 1, 1)
"""The Monday around which the dates of the file lie."""

SOLD_UNTIL = date(2011, 8, 1)
"""The Monday after the last order of the file."""

MARKER = ".perennial-demo"
_STARTS, _EXPIRES = "license_term_start_date", "license_term_expiration_date"
_ORDERED = "day"
_PAID, _STATUS, _CHANGED = "payment_date", "license_status", "license_status_change_date"

Row = dict[str, str]


def make_folder(folder: Path) -> None:
    """Makes the demo's folder anew, with settings, schedules and templates.

    Raises ``UsageError`` for a folder that holds anything and was not made here.
    """
    if folder.is_symlink() or (folder.exists() and not _is_ours(folder)):
        raise UsageError(
            f"{folder} was not made by a demo and is left alone; give another with --folder"
        )
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("Made by perennial demo, which makes it anew each time.\n")
    shutil.copyfile(_sample("config.toml"), folder / "config.toml")
    (folder / "data").mkdir()
    shutil.copyfile(_sample("staff.csv"), folder / "data" / "staff.csv")
    for name in ("schedules", "templates"):
        shutil.copytree(_shipped(name), folder / name)


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MARKER).is_file() or not any(folder.iterdir()))


def _sample(name: str) -> Path:
    return Path(str(files("worker.cli") / "sample" / name))


def _shipped(name: str) -> Path:
    """A folder that an installed package carries; in a checkout it stands beside the package."""
    carried = _sample(name)
    return carried if carried.is_dir() else Path(worker.__file__).parents[1] / name


def rows_around(today: date) -> list[Row]:
    """All rows of the sample, their dates moved by whole weeks to the week of ``today``."""
    weeks = (today - AROUND) // timedelta(weeks=1)
    with _sample("licences.csv").open(encoding="utf-8", newline="") as file:
        return [_moved(row, timedelta(weeks=weeks)) for row in csv.DictReader(file)]


def orders_until(today: date) -> list[Row]:
    """All orders of the sample, their dates moved by whole weeks: the last ones are of the seven
    days before ``today``."""
    weeks = (today - SOLD_UNTIL) // timedelta(weeks=1)
    with _sample("orders.csv").open(encoding="utf-8", newline="") as file:
        return [_moved(row, timedelta(weeks=weeks)) for row in csv.DictReader(file)]


def answers_until(today: date) -> list[Row]:
    """All answers of the sample, their days moved with those of the licences."""
    weeks = (today - AROUND) // timedelta(weeks=1)
    with _sample("answers.csv").open(encoding="utf-8", newline="") as file:
        return [_moved(row, timedelta(weeks=weeks)) for row in csv.DictReader(file)]


def ordered_before(rows: Iterable[Row], day: date) -> list[Row]:
    """The orders as their owner would export them that morning."""
    return [row for row in rows if row[_ORDERED] < day.isoformat()]


def _moved(row: Row, by: timedelta) -> Row:
    named = (_STARTS, _EXPIRES, _PAID, _CHANGED, _ORDERED)
    dates = {name: row[name] for name in named if row.get(name)}
    return row | {name: (date.fromisoformat(day) + by).isoformat() for name, day in dates.items()}


def known_on(rows: Iterable[Row], day: date) -> list[Row]:
    """The file as it was that morning: no term that was not paid by then, but each licence's
    first, and no cancellation that was still to come."""
    seen: set[str] = set()
    found = []
    for row in rows:
        number = row["license_number"]
        if number in seen and row[_PAID] > day.isoformat():
            continue
        seen.add(number)
        ahead = row[_CHANGED] > day.isoformat()
        found.append(row | {_STATUS: "AAI", _CHANGED: ""} if ahead else row)
    return found


def days_of_news(rows: Iterable[Row], after: date, until: date) -> list[date]:
    """The days, later than ``after``, on which the file says something new."""
    told = {row[name] for row in rows for name in (_PAID, _CHANGED) if row[name]}
    days = (date.fromisoformat(day) for day in told)
    return sorted(day for day in days if after < day <= until)


def write(path: Path, rows: Sequence[Row]) -> None:
    """Writes the file as its owner would export it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
