"""The rows of a query, from SQLite and from PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, make_url

from tests.catalogue.conftest import Book, said
from worker.config.settings import SourceSettings
from worker.kernel.errors import ConfigError
from worker.sources.contract import BadRow, DateCell, Reading, Row, Source, SourceError
from worker.sources.declared import check_source
from worker.sources.table import KINDS

QUERY = "SELECT * FROM sold ORDER BY number"


def source(url: str, query: str = QUERY, root: Path = Path(), **settings: Any) -> Source:
    declared = SourceSettings(kind="sql", url=url, query=query, **settings)
    how = Reading(
        "sources.erp",
        settings=declared,
        source="erp",
        root=root,
        point=declared.decimal or ".",
        place=lambda keys: (9, len(keys)),
    )
    return KINDS["sql"].open(None, how)


def refusal(url: str, query: str = QUERY, root: Path = Path(), **settings: Any) -> str:
    with pytest.raises(SourceError) as caught:
        source(url, query, root, **settings)
    return "\n".join(map(str, caught.value.problems))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An SQLite database of somebody else."""
    path = tmp_path / "erp.db"
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE sold (number TEXT, n INTEGER, amount REAL, ends TEXT, raw BLOB)")
        conn.execute("INSERT INTO sold VALUES ('L1', 5, 1240.5, '2027-01-31', NULL)")
        conn.execute("INSERT INTO sold VALUES ('L2', NULL, 12.0, '2027-02-28', x'00ff')")
    conn.close()
    return path


@pytest.fixture
def shop(postgresql_url: str) -> Iterator[str]:
    """A PostgreSQL database with a table of sales; its URL."""
    host, name = make_url(postgresql_url).query["host"], make_url(postgresql_url).database
    with psycopg.connect(f"host={host} user=perennial dbname={name}", autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE sold (number text, n int, amount numeric(18,4), ends date, "
            "seen timestamptz, live bool, tags text[], id uuid)"
        )
        conn.execute(
            "INSERT INTO sold VALUES ('L1', 5, 1240.5, '2027-01-31', '2026-11-20 12:00+00', true, "
            "'{a,b}', '00000000-0000-0000-0000-000000000001'), "
            "('L2', NULL, NULL, '2027-02-28', NULL, false, NULL, NULL)"
        )
        yield postgresql_url


def test_rows_of_sqlite_come_with_their_number(file: Path) -> None:
    found = source(f"sqlite:///{file.name}", root=file.parent)
    assert found.header == ["number", "n", "amount", "ends", "raw"]
    rows = list(found.rows())
    assert rows[0] == Row(1, ["L1", "5", "1240.5", "2027-01-31", ""])
    assert isinstance(rows[1], BadRow)
    assert (rows[1].line, rows[1].column, rows[1].expected) == (2, 5, "text, a number or a date")
    assert list(found.rows()) == rows


def test_types_of_postgresql_become_what_a_csv_file_would_say(shop: str) -> None:
    found = source(shop)
    (first, second) = found.rows()
    day = DateCell("2026-11-20")
    number = "00000000-0000-0000-0000-000000000001"
    expected = ["L1", "5", "1240.5", "2027-01-31", day, "true", "a, b", number]
    assert first == Row(1, expected)
    assert isinstance(first.cells[3], DateCell)
    assert second == Row(2, ["L2", "", "", "2027-02-28", "", "false", "", ""])
    assert next(iter(source(shop, decimal=",").rows())).cells[2] == "1240,5"


@pytest.mark.parametrize(
    "write",
    ["WITH gone AS (DELETE FROM sold RETURNING *) SELECT * FROM gone", "SELECT nextval('s')"],
)
def test_a_query_that_would_write_is_refused_by_postgresql(shop: str, write: str) -> None:
    name = make_url(shop)
    with psycopg.connect(
        f"host={name.query['host']} user=perennial dbname={name.database}", autocommit=True
    ) as conn:
        conn.execute("CREATE SEQUENCE s")
        told = refusal(shop, write)
        assert "config.toml:9:3: sources.erp.query: expected a query that the database runs" in told
        assert "read-only transaction" in told or "data-modifying statements" in told
        assert conn.execute("SELECT count(*) FROM sold").fetchone() == (2,)


def test_a_file_of_sqlite_is_never_written_nor_made(file: Path, tmp_path: Path) -> None:
    told = refusal(f"sqlite:///{file}", "DELETE FROM sold")
    assert "attempt to write a readonly database" in told
    told = refusal(f"sqlite:///{tmp_path}/none.db")
    assert told == (
        "config.toml:9:3: sources.erp.url: expected a database that answers, "
        "got unable to open database file; is it up?"
    )
    assert not (tmp_path / "none.db").exists()


def test_signs_that_drivers_take_for_parameters_are_part_of_the_query(shop: str) -> None:
    query = "SELECT number, '10%'::text AS share, ':x' AS x FROM sold WHERE number LIKE 'L%'; "
    assert [row.cells for row in source(shop, query).rows()] == [
        ["L1", "10%", ":x"],
        ["L2", "10%", ":x"],
    ]


def test_many_rows_are_streamed(shop: str) -> None:
    query = "SELECT g AS number, repeat('x', 100) AS text FROM generate_series(1, 25000) g"
    found = source(shop, query)
    rows = list(found.rows())
    assert (len(rows), rows[-1].line, rows[-1].cells[0]) == (25_000, 25_000, "25000")
    assert found.share == 1


def test_a_query_that_fails_is_told_at_its_line(shop: str, file: Path) -> None:
    assert refusal(shop, "SELECT nobody FROM sold") == (
        "config.toml:9:3: sources.erp.query: expected a query that the database runs, "
        'got column "nobody" does not exist'
    )
    assert refusal(f"sqlite:///{file}", "SELECT nobody FROM sold") == (
        "config.toml:9:3: sources.erp.query: expected a query that the database runs, "
        "got no such column: nobody"
    )
    assert "give each column a name of its own with AS" in refusal(shop, "SELECT n, n FROM sold")
    assert "expected at least one row, got none" in refusal(shop, "SELECT 1 WHERE false")


def test_a_query_that_takes_too_long_is_given_up(shop: str) -> None:
    told = refusal(shop, "SELECT pg_sleep(60)", timeout=timedelta(seconds=0.2))
    assert "canceling statement due to statement timeout" in told


def test_a_database_that_is_not_there_is_down_and_no_password_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        source(f"postgresql://reader@/erp?host={tmp_path}", password="hunter2")
    assert caught.value.exit_code == 4
    assert "expected a database that answers" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_cannot_stand_in_for_a_database(file: Path) -> None:
    declared = SourceSettings(kind="sql", url="sqlite:///erp.db", query=QUERY)
    with pytest.raises(SourceError, match="expected no file: this source reads a database"):
        KINDS["sql"].open(file, Reading("x", settings=declared))


# --- into the book --------------------------------------------------------------------------------

LOADS = [
    {"entity": "account", "key": "a-{number}"},
    {
        "entity": "licence",
        "key": "{number}",
        "account": "a-{number}",
        "amount": "{amount}",
        "quantity": "{n}",
        "expires_on": "{ends}",
    },
]


@pytest.fixture
def book(engine: Engine, root: Path) -> Book:
    return Book(engine, root)


def test_a_query_loads_as_a_file_does(book: Book, file: Path, shop: str) -> None:
    for url in (f"sqlite:///{file}", shop):
        query = "SELECT number, n, amount, ends FROM sold ORDER BY number"
        settings: dict[str, Any] = {"kind": "sql", "path": None, "url": url, "query": query}
        report = book.load(None, LOADS, **settings)
        assert (said(report), report.file, report.rows) == ([], "sources.book", 2)
    licence = book.licence("L1")
    assert (licence["amount"], licence["quantity"]) == (1240.5, 5)
    assert str(licence["expires_on"]) == "2027-01-31"


def test_a_row_that_does_not_fit_is_told_by_its_number_and_column(book: Book, file: Path) -> None:
    query = "SELECT number, 'some' AS n, amount, 'soon' AS ends FROM sold WHERE number = 'L1'"
    settings: dict[str, Any] = {"kind": "sql", "path": None, "url": f"sqlite:///{file}"}
    report = book.load(None, LOADS, query=query, **settings)
    assert said(report) == [
        "sources.book:1: n: expected a whole number such as 12, got 'some'",
        "sources.book:1: ends: expected a date written like 2027-12-31, got 'soon'",
    ]
    assert report.rejects_path == book.root / "var" / "rejects" / "book.csv"
    kept = report.rejects_path.read_text(encoding="utf-8").splitlines()
    assert kept[0] == "number,n,amount,ends,line,reason"
    assert kept[1].startswith("L1,some,1240.5,soon,1,")


# --- what is declared -----------------------------------------------------------------------------


def wrong(**settings: Any) -> list[str]:
    declared = SourceSettings(load=[], **settings)
    return [str(problem) for problem in check_source("erp", declared, KINDS)]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"kind": "csv"},
            ['path: missing; expected the file to read, e.g. path = "data/licences.csv"'],
        ),
        (
            {"kind": "xlsx", "path": "a.xlsx", "delimiter": ";"},
            [
                "delimiter: 'delimiter' is not a key of a source of kind 'xlsx'; "
                "it belongs to 'csv'; 'xlsx' takes path, sheet"
            ],
        ),
        (
            {"kind": "http", "path": "a.csv"},
            [
                "path: 'path' is not a key of a source of kind 'http'; it belongs to 'csv' and "
                "'xlsx'; 'http' takes url, records, next, cursor_param, page_param, timeout, auth, "
                "token, username, password",
                "url: missing; expected the address to ask, "
                'e.g. url = "https://erp.example.com/licences"',
            ],
        ),
        (
            {"kind": "http", "url": "ftp://x/y"},
            ["url: 'ftp://x/y' is not an address that begins with https:// or http://"],
        ),
        (
            {"kind": "http", "url": "https://anna@x/y"},
            [
                "url: an address without a user; "
                'declare auth = "basic"; user and password are secrets of their own'
            ],
        ),
        (
            {"kind": "http", "url": "https://x", "auth": "token"},
            [
                'token: missing; expected a secret, because auth = "token"; '
                "set PERENNIAL_SOURCES__ERP__TOKEN, or PERENNIAL_SOURCES__ERP__TOKEN_FILE"
            ],
        ),
        (
            {"kind": "http", "url": "https://x", "token": "abc"},
            ['auth: an auth that sends a token; declare auth = "token", or leave it out'],
        ),
        (
            {"kind": "http", "url": "https://x", "next": "n", "page_param": "p"},
            [
                "page_param: 'page_param' is not given together with next; "
                "pages are found by next, or counted with page_param"
            ],
        ),
        (
            {"kind": "http", "url": "https://x", "cursor_param": "p"},
            ["next: missing; expected where an answer tells the cursor, because of cursor_param"],
        ),
        (
            {"kind": "sql", "url": "postgresql://h/d"},
            [
                "query: missing; expected what to select, "
                'e.g. query = "SELECT number, expires_on FROM licences"'
            ],
        ),
        (
            {"kind": "sql", "url": "postgersql://h/d", "query": "SELECT 1"},
            [
                "url: 'postgersql' is not a database whose driver is installed; "
                "did you mean 'postgresql+psycopg'?"
            ],
        ),
        (
            {"kind": "sql", "url": "mysql+pymysql://h/d", "query": "SELECT 1"},
            [
                "url: 'mysql+pymysql' is not a database whose driver is installed; "
                "install pymysql beside Perennial"
            ],
        ),
        (
            {"kind": "sql", "url": "sqlite:///a.db", "query": " -- x\n /* y */ Delete from a"},
            ["query: 'delete' is not a query that only reads; begin it with SELECT or WITH"],
        ),
        ({"kind": "sql", "url": "sqlite:///a.db", "query": "(WITH a AS (SELECT 1) SELECT 1)"}, []),
    ],
)
def test_keys_are_checked_against_what_the_kind_needs_and_takes(
    settings: dict[str, Any], told: list[str]
) -> None:
    assert wrong(**settings) == [f"config.toml: sources.erp.{each}" for each in told]


def test_an_unusable_source_is_refused_before_anything_is_opened(book: Book) -> None:
    with pytest.raises(ConfigError, match=r"sources.book.query: missing"):
        book.load(None, LOADS, kind="sql", path=None, url="sqlite:///x.db")
