"""People whom another system enters as Delighted took them: their account, their survey to come."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.api.official import delighted
from tests.api.test_delighted import Moved, moved, sqlite_moved
from tests.clients.conftest import OWN
from tests.surveys.conftest import Town
from worker.catalogue.records import accounts, contacts, preferences
from worker.db.engine import reading
from worker.surveys import requests
from worker.surveys.records import answer_extras, asked_for, invitations, responses
from worker.surveys.requests import Became, Request

__all__ = ["moved", "sqlite_moved"]


def book(town: Town) -> list[tuple[Any, ...]]:
    """Account, its name, contact, address, name, language, role of those who were entered."""
    columns = [accounts.c.key, accounts.c.name.label("account"), contacts.c.key.label("contact")]
    columns += [contacts.c[name] for name in ("email", "name", "language", "role")]
    query = select(*columns).join(contacts, contacts.c.account_id == accounts.c.id)
    with reading(town.engine) as conn:
        rows = conn.execute(query.where(contacts.c.source == "api").order_by(contacts.c.id))
        return [tuple(row) for row in rows]


def entered(moved: Moved, email: str, **more: Any) -> Any:
    return delighted.Person.create(client=moved.client, email=email, **more)


def test_a_person_is_entered_and_will_be_asked(moved: Moved) -> None:
    now = int(moved.api.site.clock.now().timestamp())
    properties = {"company": "Blue Harbour", "locale": "pl-PL", "question_product_name": "Sentry"}
    made = entered(moved, "Jony@Apple.example", name="Jony", properties=properties, delay=3600)
    assert (made.id, made.email, made.name) == ("jony@apple.example", "jony@apple.example", "Jony")
    assert now + 3600 <= made.survey_scheduled_at <= now + 3660
    assert made.properties == properties
    (known,) = book(moved.town)
    assert known == ("Blue Harbour", "Blue Harbour", made.id, made.email, "Jony", "pl", None)
    (row,) = moved.town.rows(asked_for)
    assert (row.schedule, row.survey, row.ended_at) == ("delighted", "relationship", None)
    assert row.next_at == row.send_at == datetime.fromtimestamp(made.survey_scheduled_at, UTC)
    assert ("api", "person.entered", f"contact {row.contact_id}") in moved.api.log()
    (again,) = delighted.Person.all(client=moved.client, email="jony@apple.example")
    assert again.next_survey_scheduled_at == made.survey_scheduled_at


def test_a_person_that_is_known_stays_with_its_account(moved: Moved) -> None:
    moved.town.contact("Dora", "B-1")
    made = entered(moved, "dora@example.com", name="Dora", properties={"company": "Other"})
    assert made.id == "Dora"
    with reading(moved.api.engine) as conn:
        row = conn.execute(select(contacts).where(contacts.c.key == "Dora")).one()
        assert conn.scalar(select(accounts.c.id).where(accounts.c.key == "Other")) is None
    assert (row.name, row.account_id) == ("Dora", moved.town.account("B-1"))
    moved_on = entered(moved, "dora@example.com", email_update="dora@new.example", send=False)
    assert (moved_on.id, moved_on.email) == ("Dora", "dora@new.example")
    assert moved_on.survey_scheduled_at is None


def test_the_account_is_told_by_key_by_name_or_by_the_domain(moved: Moved) -> None:
    moved.town.account("B-7", name="Żółw sp. z o.o.")
    for email, company in (
        ("a@one.example", "B-7"),
        ("b@two.example", "Żółw sp. z o.o."),
        ("c@three.example", ""),
        ("d@three.example", None),
        ("e@gmail.com", None),
    ):
        entered(moved, email, send=False, properties={"company": company, "role": "Technical"})
    assert [(row[0], row[1]) for row in book(moved.town)] == [
        ("B-7", "Żółw sp. z o.o."),
        ("B-7", "Żółw sp. z o.o."),
        ("three.example", "three.example"),
        ("three.example", "three.example"),
        ("e@gmail.com", "e@gmail.com"),
    ]
    assert {row[-1] for row in book(moved.town)} == {"technical"}
    assert moved.town.rows(asked_for) == []


def test_what_was_sent_elsewhere_counts_for_quiet_time(moved: Moved) -> None:
    at = moved.api.site.clock.now().replace(microsecond=0) - timedelta(days=3)
    for _ in range(2):
        for sent in (at, at - timedelta(days=30)):
            when = int(sent.timestamp())
            made = entered(moved, "a@one.example", send=False, last_sent_at=when)
    assert made.last_sent_at == int(at.timestamp())
    (row,) = moved.town.rows(invitations)
    assert (row.asked_at, row.closes_at, row.answered, row.mail_key) == (at, at, False, None)


def test_pending_surveys_are_cancelled(moved: Moved) -> None:
    for delay in (60, 3600):
        entered(moved, "a+b@one.example", delay=delay)
    delete = delighted.SurveyRequest.delete_pending
    assert delete(client=moved.client, person_email="a+b@one.example") == {"ok": True}
    assert [(row.next_at, row.ended_why) for row in moved.town.rows(asked_for)] == [
        (None, "cancelled"),
        (None, "cancelled"),
    ]
    with pytest.raises(delighted.errors.GeneralAPIError):
        delete(client=moved.client, person_email="nobody@one.example")


def test_who_does_not_want_surveys_gets_none(moved: Moved) -> None:
    entered(moved, "a@one.example", delay=60)
    opt_out = delighted.Unsubscribe.create
    assert opt_out(client=moved.client, person_email="A@one.example").ok is True
    (choice,) = moved.town.rows(preferences)
    assert (choice.no_surveys, choice.no_commercial) == (True, False)
    assert moved.town.rows(asked_for)[0].ended_why == "cancelled"
    assert entered(moved, "a@one.example").survey_scheduled_at is None
    assert len(moved.town.rows(asked_for)) == 1
    with pytest.raises(delighted.errors.ResourceValidationError):
        opt_out(client=moved.client, person_email="nobody@one.example")


def test_a_person_is_deleted_with_all_that_was_said(moved: Moved) -> None:
    made = entered(moved, "a@one.example", name="Aleksandra", properties={"note": "Aleksandra"})
    said = delighted.SurveyResponse.create(
        client=moved.client, person=made.id, score=2, person_properties={"who": "Aleksandra"}
    )
    assert delighted.Person.delete(client=moved.client, email="a@one.example") == {"ok": True}
    for table in (contacts, asked_for, answer_extras):
        assert "one.example" not in str(moved.town.rows(table))
        assert "Aleksandra" not in str(moved.town.rows(table))
    (row,) = moved.town.rows(responses)
    assert (str(row.id), row.score, row.contact_id) == (said.id, 2, None)
    with pytest.raises(delighted.errors.ResourceValidationError):
        entered(moved, "a@one.example")
    assert moved.raw("DELETE", "/people/a@one.example").status_code == 404


def test_all_that_is_wrong_with_a_person_is_told_at_once(sqlite_moved: Moved) -> None:
    moved = sqlite_moved
    wrong = {"email": "", "delay": -1, "send": "perhaps", "channel": "sms", "last_sent_at": 2**34}
    told = moved.raw("POST", "/people", json={**wrong, "properties": "x"}).json()
    assert told["errors"]["email"] == ["can't be blank"]
    assert set(told["errors"]) == {*wrong, "properties"}
    for email in ("a@b", "Anna <anna@one.example>", "а@one.example", "a" * 65 + "@one.example"):
        answer = moved.raw("POST", "/people", json={"email": email})
        assert answer.json()["errors"] == {"email": ["is invalid"]}, email
    assert moved.town.rows(asked_for) == []
    assert book(moved.town) == []


def test_a_form_says_the_same_as_json(sqlite_moved: Moved) -> None:
    form = {"email": "a@one.example", "properties[company]": "One", "send": "false"}
    made = sqlite_moved.raw("POST", "/people.json", data=form)
    assert (made.status_code, made.json()["survey_scheduled_at"]) == (201, None)
    assert book(sqlite_moved.town)[0][:2] == ("One", "One")


# --- the survey to come ---------------------------------------------------------------------------


def test_a_survey_is_put_to_its_person_when_its_time_has_come(moved: Moved) -> None:
    town, now = moved.town, moved.api.site.clock.now()
    for email in ("a@one.example", "b@one.example", "c@one.example"):
        entered(moved, email, properties={"question_product_name": email[0]})
    entered(moved, "d@one.example", delay=7200)
    seen: list[Request] = []

    def ask(conn: Any, request: Request, at: datetime) -> Became:
        seen.append(request)
        if request.product == "a":
            return Became(again_at=at + timedelta(days=90))
        if request.product == "b":
            return Became(why="no-surveys")
        return Became(invitation_id=town_invitation)

    town_invitation = town.asked("Anna", "B-1")
    with town.engine.begin() as conn:
        conn.execute(
            update(asked_for)
            .where(asked_for.c.next_at < now + timedelta(hours=1))
            .values(next_at=now)
        )
    assert requests.put_due(town.engine, ask, now) == 3
    assert [(one.product, one.schedule) for one in seen] == [
        ("a", "delighted"),
        ("b", "delighted"),
        ("c", "delighted"),
    ]
    first, second, third, fourth = town.rows(asked_for)
    assert (first.next_at, first.ended_why) == (now + timedelta(days=90), None)
    assert (second.next_at, second.ended_why) == (None, "no-surveys")
    assert (third.ended_why, third.invitation_id) == ("asked", town_invitation)
    assert fourth.next_at == fourth.send_at
    assert requests.put_due(town.engine, ask, now) == 0


def asking_mails(moved: Moved) -> list[EmailMessage]:
    """The mails to people of one.example that the application itself has sent."""
    files = sorted((moved.api.site.root / "var/outbox").glob("*/*@one.example*.eml"))
    return [message_from_bytes(each.read_bytes(), policy=default) for each in files]


def test_the_question_arrives_and_its_answer_is_read_where_it_was_asked_for(
    sqlite_moved: Moved,
) -> None:
    moved, site = sqlite_moved, sqlite_moved.api.site
    assert site.app is not None
    properties = {"company": "One", "question_product_name": "Sentry", "plan": "gold"}
    entered(moved, "a@one.example", name="Ada", properties=properties, delay=3600)
    entered(moved, "b@one.example", properties={"company": "One"}, delay=7200)
    site.app.tick()
    assert asking_mails(moved) == []
    site.clock.advance(timedelta(hours=3))
    site.app.tick()
    (mail,) = asking_mails(moved)
    assert "a@one.example" in mail["To"]
    second = moved.town.rows(asked_for)[1]
    assert (second.ended_at, second.next_at > site.clock.now() + timedelta(days=25)) == (None, True)
    part = mail.get_body(("plain",))
    assert part is not None
    (path,) = set(re.findall(rf"{re.escape(moved.api.base)}(/s/[^\s?]+)", part.get_content()))
    site.clock.advance(timedelta(minutes=1))
    site.client.post(path, data={"score": "9"}, headers=OWN)
    (said,) = delighted.SurveyResponse.all(client=moved.client, expand=["person"])
    assert (said.score, said.person.email) == (9, "a@one.example")
    assert (said.person_properties["plan"], said.person_properties["product"]) == ("gold", "Sentry")
    assert said.person.last_sent_at is not None
    first = moved.town.rows(asked_for)[0]
    assert (first.ended_why, first.next_at) == ("asked", None)
