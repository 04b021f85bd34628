"""What other systems read: who is let in, what they get, page by page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from tests.api.conftest import Api
from worker.access import tokens as made
from worker.access.audit import Actor
from worker.access.records import tokens
from worker.access.rules import Scope
from worker.db.engine import reading

PROBLEM = "application/problem+json"


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    found: dict[str, Any] = response.json()
    assert found["status"] == status
    assert found["detail"]
    return found


# --- who is let in --------------------------------------------------------------------------------


def test_nobody_is_let_in_without_a_token_that_stands(api: Api) -> None:
    now = api.site.clock.now()
    ended = api.token(Scope.READ, ends_at=now)
    revoked = api.token(Scope.READ, revoked_at=now)
    for secret in (None, "prn_none", ended, revoked, "x" * 5000):
        answer = api.bearing(secret).get("/accounts")
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    good = api.token(Scope.READ, ends_at=now + timedelta(seconds=1))
    assert api.bearing(good).get("/accounts").status_code == 200
    basic = httpx.get(f"{api.base}/api/v1/accounts", auth=("token", good))
    problem(basic, 401)


def test_a_token_that_a_person_made_lets_in_until_it_is_revoked(api: Api) -> None:
    now, boss = api.site.clock.now(), Actor("boss", "command")
    client = api.bearing(made.make(api.engine, boss, "crm", ["read"], 30, now))
    assert client.get("/accounts").status_code == 200
    made.revoke(api.engine, boss, "crm", now)
    problem(client.get("/accounts"), 401)


def test_a_token_that_reads_cannot_write_and_one_that_writes_cannot_read(api: Api) -> None:
    refused = api.reader.put("/accounts/A-9", json={"name": "New"})
    problem(refused, 403)
    assert 'scope="write"' in refused.headers["www-authenticate"]
    problem(api.bearing(api.token(Scope.WRITE)).get("/accounts"), 403)
    assert api.reader.get("/accounts/A-9").status_code == 404


def test_that_a_token_was_used_is_noted_every_five_minutes_at_most(api: Api) -> None:
    client = api.reader

    def used_at() -> Any:
        with reading(api.engine) as conn:
            return conn.execute(select(tokens.c.used_at)).scalar_one()

    client.get("/accounts")
    with api.engine.begin() as conn:
        early = api.site.clock.now() - timedelta(minutes=4)
        conn.execute(update(tokens).values(used_at=early))
    client.get("/accounts")
    assert used_at() == early
    with api.engine.begin() as conn:
        conn.execute(update(tokens).values(used_at=early - timedelta(minutes=1)))
    client.get("/accounts")
    assert used_at() >= api.site.clock.now() - timedelta(seconds=5)


def test_no_operation_answers_without_a_token(sqlite_api: Api) -> None:
    client = sqlite_api.bearing(None)
    document = client.get(f"{sqlite_api.base}/api/openapi.json").json()
    before = sqlite_api.site.business()
    asked = 0
    for path, methods in document["paths"].items():
        for method in methods:
            address = path.replace("{key}", "L-1").replace("{number}", "1")
            url = sqlite_api.base + address.replace("{scope}", "licence")
            problem(client.request(method, url, json={}), 401)
            asked += 1
    assert asked >= 19
    for path in ("/api/", "/api/v1", "/api/v1/", "/api/v2/accounts", "/api/v1/accounts/"):
        problem(client.get(sqlite_api.base + path), 401)
    assert client.get(f"{sqlite_api.base}/api").status_code == 200
    assert sqlite_api.site.business() == before


def test_a_session_of_a_person_is_not_looked_at(sqlite_api: Api) -> None:
    client = sqlite_api.bearing(None)
    client.cookies.set("perennial", sqlite_api.token(Scope.READ))
    problem(client.get("/accounts"), 401)


# --- what is sent ---------------------------------------------------------------------------------


def test_the_book_is_read_with_its_own_keys(api: Api) -> None:
    client = api.reader
    licence = client.get("/licences/L-1").json()
    assert (licence["account"], licence["term"], licence["status"]) == ("A-1", 1, "active")
    assert licence["expires_on"] == "2026-12-20"
    assert licence["updated_at"].endswith("Z")
    assert client.get("/licences/L/2 x").json()["account"] == "A-2"
    assert client.get("/licences/L%2F2%20x").json()["account"] == "A-2"
    assert client.get("/accounts/A-2").json()["name"] == "Klient Żółw"
    contact = client.get("/contacts/C-1").json()
    assert (contact["email"], contact["opt_out"]) == ("anna@example.com", False)
    for path in ("/accounts/A-7", "/contacts/x", "/licences/L-1/x", "/tasks/77"):
        problem(client.get(path), 404)


def test_a_list_is_read_page_by_page_and_nothing_is_missed(api: Api) -> None:
    for number in range(3, 14):
        api.site.licence(f"L-{number:02}", account="A-1", name="Client One")
    client = api.reader
    for query in ("", "&expires_after=2020-01-01", "&account=A-1&state=active"):
        seen, path = [], f"{api.base}/api/v1/licences?limit=4{query}"
        while path:
            page = client.get(path).json()
            assert len(page["items"]) <= 4
            seen += [one["key"] for one in page["items"]]
            path = page["next"] and api.base + page["next"]
        assert len(seen) == len(set(seen)) == (12 if "A-1" in query else 13)


def test_filters_choose(api: Api) -> None:
    client = api.reader

    def keys(path: str) -> list[str]:
        return [one["key"] for one in client.get(path).json()["items"]]

    assert keys("/licences?account=A-2") == ["L/2 x"]
    assert keys("/licences?state=cancelled") == []
    assert keys("/licences?expires_before=2026-12-20") == []
    assert keys("/licences?expires_after=2026-12-19&expires_before=2026-12-21") != []
    assert keys("/contacts?account=A-2") == []
    assert keys("/contacts?account=A-1") == ["C-1"]


def test_decisions_are_those_that_explain_tells(api: Api) -> None:
    client = api.reader
    page = client.get("/licences/L-1/decisions").json()
    (sent,) = [one for one in page["items"] if one["decision"] == "sent"]
    assert (sent["to"], sent["licence"]) == (["anna@example.com"], "L-1")
    assert client.get("/accounts/A-1/decisions").json()["items"] == page["items"]
    problem(client.get("/licences/none/decisions"), 404)
    problem(client.get("/accounts/none/decisions"), 404)


def test_mails_are_told_of_without_their_text(api: Api) -> None:
    client = api.reader
    (mail,) = client.get("/messages").json()["items"]
    assert (mail["address"], mail["account"], mail["contact"]) == ("anna@example.com", "A-1", "C-1")
    assert mail["state"] == "accepted"
    now = api.site.clock.now()
    soon = (now + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert client.get("/messages", params={"since": soon}).json()["items"] == []
    past = (now - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert len(client.get("/messages", params={"since": past}).json()["items"]) == 1
    assert client.get("/messages?account=A-2").json()["items"] == []
    assert client.get("/messages?state=failed").json()["items"] == []


def test_a_report_has_the_figures_of_the_command(api: Api) -> None:
    client = api.reader
    found = client.get("/reports/renewals?from=2026-12-01&to=2026-12-31").json()["figures"]
    due = next(one for one in found if one["metric"] == "due")
    assert (due["value"], due["from"]) == (2, "2026-12-01")
    for query in ("from=2026-12-01", "from=2026-12-02&to=2026-12-01", "by=nobody", "grace=-1"):
        problem(client.get(f"/reports/renewals?{query}"), 422)


def test_who_has_it_already_gets_no_second_copy(api: Api) -> None:
    client = api.reader
    tag = client.get("/licences/L-1").headers["etag"]
    again = client.get("/licences/L-1", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    api.site.licence("L-1", account="A-1", name="Client One", start="2026-12-21", end="2027-12-20")
    fresh = client.get("/licences/L-1", headers={"If-None-Match": tag})
    assert (fresh.status_code, fresh.json()["term"]) == (200, 2)


# --- what cannot be answered ----------------------------------------------------------------------


def test_every_fault_of_an_address_is_told_at_once(sqlite_api: Api) -> None:
    query = "limit=0&expires_after=tomorrow&state=broken&colour=red&cursor=%00"
    faults = problem(sqlite_api.reader.get(f"/licences?{query}"), 422)["errors"]
    told = {one["where"] for one in faults}
    assert told >= {f"query: {name}" for name in ("limit", "expires_after", "state", "colour")}
    assert all(one["expected"] for one in faults)


CURSORS = ("x", "e30=", "W10=", "WzFd", "WyJcdTAwMDAiXQ==", "W1tbW1tb", "ü")


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_of_another_kind_is_refused(sqlite_api: Api, cursor: str) -> None:
    for path in ("/licences", "/messages", "/tasks", "/accounts/A-1/decisions"):
        answer = sqlite_api.reader.get(path, params={"cursor": cursor})
        if answer.status_code != 200:  # one number is a good cursor of tasks
            problem(answer, 422)
        else:
            assert (path, cursor) == ("/tasks", "WzFd")


HOSTILE = (
    "%00",
    "a%00b",
    "%ff",
    "%F0%9F%98%80",
    "a" * 3000,
    "..%2f..%2fetc",
    "' OR 1=1 --",
    "%E2%80%AE",
)


def test_hostile_keys_find_nothing_and_break_nothing(api: Api) -> None:
    client = api.reader
    for text in HOSTILE:
        for path in ("accounts/", "contacts/", "licences/", "tasks/", "licences?account="):
            assert client.get(f"/{path}{text}").status_code in (200, 404, 422), (path, text)
    for number in ("0", "-1", "9" * 40, "1e3", "1.5"):
        problem(client.get(f"/tasks/{number}"), 422)


def test_an_address_that_is_none_and_a_method_that_is_none_are_told_apart(sqlite_api: Api) -> None:
    client = sqlite_api.reader
    problem(client.get("/invoices"), 404)
    answer = client.delete("/licences/L-1")
    problem(answer, 405)
    assert answer.headers["allow"] == "GET, PUT"


def test_the_page_for_people_needs_nothing_from_elsewhere(sqlite_api: Api) -> None:
    html = httpx.get(f"{sqlite_api.base}/api").text
    assert "<code>PUT /api/v1/licences/{key}</code>" in html
    assert "http:" not in html
    assert "<script" not in html
    assert "<link" not in html


def test_a_database_that_is_away_is_a_problem_of_its_own(sqlite_api: Api) -> None:
    client = sqlite_api.reader
    with sqlite_api.engine.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE accounts RENAME TO elsewhere")
    answer = client.get("/accounts")
    problem(answer, 503)
    assert answer.headers["retry-after"] == "60"
