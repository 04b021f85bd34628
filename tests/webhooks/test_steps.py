"""A step that calls another system: what it tells, when, and what its decision becomes."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import IntegrityError

from tests.http.server import Reply, Server
from tests.test_docs import ROOT, blocks
from tests.webhooks.world import Answers, CallingBook, rows
from worker.cadence import coverage, rehearse
from worker.cadence.ahead import forecast
from worker.cadence.coverage import OVERDUE
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Library
from worker.cadence.records import steps
from worker.cadence.rehearse import Asked
from worker.cadence.report import records
from worker.catalogue.records import contacts, licences
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.schedules.flow import read_drafts
from worker.webhooks.records import calls
from worker.webhooks.rules import WAITS

URL = "https://hooks.example.com:8443/secret-path?token=hunter2"


def told(server: Server) -> list[dict[str, object]]:
    """The data of every call that arrived."""
    return [json.loads(asked.body)["data"] for asked in server.asked]


def test_a_step_tells_another_system_about_the_licence(book: CallingBook, server: Server) -> None:
    book.licence()
    book.step(server.url)
    book.run()
    assert book.decisions() == {"tell-crm": ("waiting", None)}
    assert server.asked == []
    assert book.call() == 1
    assert told(server) == [
        {
            "schedule": "renewal",
            "step": "tell-crm",
            "due_on": "2026-11-20",
            "licence": "L-1",
            "account": "A-L-1",
            "term": 1,
            "starts_on": "2025-12-20",
            "expires_on": "2026-12-20",
            "days_left": 30,
            "product": "Product L-1",
            "vendor": None,
            "quantity": None,
            "amount": None,
            "currency": None,
            "auto_renew": False,
        }
    ]
    body = json.loads(server.asked[0].body)
    assert (body["type"], body["timestamp"]) == ("licence.step", "2026-11-20T12:00:00+00:00")
    assert book.decisions() == {"tell-crm": ("sent", None)}
    assert book.call() == 0


@pytest.mark.parametrize(("amount", "shown"), [("1200", "1200.00"), ("0.1", "0.10")])
def test_an_amount_is_text_with_every_digit_on_either_database(
    book: CallingBook, server: Server, amount: str, shown: str
) -> None:
    book.licence()
    with book.engine.begin() as conn:
        conn.execute(update(licences).values(amount=Decimal(amount), currency="EUR", quantity=5))
    book.step(server.url)
    book.run()
    book.call()
    (data,) = told(server)
    assert (data["amount"], data["currency"], data["quantity"]) == (shown, "EUR", 5)


def test_the_documented_body_has_the_keys_that_are_sent(book: CallingBook, server: Server) -> None:
    (example,) = blocks((ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8"), "json")
    book.licence()
    book.step(server.url)
    book.run()
    book.call()
    sent, shown = json.loads(server.asked[0].body), json.loads(example)
    assert shown.keys() == sent.keys()
    assert shown["data"].keys() == sent["data"].keys()


def test_nothing_about_a_person_leaves_the_house(book: CallingBook, server: Server) -> None:
    book.accounts([{"account": "A-L-1", "name": "Zofia Kowalska", "account_manager": "Max"}])
    book.licence(name="Zofia Kowalska")
    book.contact(email="zofia@client.example")
    with book.engine.begin() as conn:
        conn.execute(update(contacts).values(name="Zofia Kowalska"))
    book.step(server.url)
    book.run()
    book.call()
    (asked,) = server.asked
    said = asked.path + asked.body.decode() + str(asked.headers)
    for personal in ("zofia", "Zofia", "Kowalska", "Max"):
        assert personal not in said


def test_days_left_are_the_clients_own_and_negative_afterwards(
    book: CallingBook, server: Server
) -> None:
    book.licence(end="2026-11-17", start="2025-11-18")
    book.licence("L-2", end="2026-12-25", start="2025-12-26")
    book.step(server.url, "3 days after")
    book.live_until("2026-12-30")
    assert [(data["licence"], data["days_left"]) for data in told(server)] == [
        *(("L-1", -3), ("L-2", -3)),
    ]


def test_each_term_is_told_once_under_an_id_of_its_own(book: CallingBook, server: Server) -> None:
    book.licence()
    book.step(server.url)
    book.live_until("2026-11-22")
    book.licence(start="2026-12-21", end="2027-12-20")
    book.live_until("2027-12-01")
    book.apply(book_schedule(book).replace("Renewal", "Renewal, reworded"))
    book.live_until("2027-12-20")
    names = [asked.headers["webhook-id"] for asked in server.asked]
    assert [data["term"] for data in told(server)] == [1, 2]
    assert len(set(names)) == 2
    assert all(name.startswith("call_") and "." not in name for name in names)


def book_schedule(book: CallingBook) -> str:
    return (book.root / "schedules/renewal.toml").read_text(encoding="utf-8")


def test_a_second_call_for_the_same_step_and_term_cannot_be_written(
    book: CallingBook, server: Server
) -> None:
    book.licence()
    book.step(server.url)
    book.decide()
    with book.engine.begin() as conn:
        (row,) = conn.execute(select(calls)).mappings().all()
        with pytest.raises(IntegrityError):
            conn.execute(calls.insert().values({**row, "id": row["id"] + 1}))


def test_until_the_call_is_over_the_story_says_waiting_then_how_it_ended(
    book: CallingBook, server: Server
) -> None:
    server.answering = Answers(Reply(status=500), Reply(status=200))
    book.licence()
    book.step(server.url)
    book.run()
    assert book.story() == ["Fri 2026-11-20 tell-crm waiting"]
    book.call()
    assert book.story() == ["Fri 2026-11-20 tell-crm waiting"]
    book.clock.advance(WAITS[0])
    book.call()
    assert book.story() == ["Fri 2026-11-20 tell-crm sent"]
    (record,) = book.explained().records
    assert record.to == ("127.0.0.1",)
    assert record.message == server.asked[0].headers["webhook-id"]
    assert record.kind == "webhook"


def test_the_end_of_one_call_says_nothing_about_another(book: CallingBook, server: Server) -> None:
    server.answering = Answers(Reply(status=200), Reply(status=500), Reply(status=410))
    for key in ("L-1", "L-2", "L-3"):
        book.licence(key)
    book.step(server.url)
    book.run()
    book.call()
    ends = dict(zip([data["licence"] for data in told(server)], _ENDS, strict=True))
    assert {key: book.decisions(key)["tell-crm"] for key in ends} == ends


_ENDS = (("sent", None), ("waiting", None), ("failed", "refused"))


def test_a_call_that_failed_is_one_task_that_says_where_and_why(
    book: CallingBook, server: Server
) -> None:
    server.answering = Answers(Reply(status=410))
    book.licence()
    book.step(server.url + "/secret-path?token=hunter2")
    book.run()
    book.call()
    assert book.decisions() == {"tell-crm": ("failed", "refused")}
    assert book.story() == ["Fri 2026-11-20 tell-crm failed refused"]
    (task,) = book.failed_calls()
    assert task.title == "A call failed: 127.0.0.1"
    assert task.detail == (
        "Client L-1: step tell-crm of renewal, licence L-1: "
        "127.0.0.1 answered 410; given up after 1 attempt"
    )
    assert task.licence_id is not None
    assert task.account_id is not None
    book.live_until("2026-12-30")
    assert len(book.failed_calls()) == 1
    assert len(server.asked) == 1


def test_a_plan_names_the_host_and_no_more(book: CallingBook) -> None:
    book.licence(end="2027-01-20", start="2026-01-20")
    book.step(URL)
    book.decide()
    asked = book.asked()
    with reading(book.engine) as conn:
        (record,) = forecast(conn, asked, _period(book))
    assert (record.kind, record.decision, record.to) == (
        *("webhook", "planned", ("hooks.example.com",)),
    )


def _period(book: CallingBook) -> Period:
    return Period(book.now.date(), book.now.date() + timedelta(days=90))


def test_a_rehearsal_calls_nobody_and_says_what_would_be_sent(
    book: CallingBook, server: Server
) -> None:
    book.licence(end="2026-12-25", start="2025-12-26")
    book.contact()
    book.step(server.url)
    drafts, _ = read_drafts(book.root)
    asked = Asked(
        _period(book),
        drafts,
        book.asked().defaults,
        Letterhead("Renewals <renewals@example.com>"),
        book.now,
        book.root / "rehearsal",
    )
    with rehearse.rehearsed(book.engine, asked) as done:
        found = [(r.step, r.kind, r.decision, r.to) for r in records(done)]
        made = [(row.state, row.status) for row in rows(done.engine)]
    assert found == [("tell-crm", "webhook", "sent", ("127.0.0.1",))]
    assert made == [("done", 204)]
    assert server.asked == []
    assert rows(book.engine) == []


def test_a_machine_that_was_given_no_way_out_calls_nobody(
    engine: Engine, book: CallingBook, server: Server
) -> None:
    book.outside = None
    book.licence()
    book.step(server.url)
    book.run()
    assert book.call() == 1
    assert server.asked == []
    assert book.decisions() == {"tell-crm": ("sent", None)}


# --- the daily proof ------------------------------------------------------------------------------


def gaps(book: CallingBook) -> list[tuple[str, str]]:
    with book.engine.begin() as conn:
        found = coverage.check(conn, Library().active(conn), book.now)
    return [(gap.licence, gap.reason) for gap in found]


def test_a_step_that_waits_for_its_call_is_accounted_for(book: CallingBook, server: Server) -> None:
    server.answering = Answers(Reply(status=500))
    book.licence()
    book.step(server.url)
    book.run()
    assert gaps(book) == []
    book.call()
    book.clock.advance(timedelta(minutes=30))
    assert gaps(book) == []


def test_a_call_that_nobody_makes_is_an_alarm(book: CallingBook, server: Server) -> None:
    book.licence()
    book.step(server.url)
    book.run()
    book.clock.advance(OVERDUE + timedelta(seconds=1))
    assert gaps(book) == [("L-1", "stuck-call")]
    book.call()
    assert gaps(book) == []


def test_a_step_whose_call_was_lost_is_an_alarm(book: CallingBook, server: Server) -> None:
    book.licence()
    book.step(server.url)
    book.run()
    with book.engine.begin() as conn:
        conn.execute(delete(calls))
    assert gaps(book) == [("L-1", "no-call")]
    with book.engine.begin() as conn:
        conn.execute(update(steps).values(decision="sent"))
    assert gaps(book) == []
