"""The demo: a folder of its own, its own import and planning, mails at any hour of any day."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, select

from tests.processes import free_port, running
from worker.cadence.commands import checked_drafts
from worker.catalogue.records import licences
from worker.cli import sample_book
from worker.cli.demonstration import LIVED, live
from worker.cli.main import COMMANDS, run
from worker.outbox.records import messages

ROOT = Path(__file__).parents[2]
Said = pytest.CaptureFixture[str]


def rows(folder: Path) -> list[tuple[str, str, datetime]]:
    """Address, language and moment of every mail that the demo's ledger calls accepted."""
    engine = create_engine(f"sqlite:///{folder}/var/perennial.db")
    query = select(messages.c.address, messages.c.language, messages.c.accepted_at)
    with engine.connect() as conn:
        found = conn.execute(query.where(messages.c.state == "accepted")).all()
    engine.dispose()
    return [tuple(row) for row in found]


def mails(folder: Path) -> Iterator[EmailMessage]:
    for path in (folder / "var" / "outbox").glob("*/*.eml"):
        found = message_from_bytes(path.read_bytes(), policy=default)
        assert isinstance(found, EmailMessage)
        yield found


# --- the command ----------------------------------------------------------------------------------


def test_once_it_leaves_mails_a_rehearsal_and_a_book_to_play_with(
    tmp_path: Path, capsys: Said
) -> None:
    folder = tmp_path / "demo"
    spoilt = {"PERENNIAL_DATABASE__URL": f"sqlite:///{tmp_path}/real.db", "PERENNIAL_X": "?"}
    assert run(["demo", "--once", "--json", "--folder", str(folder)], spoilt) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 200
    assert told["rejected"] == 2
    assert told["sent"] == len(rows(folder)) == len(list(mails(folder))) > 60
    assert told["planned"] > 60
    assert "<svg" in Path(told["rehearsal"]).read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"demo"}

    assert run(["--root", str(folder), "check"], {}) == 0
    assert run(["--root", str(folder), "tick"], {}) == 0
    capsys.readouterr()
    assert run(["--root", str(folder), "import", "licences", "--json"], {}) == 1
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again["rejected_rows"] == 2
    assert {(one["created"], one["updated"]) for one in again["entities"].values()} == {(0, 0)}
    assert run(["--root", str(folder), "import", "orders", "--json"], {}) == 0
    sold = json.loads(capsys.readouterr().out)["entities"]["order"]
    assert (sold["created"], sold["updated"], sold["unchanged"]) == (0, 0, 2246)


def test_told_to_people_it_shows_mails_reasons_and_commands_that_work(
    tmp_path: Path, capsys: Said
) -> None:
    folder = tmp_path / "demo"
    assert run(["demo", "--once", "--folder", str(folder)], {}) == 0
    said = capsys.readouterr().out
    for part in ("200 rows of a real book", "2 rows rejected", "The last of", "The next of"):
        assert part in said
    assert "open tasks for people" in said
    tried = [line.split(str(folder))[1] for line in said.splitlines() if f"--root {folder}" in line]
    assert len(tried) >= 4
    for line in tried:
        assert line.split()[0] in COMMANDS
        if line.split() != ["up"]:
            assert run(["--root", str(folder), *line.split()], {}) in (0, 1)
    assert "explain" in said.partition("Why: ")[2]
    link = re.search(r"/sign-in/link/\S+", capsys.readouterr().out)
    assert link, "who is added signs in by a link"
    port = free_port()
    with running(folder, "--set", f"web.port={port}", "up", name="up") as process:
        process.wait_for("web.started")
        own = {"Sec-Fetch-Site": "same-origin"}
        page = f"http://127.0.0.1:{port}{link[0]}"
        assert httpx.post(page, data={}, headers=own, timeout=20).status_code == 303


def test_without_once_it_goes_on_and_stops_when_told(tmp_path: Path) -> None:
    port = free_port()
    words = ("--set", f"web.port={port}", "--set", "beat.every=1 second", "demo")
    with running(tmp_path, *words, name="demo") as process:
        process.wait_for("web.started")
        shown = re.search(r"answers a mail: (http://\S+/a/\S+)", process.log.read_text())
        assert shown
        page = httpx.get(shown[1], timeout=20)
        assert (page.status_code, 'value="renew"' in page.text) == (200, True)
        assert process.stop() < 10
    assert f"It goes on at http://127.0.0.1:{port} until Ctrl-C." in process.log.read_text()


def test_a_demo_stays_in_its_own_folder_whatever_it_is_told(tmp_path: Path, capsys: Said) -> None:
    assert run(["--set", "database.url=sqlite:///real.db", "demo"], {}) == 2
    assert "stays in its own folder" in capsys.readouterr().err


# --- the folder -----------------------------------------------------------------------------------


def test_a_folder_that_a_demo_made_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    sample_book.make_folder(folder)
    (folder / "schedules" / "renewal.toml").write_text("spoilt")
    (folder / "more").mkdir()
    sample_book.make_folder(folder)
    assert not (folder / "more").exists()
    shipped = ROOT / "schedules" / "renewal.toml"
    assert (folder / "schedules" / "renewal.toml").read_text() == shipped.read_text()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_no_demo_made_is_left_alone(kind: str, tmp_path: Path, capsys: Said) -> None:
    mine = tmp_path / "mine"
    if kind == "file":
        mine.write_text("mine")
    else:
        mine.mkdir()
        (mine / "mine.txt").write_text("mine")
    target = mine
    if kind == "link":
        (mine / sample_book.MARKER).write_text("")
        target = tmp_path / "link"
        target.symlink_to(mine)
    code = run(["demo", "--once", "--folder", str(target)], {})
    assert code == 2
    assert "is left alone" in capsys.readouterr().err
    assert mine.read_text() == "mine" if kind == "file" else (mine / "mine.txt").exists()


def test_an_installed_package_carries_what_the_demo_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert carried == {
        "schedules": "worker/cli/sample/schedules",
        "templates": "worker/cli/sample/templates",
    }
    for name in ("licences.csv", "orders.csv", "staff.csv", "config.toml", "README.md"):
        assert (ROOT / "worker" / "cli" / "sample" / name).is_file()


# --- the orders -----------------------------------------------------------------------------------


@pytest.mark.parametrize("today", [date(2026, 11, 23), date(2026, 11, 29), date(2028, 2, 29)])
def test_orders_reach_up_to_the_week_before_today_on_their_own_weekdays(today: date) -> None:
    moved = [date.fromisoformat(row["day"]) for row in sample_book.orders_until(today)]
    assert timedelta(1) <= today - max(moved) <= timedelta(7)
    assert max(moved).strftime("%A") == "Sunday"  # as in the data: 31 July 2011
    assert max(moved) - min(moved) > timedelta(590)


def test_the_excerpt_is_what_its_page_says() -> None:
    rows = sample_book.orders_until(date(2026, 11, 23))
    page = (ROOT / "worker" / "cli" / "sample" / "README.md").read_text(encoding="utf-8")
    clients, invoices = {row["client"] for row in rows}, {row["invoice"] for row in rows}
    notes = [row for row in rows if row["net"].startswith("-")]
    assert f"what {len(clients)} clients" in page
    assert f"{len(rows):,} lines of {len(invoices)} invoices, {len(notes)} of them" in page
    assert len({(row["invoice"], row["product_group"]) for row in rows}) == len(rows)


# --- the thirty days ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 6, 14, 3, 0, tzinfo=UTC),  # a Sunday night
        datetime(2027, 1, 1, 12, 0, tzinfo=UTC),  # a public holiday
        datetime(2028, 2, 29, 23, 59, tzinfo=UTC),
        datetime(2031, 4, 7, 0, 0, tzinfo=UTC),  # a Monday, on the first second
    ],
    ids=lambda now: f"{now:%a-%Y-%m-%d-%H%M}",
)
def test_at_any_hour_of_any_day_the_outbox_is_full_of_fresh_mails(
    now: datetime, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    sample_book.make_folder(folder)
    reports = live(folder, {}, now, checked_drafts(folder))
    assert sum(report.renewals for report in reports) == 14
    assert {report.rejected_rows for report in reports} == {2}
    found = rows(folder)
    assert len(found) > 100
    assert all(now - LIVED <= at < now for _, _, at in found)
    assert sum(at > now - timedelta(days=7) for _, _, at in found) >= 10
    assert {language for _, language, _ in found} == {"en", "pl", "ru"}
    assert all(address.endswith("@example.com") for address, _, _ in found)
    engine = create_engine(f"sqlite:///{folder}/var/perennial.db")
    with engine.connect() as conn:
        book = conn.execute(select(licences.c.status, licences.c.expires_on)).all()
    engine.dispose()
    statuses = Counter(row.status for row in book)
    assert statuses == {"active": 174, "cancelled": 10}
    to_come = [row for row in book if timedelta(0) <= row.expires_on - now.date() <= timedelta(90)]
    assert len(to_come) > 80


# --- the book -------------------------------------------------------------------------------------


def test_the_sample_is_moved_by_whole_weeks_to_this_one() -> None:
    with (ROOT / "worker" / "cli" / "sample" / "licences.csv").open(newline="") as file:
        original = list(csv.DictReader(file))
    today = date(2030, 5, 17)
    moved = sample_book.rows_around(today)
    assert len(original) == len(moved) == 200
    shift = {
        (date.fromisoformat(new[name]) - date.fromisoformat(old[name])).days
        for old, new in zip(original, moved, strict=True)
        for name in ("license_term_start_date", "payment_date")
        if old[name]
    }
    (days,) = shift
    assert days % 7 == 0
    assert 0 <= (today - sample_book.AROUND).days - days < 7


def test_the_file_of_an_earlier_day_knows_no_later_payment_or_cancellation() -> None:
    today = date(2030, 5, 17)
    every = sample_book.rows_around(today)
    early = sample_book.known_on(every, today - LIVED)
    assert len(early) < len(every)
    assert {row["license_number"] for row in early} == {row["license_number"] for row in every}
    assert Counter(row["license_status"] for row in early)["AAC"] < 10
    assert sample_book.known_on(every, today) == every
    days = sample_book.days_of_news(every, today - LIVED, today)
    assert days == sorted(set(days))
    assert all(today - LIVED < day <= today for day in days)


def test_what_clients_answered_is_of_clients_in_the_book_and_never_of_days_to_come() -> None:
    today = date(2026, 11, 23)
    said = sample_book.answers_until(today)
    page = (ROOT / "worker" / "cli" / "sample" / "README.md").read_text(encoding="utf-8")
    assert f"holds {len(said)} answers" in page
    known = {row["account_number"] for row in sample_book.rows_around(today)}
    known |= {f"W-{row['client']}" for row in sample_book.orders_until(today)}
    assert {row["account"] for row in said} <= known
    assert all(today - timedelta(365) < date.fromisoformat(row["day"]) < today for row in said)
    assert {int(row["score"]) for row in said} <= set(range(11))
