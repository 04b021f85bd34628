"""``perennial report renewals`` as people and programs call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.processes import write_config
from tests.reports.conftest import Book, year
from worker.bootstrap import App
from worker.cli.main import run
from worker.db.engine import make_engine
from worker.kernel.clock import VirtualClock
from worker.reports.commands import report

KEYS = [
    *("metric", "group", "currency", "value", "low", "high", "n", "method", "from", "to"),
]
DUE = "2026-06-30"
YEAR_2026 = ("--from", "2026-01-01", "--to", "2026-12-31")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(root: Path, database_url: str, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the report on a small book in this process: exit code, stdout, stderr."""
    write_config(root, database=database_url)
    engine = make_engine(database_url)
    book = Book(engine)
    book.licence("A", ("2025-06-30", DUE), (*year(DUE), "2026-06-01"), segment="smb", amount="50")
    book.licence("B", ("2025-06-30", DUE), segment="<b>mid & more</b>", amount="1234567.89")
    book.licence("C", ("2025-02-01", "2026-02-01"), status="cancelled", currency="PLN")
    book.step("A", "heads-up", "2026-05-25")
    book.step("B", "heads-up", "2026-05-25", decision="skipped", reason="condition")
    engine.dispose()

    def called(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["--root", str(root), "report", "renewals", *words], {})
        said = capsys.readouterr()
        return code, said.out, said.err

    return called


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_programs_get_one_figure_a_line_with_the_same_keys(call: Call) -> None:
    code, out, err = call("--json", *YEAR_2026)
    assert (code, err) == (0, "")
    told = lines(out)
    assert all(list(row) == KEYS for row in told)
    assert {(row["from"], row["to"]) for row in told} == {("2026-01-01", "2026-12-31")}
    by_metric = {row["metric"]: row for row in told if row["currency"] in (None, "EUR")}
    assert by_metric["due"]["value"] == 3
    assert by_metric["renewal_rate"]["value"] == pytest.approx(1 / 3)
    assert by_metric["renewal_rate"]["method"] == "wilson"
    assert by_metric["due_value"]["value"] == 1234617.89
    assert by_metric["step_effect"]["group"] == "renewal/heads-up"
    assert {row["currency"] for row in told} == {None, "EUR", "PLN"}


def test_people_get_a_sentence_tables_and_what_to_beware_of(call: Call) -> None:
    code, out, err = call(*YEAR_2026)
    assert (code, err) == (0, "")
    first = out.splitlines()[0]
    assert first.startswith("3 licences of 3 accounts were due from Thu 1 Jan 2026 to Thu 31 Dec")
    assert "1 renewed, 1 cancelled or ended, 1 unresolved after 30 days of grace" in first
    assert "Value in EUR, at today's amounts" in out
    assert "Value in PLN, at today's amounts" in out
    assert "1,234,617.89" in out
    assert "renewal/heads-up" in out
    assert "not drawn by lot" in out
    assert "Intervals are 95 %" in out


def test_groups_have_a_line_each(call: Call) -> None:
    _, out, _ = call("--by", "segment", *YEAR_2026)
    assert "By segment\n" in out
    table = out.partition("By segment\n")[2].splitlines()
    assert [line.split()[0] for line in table[1:4]] == ["(none)", "<b>mid", "smb"]
    _, out, _ = call("--by", "month", *YEAR_2026)
    assert [name for name in ("Feb 2026", "Jun 2026") if name in out] == ["Feb 2026", "Jun 2026"]


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [("UTC", "2025-12-01", "2026-11-30"), ("Pacific/Kiritimati", "2026-01-01", "2026-12-31")],
)
def test_without_days_it_is_about_the_last_twelve_full_months_of_the_book_s_zone(
    root: Path, sqlite_url: str, zone: str, first: str, last: str
) -> None:
    write_config(root, database=sqlite_url)
    with (root / "config.toml").open("a", encoding="utf-8") as config:
        config.write(f'\n[book]\ntimezone = "{zone}"\n')
    app = App.open(root, {}, clock=VirtualClock(datetime(2026, 12, 31, 11, tzinfo=UTC)))
    told = lines(CliRunner().invoke(report, ["renewals", "--json"], obj=app).stdout)[0]
    app.close()
    assert (told["from"], told["to"]) == (first, last)


def test_a_period_with_nothing_due_says_so(call: Call) -> None:
    code, out, _ = call("--from", "2001-01-01", "--to", "2001-12-31")
    assert code == 0
    assert out.splitlines() == [
        "No licence was due from Mon 1 Jan 2001 to Mon 31 Dec 2001.",
        "",
        "The book has licences due in other days: "
        "perennial report renewals --from 2026-02-01 --to 2027-06-30",
        "",
    ]


def test_of_a_handful_of_licences_no_share_is_to_be_believed_and_that_is_said_first(
    call: Call,
) -> None:
    _, out, _ = call(*YEAR_2026)
    assert out.splitlines()[2].startswith(
        "Only 3 licences were due: read the counts and leave the shares alone."
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2026-01-01"), "--from needs --to: give both days, or neither."),
        (("--to", "2026-01-01"), "--to needs --from: give both days, or neither."),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "lies before --from 2026-02-01; swap"),
        (("--by", "colour"), "'colour' is not one of 'segment'"),
        (("--from", "1.2.2026", "--to", "2026-03-01"), "expected a day such as 2027-03-31"),
        (("--grace", "-1"), "-1 is not in the range"),
        (("--within", "0"), "0 is not in the range"),
    ],
)
def test_a_call_that_cannot_work_is_told_what_to_do(
    call: Call, words: tuple[str, ...], said: str
) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_the_page_is_written_beside_the_figures(call: Call, tmp_path: Path) -> None:
    page = tmp_path / "new" / "renewals.html"
    code, out, err = call("--html", str(page), "--json", *YEAR_2026)
    assert code == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert all(line.startswith("{") for line in out.splitlines())
    assert str(page) in err
    assert [path.name for path in page.parent.iterdir()] == ["renewals.html"]


def test_a_page_that_cannot_be_written_is_told_plainly(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = call("--html", str(tmp_path / "file" / "page.html"), *YEAR_2026)
    assert code == 4
    assert "cannot be written" in err
    assert "Traceback" not in err
