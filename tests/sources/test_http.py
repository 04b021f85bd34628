"""JSON over HTTP, from a real server that misbehaves: what is read, and what a person is told."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine

from tests.catalogue.conftest import Book, said
from tests.http.server import Asked, Reply, Server
from worker.config.settings import SourceSettings
from worker.kernel.clock import VirtualClock
from worker.sources.contract import BadRow, Reading, Row, Source, SourceDownError, SourceError
from worker.sources.table import KINDS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def as_json(value: Any, **headers: str) -> Reply:
    return Reply(
        json.dumps(value).encode(), headers={"Content-Type": "application/json", **headers}
    )


class Erp:
    """A server, a source that asks it, and the pauses that were made between two questions."""

    def __init__(self) -> None:
        self.replies: list[Reply | None] = []
        self.pages: dict[str, Reply] = {}
        self.pauses: list[float] = []
        self.server = Server(self._answer)

    def _answer(self, asked: Asked) -> Reply | None:
        if self.replies:
            return self.replies.pop(0)
        return self.pages.get(asked.path, Reply(b"", 404))

    def open(self, path: str = "/licences", **settings: Any) -> Source:
        declared = SourceSettings(kind="http", url=self.server.url + path, **settings)
        how = Reading(
            "sources.erp",
            settings=declared,
            source="erp",
            point=declared.decimal or ".",
            place=lambda keys: (7, len(keys)),
            clock=VirtualClock(NOW),
            pause=self.pauses.append,
        )
        return KINDS["http"].open(None, how)

    def rows(self, path: str = "/licences", **settings: Any) -> list[Row | BadRow]:
        return list(self.open(path, **settings).rows())

    def refusal(self, path: str = "/licences", **settings: Any) -> str:
        with pytest.raises(SourceError) as caught:
            self.rows(path, **settings)
        told = "\n".join(map(str, caught.value.problems))
        return told.replace(self.server.url, "http://erp")


@pytest.fixture
def erp() -> Iterator[Erp]:
    made = Erp()
    with made.server.running():
        yield made


def test_a_list_of_objects_is_a_table_and_may_be_read_twice(erp: Erp) -> None:
    erp.pages["/licences"] = as_json([{"key": "L1", "n": 5}, {"key": "L2", "end": "2027-01-31"}])
    source = erp.open()
    assert source.header == ["key", "n", "end"]
    expected = [Row(1, ["L1", "5", ""]), Row(2, ["L2", "", "2027-01-31"])]
    assert (list(source.rows()), list(source.rows())) == (expected, expected)
    assert len(erp.server.asked) == 1


def test_values_become_what_a_csv_file_would_say(erp: Erp) -> None:
    erp.pages["/licences"] = Reply(
        b'\xef\xbb\xbf{"data": {"items": [{"a": 1240.50, "b": true, "c": null, "d": 12.0, "e": 1e2,'
        b'"f": {"g": {"h": "\\u0141"}}, "t": ["x", "y"], "o": [{"p": 1}, {"p": 2}],'
        b'"z": 12345678901234567890123456789012345}]}}'
    )
    source = erp.open(records="data.items")
    assert dict(zip(source.header, next(iter(source.rows())).cells, strict=True)) == {
        "a": "1240.5",
        "b": "true",
        "c": "",
        "d": "12",
        "e": "100",
        "f.g.h": "Ł",
        "t": "x, y",
        "o.0.p": "1",
        "o.1.p": "2",
        "z": "12345678901234567890123456789012345",
    }
    assert erp.rows(records="data.items", decimal=",")[0].cells[0] == "1240,5"


def test_pages_are_counted_until_one_is_empty(erp: Erp) -> None:
    erp.pages["/licences?size=2&page=1"] = as_json([{"k": "1"}, {"k": "2"}])
    erp.pages["/licences?size=2&page=2"] = as_json([{"k": "3"}])
    erp.pages["/licences?size=2&page=3"] = as_json([])
    found = erp.rows("/licences?size=2", page_param="page")
    assert [row.cells[0] for row in found] == ["1", "2", "3"]
    assert [row.line for row in found] == [1, 2, 3]


@pytest.mark.parametrize("last", [None, "", False, "absent"])
def test_an_answer_may_name_the_next_page(erp: Erp, last: object) -> None:
    tail = {} if last == "absent" else {"next": last}
    first = {"items": [{"k": "1"}], "links": {"next": "/more?after=1"}}
    erp.pages["/licences"] = as_json(first)
    erp.pages["/more?after=1"] = as_json({"items": [{"k": "2"}], "links": tail})
    found = erp.rows(records="items", next="links.next")
    assert [row.cells[0] for row in found] == ["1", "2"]


def test_an_answer_may_hold_a_cursor(erp: Erp) -> None:
    erp.pages["/licences?all=1"] = as_json({"items": [{"k": "1"}], "cursor": 17})
    erp.pages["/licences?all=1&from=17"] = as_json({"items": [{"k": "2"}], "cursor": None})
    found = erp.rows("/licences?all=1", records="items", next="cursor", cursor_param="from")
    assert [row.cells[0] for row in found] == ["1", "2"]


def test_a_link_header_is_followed(erp: Erp) -> None:
    link = '</licences?page=2>; rel="next", </licences?page=9>; rel="last"'
    erp.pages["/licences"] = as_json([{"k": "1"}], Link=link)
    erp.pages["/licences?page=2"] = as_json([{"k": "2"}])
    assert [row.cells[0] for row in erp.rows()] == ["1", "2"]


def test_the_secret_goes_where_it_is_meant_to_go(erp: Erp) -> None:
    erp.pages["/licences"] = as_json([{"k": "1"}])
    erp.rows(auth="token", token="t0ken")
    erp.rows(auth="basic", username="anna", password="hasło:1")
    erp.rows()
    sent = [asked.headers.get("Authorization") for asked in erp.server.asked]
    basic = base64.b64encode("anna:hasło:1".encode()).decode()
    assert sent == ["Bearer t0ken", f"Basic {basic}", None]


@pytest.mark.parametrize(
    "target", ["http://evil.example/x", "https://127.0.0.1/x", "//evil.example"]
)
def test_a_next_page_elsewhere_is_refused_with_nothing_sent(erp: Erp, target: str) -> None:
    erp.pages["/licences"] = as_json({"items": [{"k": "1"}], "next": target + "?token=t0ken"})
    told = erp.refusal(records="items", next="next", auth="token", token="t0ken")
    assert told.startswith("sources.erp: expected a next page at http://127.0.0.1, got ")
    assert "the secret is sent nowhere else" in told
    assert "t0ken" not in told
    assert len(erp.server.asked) == 1


def test_a_server_that_stumbles_is_asked_again_each_time_later(erp: Erp) -> None:
    erp.replies = [Reply(b"", 500), Reply(b"<html>", 502), None, Reply(b"half", cut=True)]
    erp.pages["/licences"] = as_json([{"k": "1"}])
    assert len(erp.rows()) == 1
    assert erp.pauses == [1, 2, 4, 8]


def test_a_server_that_stays_down_is_told_as_such(erp: Erp) -> None:
    erp.replies = [Reply(b"", 503)] * 5
    with pytest.raises(SourceDownError, match="expected an answer, got 503 5 times") as caught:
        erp.rows()
    assert caught.value.exit_code == 4
    assert len(erp.server.asked) == 5


@pytest.mark.parametrize(
    ("told", "pause"),
    [("7", 7), ("0", 1), ("Fri, 20 Nov 2026 12:00:30 GMT", 30), ("soon", 1), ("120", 120)],
)
def test_a_server_is_left_alone_as_long_as_it_asks(erp: Erp, told: str, pause: float) -> None:
    erp.replies = [Reply(b"", 429, {"Retry-After": told})]
    erp.pages["/licences"] = as_json([{"k": "1"}])
    erp.rows()
    assert erp.pauses == [pause]


def test_a_server_that_asks_for_an_hour_is_not_waited_for(erp: Erp) -> None:
    erp.replies = [Reply(b"", 429, {"Retry-After": "3600"})]
    assert erp.refusal() == (
        "sources.erp: expected an answer, got 429, which asks to wait for 3,600 seconds; "
        "try again later"
    )
    assert erp.pauses == []


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            Reply(b"", 401),
            "expected an answer of 200, got 401: the server does not let us in; "
            "are auth and its secrets right?",
        ),
        (
            Reply(b"", 404),
            "expected an answer of 200, got 404: there is nothing at http://erp/licences; "
            "is url right?",
        ),
        (
            Reply(b"", 302, {"Location": "https://login.example/?token=x"}),
            "expected an answer of 200, got 302: a redirect to 'https://login.example/'; "
            "name the address that answers in url",
        ),
        (
            Reply(b'{"error": "no such field"}', 400),
            'expected an answer of 200, got 400: \'{"error": "no such field"}\'',
        ),
        (
            Reply(b"<!DOCTYPE html><title>Sign in"),
            "expected JSON, got HTML, as of a page for people or of a login; "
            "does url name the interface for programs?",
        ),
        (Reply(b""), "expected JSON, got an empty answer"),
        (
            Reply(b'{"a": 1,}'),
            "expected JSON, got text that is not JSON: "
            "Expecting property name enclosed in double quotes, line 1, column 9",
        ),
        (Reply(b'["\xb3"]'), "expected JSON, got bytes that are not UTF-8, at byte 3"),
        (Reply(b"[" * 200_000), "expected JSON, got JSON that is nested too deeply"),
        (Reply(b"[]"), "expected at least one record, got an empty list"),
    ],
)
def test_what_is_no_answer_is_told_with_what_to_do(erp: Erp, reply: Reply, told: str) -> None:
    erp.pages["/licences?key=hidden"] = reply
    assert erp.refusal("/licences?key=hidden") == f"sources.erp: {told}"
    assert erp.pauses == []


@pytest.mark.parametrize(
    ("answer", "path", "told"),
    [
        (
            {"data": {"itmes": []}},
            "data.items",
            "expected a list of records at 'data.items', got no 'items' among 'itmes'; "
            "did you mean 'itmes'?",
        ),
        (
            {"data": [1]},
            "data.items",
            "expected a list of records at 'data.items', got a list where 'items' should be",
        ),
        (
            {"items": {"a": 1}},
            "items",
            "expected a list of records at 'items', got an object with 'a'",
        ),
        (
            {"items": [], "count": 0},
            None,
            "expected a list of records, got an object with 'items', 'count'; "
            'say where the list is, e.g. records = "data.items"',
        ),
    ],
)
def test_a_path_that_leads_nowhere_is_told_at_its_line(
    erp: Erp, answer: object, path: str | None, told: str
) -> None:
    erp.pages["/licences"] = as_json(answer)
    assert erp.refusal(records=path) == f"config.toml:7:3: sources.erp.records: {told}"


def test_pages_that_repeat_are_given_up(erp: Erp) -> None:
    for number in range(1, 5):
        erp.pages[f"/licences?page={number}"] = as_json([{"k": "1"}])
    told = erp.refusal(page_param="page")
    assert "expected pages that come to an end, got page 2 is the same as an earlier one" in told
    erp.pages["/licences"] = as_json({"items": [{"k": "1"}], "next": "/licences"})
    told = erp.refusal(records="items", next="next")
    assert "got page 2 leads to one that was read before" in told


def test_pages_without_end_are_given_up(erp: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.sources.http_json.MOST_PAGES", 5)

    def endless(asked: Asked) -> Reply:
        at = int(parse_qs(urlsplit(asked.path).query).get("from", ["0"])[0])
        return as_json({"items": [{"k": str(at)}], "next": at + 1})

    erp.server.answering = endless
    told = erp.refusal(records="items", next="next", cursor_param="from")
    assert "page 5 is not the last one" in told


def test_an_answer_that_is_too_large_is_refused(erp: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.sources.http_json._MOST_BYTES_A_PAGE", 1 << 20)
    erp.pages["/licences"] = as_json([{"k": "x" * (2 << 20)}])
    assert erp.refusal() == (
        "sources.erp: expected at most 1 MB in one answer, got more; "
        "ask for smaller pages, by a parameter in url"
    )


def test_a_server_that_does_not_answer_in_time_is_down(erp: Erp) -> None:
    erp.replies = [Reply(b"[]", wait=5)] * 5
    told = erp.refusal(timeout=timedelta(seconds=0.2))
    assert "expected an answer, got 127.0.0.1:" in told
    assert "no answer in time; is url right, and is the server up?" in told


def test_a_record_that_is_none_is_rejected_alone(erp: Erp) -> None:
    erp.pages["/licences"] = Reply(b'[{"k": "1"}, null, 5, {"a.b": 1, "a": {"b": 2}}]')
    found = erp.rows()
    assert [(row.line, type(row).__name__) for row in found] == [
        (1, "Row"),
        (2, "BadRow"),
        (3, "BadRow"),
        (4, "BadRow"),
    ]
    assert [row.got for row in found if isinstance(row, BadRow)] == [
        "null",
        "a number",
        "'a.b' twice",
    ]


def test_a_saved_answer_may_stand_in(erp: Erp, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    path.write_text('{"items": [{"k": "Ł"}]}', encoding="utf-8")
    declared = SourceSettings(kind="http", url="https://erp.example", records="items")
    how = Reading("saved.json", settings=declared, source="erp")
    assert list(KINDS["http"].open(path, how).rows()) == [Row(1, ["Ł"])]
    with pytest.raises(SourceError, match="expected a file, got No such file"):
        KINDS["http"].open(tmp_path / "none.json", how)


# --- into the book --------------------------------------------------------------------------------

LOADS = [
    {"entity": "account", "key": "{client.id}", "name": "{client.name}"},
    {
        "entity": "licence",
        "key": "{number}",
        "account": "{client.id}",
        "amount": "{price.net}",
        "expires_on": "{ends}",
    },
]


def record(number: str, ends: str = "2027-01-31", net: object = 1240.5) -> dict[str, Any]:
    client = {"id": 17, "name": "Łódzkie Zakłady"}
    return {"number": number, "ends": ends, "client": client, "price": {"net": net}}


@pytest.fixture
def book(engine: Engine, root: Path) -> Book:
    return Book(engine, root)


def test_records_load_as_rows_do_and_bad_ones_are_kept_with_their_reason(
    book: Book, erp: Erp
) -> None:
    answer = [record("L1"), record("L2", "soon"), record("L3", net="dużo"), record("\ud800")]
    erp.pages["/licences"] = as_json({"data": answer})
    settings: dict[str, Any] = {"kind": "http", "path": None, "url": erp.server.url + "/licences"}
    report = book.load(None, LOADS, records="data", **settings)
    assert said(report) == [
        "sources.book:2: ends: expected a date written like 2027-12-31, got 'soon'",
        "sources.book:3: price.net: expected an amount such as 1234.50, got 'dużo'",
        "sources.book:4: number: expected plain text, got '\\ud800'; remove the character U+D800",
    ]
    assert book.account("17")["name"] == "Łódzkie Zakłady"
    assert book.licence("L1")["amount"] == 1240.5
    assert report.rejects_path is not None
    kept = report.rejects_path.read_text(encoding="utf-8").splitlines()
    assert kept[0] == "number,ends,client.id,client.name,price.net,line,reason"
    assert [line.split(",")[0] for line in kept[1:]] == ["L2", "L3", "\\ud800"]
    assert len(erp.server.asked) == 1


def test_a_field_that_no_record_has_is_told_with_the_nearest(book: Book, erp: Erp) -> None:
    erp.pages["/"] = as_json([{"numer": "L1", "ends": "2027-01-31"}])
    settings: dict[str, Any] = {"kind": "http", "path": None, "url": erp.server.url + "/"}
    with pytest.raises(SourceError) as caught:
        book.load(None, [{"entity": "account", "key": "{number}"}], **settings)
    assert str(caught.value).splitlines()[0] == (
        "sources.book:1: number: expected a column of this name, got none; "
        "account.key is made of it; did you mean 'numer'?"
    )
