"""The brake of the import: loaded, but no mail goes out before a person has looked."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.engine import Connection

from tests.catalogue.conftest import ACCOUNT, LICENCE, Book
from worker.bootstrap import App
from worker.catalogue.flow import Options
from worker.catalogue.report import Report
from worker.cli.main import run
from worker.outbox.records import brakes

HEADER = "account,name,licence,start,end\n"


def text(how_many: int, moved: int = 0) -> str:
    """So many licences, the first ``moved`` of which end a day later than they did."""
    rows = [f"a1,x,l{n},2026-01-01,2027-01-{2 if n < moved else 1:02}\n" for n in range(how_many)]
    return HEADER + "".join(rows)


class Pulled:
    """A brake that keeps what it was told, and sees the import's own transaction."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def __call__(
        self, conn: Connection, *, kind: str, about: str, detail: str, now: datetime
    ) -> None:
        self.told.append({"kind": kind, "about": about, "detail": detail, "now": now})


def load(book: Book, source: str, pulled: Pulled, **options: Any) -> Report:
    return book.load(source, options=Options(brake=pulled, **options))


@pytest.mark.parametrize(
    ("how_many", "moved", "stops"),
    [(200, 20, False), (200, 21, True), (100, 19, False), (100, 20, True)],
)
def test_more_than_a_tenth_and_at_least_twenty_pull_it(
    book: Book, how_many: int, moved: int, stops: bool
) -> None:
    pulled = Pulled()
    load(book, text(how_many), pulled)
    assert pulled.told == []
    report = load(book, text(how_many, moved), pulled)
    detail = f"the import of 'book' gives {moved} of {how_many} active licences other dates"
    assert report.corrections == moved
    assert report.braked == (detail if stops else None)
    told = {"kind": "import", "about": "book", "detail": detail, "now": book.clock.now()}
    assert pulled.told == ([told] if stops else [])
    assert book.licence("l0")["expires_on"] == date(2027, 1, 2)


def test_a_dry_run_says_so_and_pulls_nothing(book: Book) -> None:
    pulled = Pulled()
    load(book, text(100), pulled)
    assert load(book, text(100, 50), pulled, dry_run=True).braked is not None
    assert pulled.told == []


def test_renewals_move_dates_and_pull_nothing(book: Book) -> None:
    pulled = Pulled()
    load(book, text(100), pulled)
    renewed = text(100).replace("2027-01-01", "2028-01-01").replace("2026-01-01", "2027-01-01")
    assert load(book, renewed, pulled).renewals == 100
    assert pulled.told == []


def test_the_command_says_what_happened_and_how_to_go_on(
    root: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "config.toml").write_text(
        f'[database]\nurl = "{sqlite_url}"\n[sources.book]\nkind = "csv"\npath = "book.csv"\n'
        + "".join(
            "[[sources.book.load]]\n"
            + "".join(f'{name} = "{value}"\n' for name, value in load.items())
            for load in (ACCOUNT, LICENCE)
        ),
        encoding="utf-8",
    )
    for moved in (0, 30, 60):
        (root / "book.csv").write_text(text(100, moved), encoding="utf-8")
        assert run(["--root", str(root), "import", "book"], {}) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "the import of 'book' gives 30 of 100 active licences other dates: "
        "no mail goes out until you run perennial release"
    )
    app = App.open(root, {})
    with app.engine.begin() as conn:
        (row,) = conn.execute(select(brakes)).mappings()  # the second one stands already
        assert (row["kind"], row["about"], row["released_at"]) == ("import", "book", None)
    app.close()
