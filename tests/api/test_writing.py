"""What other systems write: with the rules of an import, once for each key, and into the log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from tests.api.conftest import Api
from tests.api.test_reading import problem
from worker.access import store
from worker.access.records import requests
from worker.access.rules import Scope
from worker.catalogue.records import imports, terms
from worker.clients import erasing, people
from worker.db.engine import reading
from worker.outbox import holds
from worker.worklist.records import task_history, tasks


def faults(response: httpx.Response) -> dict[str, tuple[str, str]]:
    found = problem(response, 422)["errors"]
    return {one["where"]: (one["expected"], one["got"]) for one in found}


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


# --- the book -------------------------------------------------------------------------------------


def test_a_client_and_its_licence_are_entered_and_read_back(api: Api) -> None:
    client = api.writer
    made = client.put("/accounts/K/9", json={"name": "Żubr", "tags": ["gold", "vip"]})
    assert (made.status_code, made.json()["outcome"]) == (201, "created")
    assert made.headers["location"] == "/api/v1/accounts/K/9"
    person = {"account": "K/9", "email": "jan@example.com", "role": "procurement"}
    assert client.put("/contacts/jan", json=person).status_code == 201
    licence = {"account": "K/9", "expires_on": "2027-01-31", "amount": "1200.50", "currency": "EUR"}
    made = client.put("/licences/L-9", json=licence | {"quantity": 3, "auto_renew": True})
    item = made.json()["item"]
    assert (item["amount"], item["quantity"], item["auto_renew"]) == ("1200.50", 3, True)
    read = client.get("/licences/L-9")
    assert (read.json(), read.headers["etag"]) == (item, made.headers["etag"])
    assert client.get("/accounts/K/9").json()["tags"] == ["gold", "vip"]
    assert api.log()[-3:] == [
        ("api", "account.entered", "account K/9"),
        ("api", "contact.entered", "contact 2"),
        ("api", "licence.entered", "licence L-9"),
    ]


def test_what_is_left_out_stays_and_null_empties(api: Api) -> None:
    client = api.writer
    client.put("/licences/L-1", json={"product": "Antivirus", "owner": "kim"})
    client.put("/licences/L-1", json={"owner": None, "vendor": "ACME"})
    item = client.get("/licences/L-1").json()
    assert (item["product"], item["owner"], item["vendor"]) == ("Antivirus", None, "ACME")
    same = client.put("/licences/L-1", json={"vendor": "ACME"})
    assert same.json()["outcome"] == "unchanged"


def test_dates_tell_a_renewal_from_a_correction_as_in_an_import(api: Api) -> None:
    client = api.writer
    dates = {"starts_on": "2025-12-21", "expires_on": "2026-12-24"}
    moved = client.put("/licences/L-1", json=dates)
    assert (moved.json()["outcome"], moved.json()["item"]["term"]) == ("correction", 1)
    dates = {"starts_on": "2026-12-25", "expires_on": "2027-12-24"}
    renewed = client.put("/licences/L-1", json=dates)
    assert (renewed.json()["outcome"], renewed.json()["item"]["term"]) == ("renewal", 2)
    with reading(api.engine) as conn:
        assert len(conn.execute(select(terms).where(terms.c.licence_id == 1)).all()) == 2


def test_a_row_that_an_import_rejects_is_refused_with_the_same_words(api: Api) -> None:
    client = api.writer
    wrong = {"expires_on": "31/12/2027", "currency": "EURO", "status": "gone", "renew_url": "x"}
    told = faults(client.put("/licences/L-9", json={"account": "A-1", **wrong}))
    assert told["body: /expires_on"] == ("a date written like 2027-12-31", "'31/12/2027'")
    assert set(told) == {f"body: /{name}" for name in wrong}
    assert set(faults(client.put("/licences/L-9", json={"expires_on": "2027-12-31"}))) == {
        "body: /account"
    }
    unknown = {"account": "A-77", "expires_on": "2027-12-31"}
    assert set(faults(client.put("/licences/L-9", json=unknown))) == {"body: /account"}
    assert set(faults(client.put("/licences/L-1", json={"expires_on": None, "status": None}))) == {
        "body: /expires_on",
        "body: /status",
    }
    early = {"starts_on": "2027-01-01", "expires_on": "2026-01-01"}
    assert set(faults(client.put("/licences/L-1", json=early))) == {"body: /expires_on"}
    problem(client.get("/licences/L-9"), 404)


def test_a_body_of_another_shape_is_refused_with_all_its_faults(api: Api) -> None:
    client = api.writer
    sent = {"quantity": "3", "amount": 12.5, "auto_renew": "yes", "colour": "red", "vendor": " "}
    told = faults(client.put("/licences/L-1", json=sent))
    assert set(told) == {f"body: /{name}" for name in sent}
    for body in (b"", b"{", b"[]", b"null", b'"x"', b'{"vendor": NaN}', b'{"vendor":"\\ud800"}'):
        answer = client.put(
            "/licences/L-1", content=body, headers={"Content-Type": "application/json"}
        )
        problem(answer, 422)
    deep = b'{"vendor":' + b"[" * 100_000
    json_ = {"Content-Type": "application/json"}
    problem(client.put("/licences/L-1", content=deep, headers=json_), 422)
    problem(client.put("/licences/L-1", content=b"vendor=x"), 415)
    problem(client.put("/licences/L-1", content=b" " * 300_000, headers=json_), 413)
    assert api.log() == []


def test_text_that_a_terminal_would_act_on_is_refused(api: Api) -> None:
    client = api.writer
    for text in ("a\x00b", "a\u202eb", "\x1b[2J", "a\u200bb"):
        assert set(faults(client.put("/licences/L-1", json={"vendor": text}))) == {"body: /vendor"}
        problem(client.post("/tasks", json={"title": text.replace("\u200b", "\x01")}), 422)
    kept = client.put("/licences/L-1", json={"vendor": "=HYPERLINK(1)"})
    assert kept.json()["item"]["vendor"] == "=HYPERLINK(1)"


def test_who_did_not_see_what_stands_now_overwrites_nothing(api: Api) -> None:
    client = api.writer
    tag = client.get("/licences/L-1").headers["etag"]
    first = client.put("/licences/L-1", json={"owner": "kim"}, headers={"If-Match": tag})
    assert first.status_code == 200
    second = client.put("/licences/L-1", json={"owner": "lee"}, headers={"If-Match": tag})
    problem(second, 412)
    assert client.get("/licences/L-1").json()["owner"] == "kim"
    new = {"account": "A-1", "expires_on": "2027-12-31"}
    problem(client.put("/licences/L-9", json=new, headers={"If-Match": "*"}), 412)
    only_new = {"If-None-Match": "*"}
    assert client.put("/licences/L-9", json=new, headers=only_new).status_code == 201
    problem(client.put("/licences/L-9", json=new, headers=only_new), 412)


def test_many_moved_dates_in_a_day_pull_the_brake_of_imports(api: Api) -> None:
    client = api.writer
    for number in range(22):
        new = {"account": "A-1", "expires_on": "2027-01-31", "starts_on": "2026-02-01"}
        assert client.put(f"/licences/M-{number}", json=new).status_code == 201

    def move(day: str, count: int) -> None:
        for number in range(count):
            dates = {"starts_on": "2026-02-01", "expires_on": day}
            answer = client.put(f"/licences/M-{number}", json=dates)
            assert answer.json()["outcome"] == "correction"

    def braked() -> bool:
        with reading(api.engine) as conn:
            return holds.is_held(conn)

    move("2027-01-30", 19)
    assert not braked()
    move("2027-01-29", 1)
    assert braked()
    with api.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE brakes SET released_at = pulled_at")
    move("2027-01-28", 19)
    assert not braked()
    with reading(api.engine) as conn:
        rows = conn.execute(select(imports).where(imports.c.source == "api")).all()
    assert [row.counts["corrections"] for row in rows] == [20, 19]


# --- once -----------------------------------------------------------------------------------------


def test_a_request_that_is_repeated_gets_its_first_answer_and_does_nothing(api: Api) -> None:
    client = api.writer
    sent = {"title": "Call them", "account": "A-1"}
    first = client.post("/tasks", json=sent, headers=keyed("k-1"))
    again = client.post("/tasks", json=sent, headers=keyed("k-1"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert len(api.site.rows(tasks)) == 1
    assert len(api.log()) == 1
    other = client.post("/tasks", json=sent | {"title": "Else"}, headers=keyed("k-1"))
    assert set(faults(other)) == {"header: Idempotency-Key"}
    stranger = api.writer.post("/tasks", json=sent, headers=keyed("k-1"))
    assert stranger.json()["id"] != first.json()["id"]


def test_what_was_refused_may_be_tried_again_with_the_same_key(api: Api) -> None:
    client = api.writer
    sent = {"account": "A-8", "expires_on": "2027-12-31"}
    problem(client.put("/licences/L-9", json=sent, headers=keyed("k")), 422)
    client.put("/accounts/A-8", json={})
    assert client.put("/licences/L-9", json=sent, headers=keyed("k")).status_code == 201
    for key in ("", "x" * 256, "é"):
        headers = [(b"Idempotency-Key", key.encode("latin-1"))]
        problem(client.put("/licences/L-9", json=sent, headers=headers), 422)


def test_two_requests_that_come_together_with_one_key_are_one(api: Api) -> None:
    secret = api.token(Scope.WRITE)
    clients = [api.bearing(secret) for _ in range(6)]

    def post(client: httpx.Client) -> Any:
        return client.post("/tasks", json={"title": "Call them"}, headers=keyed("together")).json()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(post, clients))
    assert {one["id"] for one in answers} == {1}
    assert len(api.site.rows(tasks)) == 1
    assert [what for _, what, _ in api.log()] == ["task.opened"]


def test_answers_are_kept_for_a_day(api: Api) -> None:
    client = api.writer
    for key in ("old", "new"):
        client.post("/tasks", json={"title": key}, headers=keyed(key))
    now = api.site.clock.now()
    with api.engine.begin() as conn:
        old = update(requests).where(requests.c.key == "old")
        conn.execute(old.values(at=now - timedelta(hours=25)))
    assert client.post("/tasks", json={"title": "x"}, headers=keyed("old")).status_code == 201
    with api.engine.begin() as conn:
        assert store.forget_requests(conn, now + timedelta(hours=25)) == 2
    assert api.site.rows(requests) == []


def test_an_answer_that_speaks_of_an_erased_person_is_not_kept(api: Api) -> None:
    client = api.writer
    person = {"account": "A-1", "email": "jan@example.com", "name": "Jan Żółty"}
    client.put("/contacts/jan", json=person, headers=keyed("person"))
    client.put("/accounts/A-9", json={}, headers=keyed("company"))
    with api.engine.begin() as conn:
        erasing.erase(conn, people.find(conn, "jan"), api.site.clock.now())
    assert [row.key for row in api.site.rows(requests)] == ["company"]
    problem(client.put("/contacts/jan", json=person, headers=keyed("person")), 409)


# --- tasks and stops ------------------------------------------------------------------------------


def test_a_task_is_opened_noted_upon_and_closed_once(api: Api) -> None:
    client = api.writer
    sent = {"title": "Call", "licence": "L-1", "key": "crm-7", "due_on": "2026-12-01"}
    made = client.post("/tasks", json=sent).json()
    assert (made["account"], made["licence"], made["kind"]) == ("A-1", "L-1", "todo")
    same = client.post("/tasks", json=sent)
    assert (same.status_code, same.json()) == (200, made)
    number = made["id"]
    assert client.post(f"/tasks/{number}/note", json={"note": "No answer\nyet"}).status_code == 200
    stale = client.post(f"/tasks/{number}/close", json={}, headers={"If-Match": f'"{"0" * 32}"'})
    problem(stale, 412)
    closed = client.post(f"/tasks/{number}/close", json={"note": "They will call"}).json()
    assert (closed["outcome"], closed["closed_at"] is not None) == ("done", True)
    problem(client.post(f"/tasks/{number}/close", json={}), 409)
    problem(client.post(f"/tasks/{number}/note", json={"note": "Late"}), 409)
    problem(client.post("/tasks/99/close", json={}), 404)
    history = [row.what for row in api.site.rows(task_history)]
    assert history == ["noted", "closed"]
    assert [what for _, what, _ in api.log()] == ["task.opened", "task.noted", "task.closed"]
    assert [one["id"] for one in client.get("/tasks?state=closed").json()["items"]] == [number]
    assert client.get("/tasks?licence=L-1").json()["items"] == []


def test_a_task_about_what_is_not_there_is_refused(api: Api) -> None:
    sent = {"title": "Call", "licence": "L-7", "account": "A-7", "assignee": "nobody"}
    told = faults(api.writer.post("/tasks", json=sent))
    assert set(told) == {"body: /licence", "body: /account", "body: /assignee"}


def test_an_outcome_fits_the_kind_of_its_task(api: Api) -> None:
    client = api.writer
    number = client.post("/tasks", json={"title": "Call"}).json()["id"]
    (fault,) = problem(client.post(f"/tasks/{number}/close", json={"outcome": "won back"}), 422)[
        "errors"
    ]
    assert fault["where"] == "body: /outcome"
    assert "done, not-needed" in fault["hint"]


@pytest.mark.parametrize(
    ("scope", "key"), [("licence", "L-1"), ("account", "A-1"), ("contact", "anna@example.com")]
)
def test_a_stop_is_put_and_lifted(api: Api, scope: str, key: str) -> None:
    client = api.writer
    sent = {"scope": scope, "key": key, "reason": "In talks", "until": "2099-12-31"}
    made = client.post("/stops", json=sent)
    assert (made.status_code, made.json()["made_by"]) == (201, "staff")
    listed = client.get("/stops").json()["items"]
    assert [(one["scope"], one["key"]) for one in listed] == [(scope, key)]
    assert client.delete(f"/stops/{scope}/{key}").status_code == 200
    problem(client.delete(f"/stops/{scope}/{key}"), 404)
    assert client.get("/stops").json()["items"] == []
    assert [what for _, what, _ in api.log()] == ["stop.made", "stop.lifted"]
    assert "@" not in str(api.log())


def test_a_stop_of_nothing_or_of_the_past_is_refused(api: Api) -> None:
    client = api.writer
    sent = {"scope": "licence", "key": "L-7", "reason": "x", "until": "2001-01-01"}
    assert set(faults(client.post("/stops", json=sent))) == {"body: /key", "body: /until"}
    problem(client.delete("/stops/order/O-1"), 422)
