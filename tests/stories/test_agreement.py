"""The rehearsal against an independent judge: real years of a real book, and a made-up book that
holds every awkward date. They share no code; they must agree on every licence."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.oracle import book as books
from tests.oracle import chicago
from tests.oracle.cadences import schedules
from tests.oracle.judge import judge
from tests.oracle.script import read as read_script
from worker.cadence import rehearse, report
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.catalogue.flow import import_source
from worker.config.loading import load
from worker.db.engine import make_engine
from worker.db.types import metadata
from worker.kernel.clock import VirtualClock
from worker.kernel.dates import Period
from worker.schedules.flow import Draft
from worker.schedules.loader import load_text

CHICAGO = Path(__file__).parents[3] / "shared" / "data" / "chicago-licences.csv.gz"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
CITY = """
[book]
timezone = "America/Chicago"
country = "US"

[sources.licences]
kind = "csv"
path = "chicago.csv"
date_format = "%Y-%m-%d"

[[sources.licences.load]]
entity = "account"
key = "{account_number}"
name = "{legal_name}"

[[sources.licences.load]]
entity = "contact"
key = "{account_number}"
account = "{account_number}"
email = "licences+{account_number}@example.com"

[[sources.licences.load]]
entity = "licence"
key = "{license_number}"
account = "{account_number}"
product = "{license_description}"
starts_on = "{license_term_start_date}"
expires_on = "{license_term_expiration_date}"
closed_on = "{payment_date}"
status = "{license_status}"
values = { status = { AAI = "active", AAC = "cancelled", REV = "cancelled" } }
"""


def _loaded(root: Path, settings: str, files: dict[str, str], engine: Engine) -> Defaults:
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    (root / "config.toml").write_text(settings, encoding="utf-8")
    found = load(root, {}).settings
    for name, source in found.sources.items():
        import_source(engine, name, source, VirtualClock(NOW), root)
    return Defaults(found.book.timezone, found.book.language, found.book.country)


def _rehearsed(
    engine: Engine, defaults: Defaults, stem: str, text: str, period: Period, folder: Path
) -> list[dict[str, Any]]:
    draft = Draft(load_text(text.encode(), f"schedules/{stem}.toml", templates=None), text, {})
    asked = rehearse.Asked(
        period, [draft], defaults, Letterhead("Jo <jo@example.com>"), NOW, folder
    )
    asked = replace(asked, samples=0)
    with rehearse.rehearsed(engine, asked) as done:
        return [json.loads(json.dumps(record.json())) for record in report.records(done)]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Defaults, Any]]:
    if not CHICAGO.exists():
        pytest.skip(f"{CHICAGO.name} is not beside this checkout")
    root = tmp_path_factory.mktemp("city")
    engine = make_engine(f"sqlite:///{root}/perennial.db", durable=False)
    metadata.create_all(engine)
    text = gzip.decompress(CHICAGO.read_bytes()).decode("utf-8-sig")
    defaults = _loaded(root, CITY, {"chicago.csv": text}, engine)
    statuses = {"AAI": "active", "AAC": "cancelled", "REV": "cancelled"}
    book, _ = chicago.book(text.splitlines(), country="US", statuses=statuses)
    yield engine, defaults, book
    engine.dispose()


@pytest.mark.parametrize("year", [2004, 2006, 2008, 2010])
def test_a_rehearsed_year_of_the_citys_licences_is_what_the_judge_expects(
    city: tuple[Engine, Defaults, Any], year: int, tmp_path: Path
) -> None:
    engine, defaults, book = city
    text = schedules()["ten"]
    period = Period(date(year, 1, 1), date(year, 12, 31))
    rows = _rehearsed(engine, defaults, "ten", text, period, tmp_path)
    found = judge(book, read_script(text, "ten"), rows, period.first, period.last)
    assert "\n".join(str(one) for one in found[:60]) == ""
    assert sum(row["decision"] == "sent" for row in rows) > 3000


def _judged(stem: str, licences: int, seed: int, folder: Path) -> str:
    """What the judge has to say about a rehearsed year of a made-up book."""
    book = books.generate(seed=seed, licences=licences)
    files = {"licences.csv": books.licences_csv(book), "contacts.csv": books.contacts_csv(book)}
    engine = make_engine(f"sqlite:///{folder}/perennial.db", durable=False)
    metadata.create_all(engine)
    defaults = _loaded(folder, books.SOURCES, files, engine)
    text = schedules()[stem]
    period = Period(date(2024, 1, 1), date(2024, 12, 31))
    rows = _rehearsed(engine, defaults, stem, text, period, folder)
    engine.dispose()
    found = judge(book, read_script(text, stem), rows, period.first, period.last)
    return "\n".join(str(one) for one in found[:60])


def test_a_year_of_5000_awkward_licences_is_what_the_judge_expects(tmp_path: Path) -> None:
    assert _judged("ten", 5000, 11, tmp_path) == ""


@pytest.mark.parametrize("stem", sorted(schedules()))
def test_a_year_under_every_kind_of_schedule_is_what_the_judge_expects(
    stem: str, tmp_path: Path
) -> None:
    assert _judged(stem, 500, 12, tmp_path) == ""
