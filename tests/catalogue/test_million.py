"""A million rows, a fifth of that on PostgreSQL: loaded by the command itself, in a process whose
memory is measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from tests.processes import environment
from worker.catalogue.records import accounts, imports, licences, terms
from worker.db.engine import reading

ROWS = {"sqlite": 1_000_000, "postgresql": 200_000}
"""What is read is the same on both; how much is written at once does not grow with the file."""
ROWS_A_LICENCE = 5
BAD = 100  # every so many rows, one has a date that is none
MEGABYTES = 1_000
"""What an import of so many rows may need at its peak: a kilobyte a row."""

CONFIG = """
[database]
url = "{url}"

[sources.licences]
kind = "csv"
path = "book.csv"

[[sources.licences.load]]
entity = "account"
key = "{{account}}"

[[sources.licences.load]]
entity = "licence"
key = "{{licence}}"
account = "{{account}}"
expires_on = "{{end}}"
"""


@pytest.fixture
def instance(root: Path, database_url: str, backend: str) -> Path:
    """An instance whose source has all those rows, each licence in five of them."""
    (root / "config.toml").write_text(CONFIG.format(url=database_url), encoding="utf-8")
    with (root / "book.csv").open("w", encoding="utf-8") as file:
        file.write("account,licence,end\n")
        file.writelines(map(_row, range(ROWS[backend])))
    return root


def _row(number: int) -> str:
    licence = number // ROWS_A_LICENCE
    end = f"2027-{licence % 12 + 1:02}-{licence % 28 + 1:02}"
    if number % BAD == 0:
        end = "2027-02-31"
    return f"A{number // 100},L{licence},{end}\n"


def _import(root: Path) -> tuple[list[str], list[str], float]:
    """Lines of stdout and stderr of ``perennial import``, and its peak memory in MB."""
    said = root / "stdout.txt", root / "stderr.txt"
    with said[0].open("wb") as out, said[1].open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker", "--root", str(root), "import", "licences"],
            stdout=out,
            stderr=err,
            env=environment(),
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    stdout, stderr = (path.read_text(encoding="utf-8").splitlines() for path in said)
    assert process.returncode == 1, stderr[-5:]
    kilobytes = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return stdout, stderr, kilobytes / 1024


def _book(engine: Engine) -> list[object]:
    """How many there are of each, and what would differ if one of them had been written again."""
    tables = accounts, licences, terms, imports
    with reading(engine) as conn:
        found = [conn.execute(select(func.count()).select_from(table)).scalar() for table in tables]
        last = select(func.max(licences.c.updated_at), func.max(terms.c.id))
        return [*found, *conn.execute(last.where(terms.c.licence_id == licences.c.id)).one()]


@pytest.mark.timeout(900)
def test_a_million_rows_load_once_in_bounded_memory_and_every_reject_is_told(
    instance: Path, engine: Engine, backend: str
) -> None:
    rows = ROWS[backend]
    bad, accounts_in, licences_in = rows // BAD, rows // 100, rows // ROWS_A_LICENCE
    stdout, stderr, peak = _import(instance)
    assert stdout == [
        "ENTITY   CREATED  UPDATED  UNCHANGED  REJECTED",
        f"account{accounts_in:>9}        0          0{bad:>10}",
        f"licence{licences_in:>9}        0          0{bad:>10}",
        f"{rows} rows, {bad} rejected",
    ]
    place = "book.csv:2: end: expected a date written like 2027-12-31, got '2027-02-31'"
    rejects = instance / "var" / "rejects" / "licences-book.csv"
    assert len(stderr) == 22  # however many there are
    assert stderr[0] == f"{place}; there is no such day"
    assert stderr[-2:] == [f"… and {bad - 20} more", f"the rejected rows are in {rejects}"]
    kept = rejects.read_text(encoding="utf-8").splitlines()
    assert len(kept) == bad + 1
    assert kept[-1].startswith(f"A{accounts_in - 1},L{(rows - BAD) // ROWS_A_LICENCE},2027-02-31,")
    assert peak < MEGABYTES

    before = _book(engine)
    again, told, peak = _import(instance)
    assert again[1:3] == [
        f"account        0        0{accounts_in:>11}{bad:>10}",
        f"licence        0        0{licences_in:>11}{bad:>10}",
    ]
    assert told == stderr
    assert _book(engine) == before
    assert peak < MEGABYTES
