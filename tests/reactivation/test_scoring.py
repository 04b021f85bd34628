"""The book scored on both databases: what is read, what is kept, what the command says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, delete, func, select

from tests.processes import write_config
from worker.bootstrap import App
from worker.catalogue.records import accounts, imports, licences, order_days
from worker.cli.main import run
from worker.config.loading import load
from worker.db import bulk
from worker.db.engine import make_engine, reading
from worker.kernel.clock import VirtualClock
from worker.reactivation import flow, store
from worker.reactivation.flow import Asked, outdated
from worker.reactivation.history import Book
from worker.reactivation.records import score_runs, scores

NOW = datetime(2026, 6, 11, 6, tzinfo=UTC)
LAST = date(2026, 6, 10)
_MINUTE = timedelta(minutes=1)
KEYS = [
    *("account", "score", "at_stake", "currency", "last_order_on", "usual_gap_days", "drop"),
    *("product_lines", "reasons", "sentence"),
]
Rows = list[tuple[Any, ...]]
Call = Callable[..., tuple[int, str, str]]


def asked(as_of: date | None = None, now: datetime = NOW) -> Asked:
    return Asked(now, ZoneInfo("Europe/Warsaw"), 3.0, as_of=as_of)


def days_of(account: int, back: list[int] | range, line: str = "", money: str = "EUR") -> Rows:
    amount = Decimal("120.50")
    return [(account, LAST - timedelta(days=days), line, money, amount, amount, 1) for days in back]


def fill(engine: Engine, rows: Rows) -> None:
    """Accounts 1, 2, 3 … and their order days."""
    ids = sorted({row[0] for row in rows})
    names = ("account_id", "day", "product_line", "currency", "net", "sold", "orders")
    with engine.begin() as conn:
        known = [(i, f"C-{i}", f"Firm {i}", NOW) for i in ids]
        bulk.insert(conn, accounts, ("id", "key", "name", "updated_at"), known)
        bulk.insert(conn, order_days, names, rows)


def trade(count: int = 70) -> Rows:
    """Clients with rhythms of their own; the first ten stopped."""
    draw, rows = random.Random(4), []
    for account in range(1, count + 1):
        every, last = draw.randrange(10, 45), 100 if account <= 10 else draw.randrange(0, 12)
        rows += days_of(account, range(last, 800, every), "Backup" if account % 2 else "Antivirus")
    return rows


@pytest.mark.parametrize("at_once", [1, 2, 5000])
def test_orders_are_read_in_order_up_to_a_day_as_plain_numbers(
    engine: Engine, at_once: int
) -> None:
    rows = [*days_of(2, [3, 0]), *days_of(1, [-5, 40], "Kopia źródeł"), *days_of(3, [-2])]
    fill(engine, [*rows, *days_of(7, [40]), *days_of(7, [40], "A", "PLN")])
    with reading(engine) as conn:
        book = store.book_until(conn, LAST, at_once)
    today = LAST.toordinal()
    expected = [
        (1, today - 40, "Kopia źródeł", "EUR", 120.5, 1),
        (2, today - 3, "", "EUR", 120.5, 1),
        (2, today, "", "EUR", 120.5, 1),
        (7, today - 40, "", "EUR", 120.5, 1),
        (7, today - 40, "A", "PLN", 120.5, 1),
    ]
    assert vars(book) == vars(Book.of(expected))


def test_all_numbers_that_the_table_holds_reach_the_book(engine: Engine) -> None:
    """Large ids, credit notes and cents arrive as they are."""
    far = 2**40 + 1
    with engine.begin() as conn:
        bulk.insert(conn, accounts, ("id", "key", "name", "updated_at"), [(far, "C", "F", NOW)])
        names = ("account_id", "day", "product_line", "currency", "net", "sold", "orders")
        values = (far, date(1999, 2, 28), "", "", Decimal("-1234567.89"), Decimal(0), 0)
        bulk.insert(conn, order_days, names, [values])
    with reading(engine) as conn:
        book = store.book_until(conn, LAST)
    expected = (far, date(1999, 2, 28).toordinal(), "", "", -1234567.89, 0)
    assert vars(book) == vars(Book.of([expected]))


def test_those_who_stopped_stand_first_and_scores_are_kept(engine: Engine) -> None:
    fill(engine, trade())
    assert flow.nightly(engine, asked()) == 70
    with reading(engine) as conn:
        rows = conn.execute(select(scores).order_by(scores.c.place)).all()
        (ran,) = conn.execute(select(score_runs)).all()
    assert (ran.as_of, ran.clients, ran.scored_at) == (LAST, 70, NOW)
    assert ran.fitted == 70
    assert [row.place for row in rows] == list(range(1, 71))
    assert len({row.account_id for row in rows[:10]} & set(range(1, 11))) >= 8
    first = rows[0]
    assert first.lane == "gone-quiet"
    assert first.reasons[0]["code"] == "silent"
    assert first.at_stake % Decimal("120.50") == 0
    assert first.product_lines[0]["drop"] == 1.0
    assert first.evidence is not None


def test_scoring_a_day_again_replaces_it_and_another_day_is_added(engine: Engine) -> None:
    fill(engine, trade(20))
    for now in (NOW, NOW + timedelta(hours=3), NOW + timedelta(days=1)):
        flow.score_and_keep(engine, asked(now=now))
    with reading(engine) as conn:
        grouped = select(scores.c.as_of, func.count()).group_by(scores.c.as_of)
        kept = [tuple(row) for row in conn.execute(grouped.order_by(scores.c.as_of))]
    assert kept == [(LAST, 20), (LAST + timedelta(days=1), 20)]


def test_a_book_without_orders_is_no_error(engine: Engine) -> None:
    assert flow.nightly(engine, asked()) == 0
    assert flow.try_on_the_past(engine, asked()) is None


def test_a_licence_makes_a_yearly_buyer_of_one_gap(engine: Engine) -> None:
    fill(engine, [*days_of(1, [410, 780]), *days_of(2, [0])])  # the second one is new
    values = {"key": "L", "account_id": 1, "term": 1, "expires_on": LAST, "updated_at": NOW}
    assert flow.score(engine, asked()).queue == []
    with engine.begin() as conn:
        conn.execute(licences.insert().values(values))
    (found,) = flow.score(engine, asked()).queue
    assert (found.lane, found.score) == (
        "yearly",
        pytest.approx(0.75 + 0.18 * (410 - 370 - 30) / 60),
    )


def test_orders_that_came_in_are_scored_within_the_hour(engine: Engine) -> None:
    fill(engine, trade(20))
    with_source = replace(asked(), sources=("erp",))
    assert flow.nightly(engine, with_source) == 20
    row = {"source": "erp", "counts": {}, "started_at": NOW, "finished_at": NOW + _MINUTE}
    with engine.begin() as conn:
        conn.execute(imports.insert().values(row))
    assert flow.nightly(engine, replace(with_source, now=NOW + 2 * _MINUTE)) == 0
    assert flow.nightly(engine, replace(with_source, now=NOW + 61 * _MINUTE)) == 20
    assert flow.nightly(engine, replace(with_source, now=NOW + 130 * _MINUTE)) == 0


def test_old_scores_go_except_the_last_of_each_month() -> None:
    days = [date(2026, 6, 30) - timedelta(days=n) for n in range(100)]
    gone = set(outdated(days))
    kept = [day for day in days if day not in gone]
    assert kept[:7] == days[:7]
    assert kept[7:] == [date(2026, 5, 31), date(2026, 4, 30), date(2026, 3, 31)]


def test_the_sweep_scores_once_a_day(root: Path, database_url: str) -> None:
    write_config(root, database=database_url)
    engine = make_engine(database_url)
    fill(engine, trade(20))
    clock = VirtualClock(NOW)
    app = App(root, load(root, {}, {}), clock)
    try:
        for step in (timedelta(0), timedelta(hours=1), timedelta(days=1)):
            clock.advance(step)
            app.sweep()
            with reading(engine) as conn:
                ran = conn.execute(select(score_runs.c.scored_at)).scalars().all()
            assert len(ran) == (2 if step.days else 1)
    finally:
        app.close()
        engine.dispose()


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def call(root: Path, database_url: str, capsys: pytest.CaptureFixture[str]) -> Call:
    write_config(root, database=database_url)
    engine = make_engine(database_url)
    fill(engine, trade())
    engine.dispose()

    def called(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["--root", str(root), "score", *words], {})
        said = capsys.readouterr()
        return code, said.out, said.err

    return called


def test_programs_get_one_client_a_line_with_the_keys_of_a_score(call: Call) -> None:
    code, out, err = call("--json", "--as-of", str(LAST))
    told = [json.loads(line) for line in out.splitlines()]
    assert (code, err, len(told)) == (0, "", 70)
    assert all(list(row) == KEYS for row in told)
    assert all(0 <= row["score"] <= 1 for row in told)
    first = told[0]
    assert first["reasons"][0] == "silent"
    assert first["sentence"].startswith("No order for 1")
    assert first["product_lines"][0].keys() == {"product_line", "drop"}
    assert call("--json", "--as-of", str(LAST))[1] == out


def test_people_get_those_to_call_first(call: Call) -> None:
    code, out, _ = call("--as-of", str(LAST), "--most", "3")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == f"70 clients as of {LAST}, those to call first on top"
    assert len(lines) == 6
    assert "gone-quiet" in lines[3]


def test_people_are_told_that_nothing_is_fitted_to_a_small_book(call: Call, engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(delete(order_days).where(order_days.c.account_id > 20))
    _, out, _ = call("--as-of", str(LAST))
    assert out.splitlines()[2].startswith("Nothing is fitted to your own past")


def test_a_day_of_the_past_leaves_nothing_behind(call: Call, engine: Engine) -> None:
    assert call("--as-of", str(LAST - timedelta(days=30)))[0] == 0
    with reading(engine) as conn:
        assert conn.execute(select(func.count()).select_from(scores)).scalar_one() == 0


def test_a_backtest_tells_how_far_the_score_can_be_trusted(call: Call) -> None:
    code, out, _ = call("--backtest", "--as-of", str(LAST))
    assert code == 0
    assert "scored as it would have been on" in out
    for words in ("Perennial's score", "silent for twice the usual gap", "would have been false"):
        assert words in out
    rows = [json.loads(line) for line in call("--backtest", "--json")[1].splitlines()]
    methods = [row["method"] for row in rows]
    assert methods == ["score", "recency", "silent-gap", "last-year", "rfm"]
    assert all(0 <= row["precision"] <= 1 for row in rows)


def test_too_little_history_is_said_plainly(root: Path, sqlite_url: str, capsys: Any) -> None:
    write_config(root, database=sqlite_url)
    assert run(["--root", str(root), "score"], {}) == 0
    assert "There are no orders in the book by then" in capsys.readouterr().out
    assert run(["--root", str(root), "score", "--backtest"], {}) == 0
    assert "There is too little history" in capsys.readouterr().out
