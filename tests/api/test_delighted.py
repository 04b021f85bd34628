"""Programs made for Delighted go on with another address: the official client for Python, as it
is, against a running server."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from tests.api.conftest import Api
from tests.api.official import delighted
from tests.surveys.conftest import Town
from worker.access.rules import Scope
from worker.catalogue.records import contacts, preferences, suppressions
from worker.surveys import rules
from worker.surveys.records import answer_extras, responses

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass
class Moved:
    """A client of Delighted that was given our address, and the book behind it."""

    api: Api
    town: Town
    key: str

    @property
    def client(self) -> Any:
        return delighted.Client(self.key, f"{self.api.base}/v1/")

    def raw(self, method: str, path: str, key: str | None = None, **more: Any) -> httpx.Response:
        pair = (self.key if key is None else key, "")
        return httpx.request(method, f"{self.api.base}/v1{path}", auth=pair, timeout=30, **more)

    def answered(self, score: int, who: str = "Anna", at: datetime = NOW, **more: Any) -> str:
        """A named answer of somebody; its id."""
        row = {"contact_id": self.town.contact(who, "B-1"), "answered_at": at, "account": "B-1"}
        return str(self.town.said(score, on=at.date().isoformat(), **row, **more))


@pytest.fixture
def moved(api: Api) -> Moved:
    """On both databases."""
    return Moved(api, Town(api.engine), api.token(Scope.DELIGHTED))


@pytest.fixture
def sqlite_moved(sqlite_api: Api) -> Moved:
    """On SQLite alone, for what no database changes."""
    return Moved(sqlite_api, Town(sqlite_api.engine), sqlite_api.token(Scope.DELIGHTED))


# --- the key --------------------------------------------------------------------------------------


def test_the_key_lets_in_with_and_without_the_colon_behind_it(sqlite_moved: Moved) -> None:
    for shown in (sqlite_moved.key, f"{sqlite_moved.key}:", f"{sqlite_moved.key}:x"):
        headers = {"Authorization": f"Basic {b64encode(shown.encode()).decode()}"}
        answer = httpx.get(f"{sqlite_moved.api.base}/v1/metrics.json", headers=headers)
        assert answer.status_code == 200, answer.text


def test_no_other_key_lets_in_and_this_one_nowhere_else(sqlite_moved: Moved) -> None:
    api = sqlite_moved.api
    for key in ("prn_none", api.token(Scope.READ, Scope.WRITE), ""):
        assert sqlite_moved.raw("GET", "/people", key).status_code in (401, 403)
    with pytest.raises(delighted.errors.AuthenticationError):
        delighted.Person.all(client=delighted.Client("none", f"{api.base}/v1/"))
    assert api.bearing(sqlite_moved.key).get("/accounts").status_code == 403
    bearing = {"Authorization": f"Bearer {sqlite_moved.key}"}
    refused = httpx.get(f"{api.base}/v1/people", headers=bearing)
    assert refused.status_code == 401
    assert refused.json() == {"status": 401, "message": "Unauthorized"}
    assert refused.headers["www-authenticate"].startswith("Basic")


# --- answers --------------------------------------------------------------------------------------


def test_answers_are_listed_with_their_people(moved: Moved) -> None:
    first = moved.answered(10, comment="Wonderful", follow_up={"What do you value?": "Speed"})
    second = moved.answered(3, "Boris", NOW + timedelta(hours=1), segment="enterprise")
    found = delighted.SurveyResponse.all(client=moved.client)
    assert [one.id for one in found] == [first, second]
    one = found[0]
    assert (one.person, one.score, one.comment) == ("Anna", 10, "Wonderful")
    assert one.survey_type == "nps"
    assert one.created_at == one.updated_at == int(NOW.timestamp())
    assert one.person_properties == {"account": "B-1", "segment": "smb", "schedule": "surveys"}
    (further,) = one.additional_answers
    assert further["question"]["text"] == "What do you value?"
    assert further["value"] == {"free_response": "Speed"}
    assert one.permalink.endswith(f"/surveys/answers/{first}")
    expanded = delighted.SurveyResponse.all(client=moved.client, expand=["person"], order="desc")
    assert [one.id for one in expanded] == [second, first]
    assert type(expanded[0].person) is delighted.Person
    assert expanded[0].person.email == "boris@example.com"
    again = delighted.SurveyResponse.retrieve(first, client=moved.client, expand=["person"])
    assert again.person.last_responded_at == int(NOW.timestamp())


def test_answers_come_page_by_page_and_of_a_time(moved: Moved) -> None:
    ids = [moved.answered(9, f"P{at}", NOW - timedelta(hours=30 - at)) for at in range(25)]
    pages = [delighted.SurveyResponse.all(client=moved.client, page=at) for at in (1, 2, 3)]
    assert [len(page) for page in pages] == [20, 5, 0]
    assert [one.id for page in pages for one in page] == ids
    since, until = NOW - timedelta(hours=26), NOW - timedelta(hours=20)
    some = delighted.SurveyResponse.all(client=moved.client, since=since, until=until)
    assert [one.id for one in some] == ids[4:11]
    mine = delighted.SurveyResponse.all(client=moved.client, person_email="P3@example.com")
    assert [one.id for one in mine] == [ids[3]]
    assert delighted.SurveyResponse.all(client=moved.client, person_id="nobody") == []


def test_who_polls_for_changes_hears_of_them(moved: Moved) -> None:
    old = moved.answered(8, "Anna", NOW - timedelta(days=9), changed_at=NOW)
    moved.answered(9, "Boris", NOW - timedelta(days=2))
    changed = delighted.SurveyResponse.all(client=moved.client, updated_since=NOW)
    assert [one.id for one in changed] == [old]
    assert changed[0].updated_at == int(NOW.timestamp())
    latest = delighted.SurveyResponse.all(client=moved.client, order="desc:updated_at", per_page=1)
    assert [one.id for one in latest] == [old]


def test_a_program_sees_no_more_of_protected_answers_than_staff(moved: Moved) -> None:
    more = {"promise": rules.CONFIDENTIAL, "comment": "Slow", "changed_at": NOW}
    id_ = str(moved.town.said(2, "B-1", "2026-10-20", contact_id=None, **more))
    moved.town.said(4, None, "2026-10-21", promise=rules.ANONYMOUS)
    moved.town.said(1, None, on="", promise=rules.ANONYMOUS)  # waits for others to come out with
    moved.town.said(0, "B-1", judged=rules.MACHINE)
    found = delighted.SurveyResponse.all(client=moved.client, expand=["person"])
    assert [(one.id == id_, one.score, one.person) for one in found] == [
        (True, 2, None),
        (False, 4, None),
    ]
    day = int(datetime(2026, 10, 20, tzinfo=UTC).timestamp())
    assert (found[0].created_at, found[0].updated_at) == (day, day)
    assert found[1].person_properties == {"segment": "smb", "schedule": "surveys"}
    changed = moved.raw("PUT", f"/survey_responses/{id_}", json={"score": 10})
    assert changed.status_code == 404


def test_answers_are_entered_and_changed(moved: Moved) -> None:
    moved.town.contact("Anna", "B-1")
    made = delighted.SurveyResponse.create(
        client=moved.client,
        person="Anna",
        score=5,
        comment="Dear",
        person_properties={"plan": "gold", "seats": 12},
        tags=["phone"],
        notes=[{"text": "Called back", "user_email": "sales@example.com"}],
    )
    assert (made.person, made.score, made.tags) == ("Anna", 5, ["phone"])
    assert made.person_properties["plan"] == "gold"
    assert made.person_properties["seats"] == "12"
    assert made.notes == ["1"]
    kept = delighted.SurveyResponse.retrieve(made.id, client=moved.client, expand=["person"])
    kept.score, kept.person_properties = 9, {"plan": "silver"}
    saved = kept.save(client=moved.client)
    assert (saved.score, saved.person, saved.comment) == (9, "Anna", "Dear")
    assert saved.updated_at >= saved.created_at
    (row,) = moved.town.rows(responses)
    assert (row.score, row.vote, row.source, row.promise) == (9, 1, "api", "named")
    assert (row.role, row.segment, row.schedule) == (None, "smb", "delighted")
    (extras,) = moved.town.rows(answer_extras)
    assert extras.notes[0]["text"] == "Called back"
    told = moved.raw("GET", f"/survey_responses/{made.id}.json?expand[]=notes").json()
    assert told["notes"][0]["user_email"] == "sales@example.com"
    assert [line[1] for line in moved.api.log()] == ["response.entered", "response.changed"]


def test_an_answer_that_is_entered_is_that_to_the_question_that_was_asked(moved: Moved) -> None:
    early = moved.api.site.clock.now() - timedelta(days=1)
    more = {"schedule": "delighted", "role": "technical", "asked_at": early}
    asked = moved.town.asked("Anna", "B-1", **more)
    made = delighted.SurveyResponse.create(client=moved.client, person="Anna", score=7)
    (row,) = moved.town.rows(responses)
    assert (str(row.id), row.invitation_id, row.role) == (made.id, asked, "technical")
    delighted.SurveyResponse.create(client=moved.client, person="Anna", score=8)
    at = early - timedelta(days=90)
    delighted.SurveyResponse.create(
        client=moved.client, person="Anna", score=9, created_at=int(at.timestamp())
    )
    found = {row.score: row for row in moved.town.rows(responses)}
    assert found[8].invitation_id not in (None, asked)
    assert found[9].invitation_id is None
    assert found[9].answered_on == at.date()


def test_all_that_is_wrong_with_an_answer_is_told_at_once(sqlite_moved: Moved) -> None:
    with pytest.raises(delighted.errors.ResourceValidationError) as caught:
        delighted.SurveyResponse.create(client=sqlite_moved.client, score=11)
    assert caught.value.response.status_code == 422
    told = httpx.Response(422, content=caught.value.response.body).json()
    assert told == {
        "status": 422,
        "message": "Unprocessable Entity",
        "errors": {
            "score": ["must be a whole number from 0 to 10"],
            "person": ["can't be blank"],
        },
    }
    for wrong in ({"per_page": 101}, {"page": "x"}, {"order": "up"}, {"expand[]": "all"}):
        assert sqlite_moved.raw("GET", "/survey_responses", params=wrong).status_code == 422
    for body in (b"{", b"[]", b'{"a": "\\ud800"}', b'"x"', b"[" * 100_000):
        headers = {"Content-Type": "application/json"}
        answer = sqlite_moved.raw("POST", "/survey_responses", content=body, headers=headers)
        assert answer.status_code == 422, body[:20]
    assert sqlite_moved.raw("GET", "/survey_responses/x").status_code == 404
    assert sqlite_moved.raw("GET", f"/survey_responses/{2**62}").status_code == 404


# --- figures --------------------------------------------------------------------------------------


def test_metrics_are_the_figures_of_the_book(moved: Moved) -> None:
    for score, count in ((10, 4), (8, 2), (2, 1)):
        for at in range(count):
            moved.answered(score, f"P{score}-{at}")
    moved.answered(0, "Late", NOW - timedelta(days=40), schedule="renewals")
    usual = delighted.Metrics.retrieve(client=moved.client)
    assert (usual.nps, usual.response_count) == (43, 7)
    assert (usual.promoter_count, usual.promoter_percent) == (4, 57.1)
    assert (usual.passive_count, usual.detractor_count) == (2, 1)
    assert usual.nps_low < usual.nps < usual.nps_high
    since = NOW - timedelta(days=50)
    assert delighted.Metrics.retrieve(client=moved.client, since=since).response_count == 8
    one = delighted.Metrics.retrieve(client=moved.client, since=since, trend="renewals")
    assert (one.nps, one.response_count) == (-100, 1)
    none = delighted.Metrics.retrieve(client=moved.client, until=date_of(2020))
    assert (none.nps, none.response_count, none.promoter_percent) == (None, 0, 0.0)
    with pytest.raises(delighted.errors.ResourceValidationError):
        delighted.Metrics.retrieve(client=moved.client, trend="4711")


def date_of(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


# --- people ---------------------------------------------------------------------------------------


def test_people_are_listed_page_by_page_as_a_link_leads(moved: Moved) -> None:
    for at in range(5):
        moved.town.contact(f"K {at}", "B-1", email=f"k{at}@example.com")
    moved.town.contact("No address", "B-1", email=None)
    pages = delighted.Person.list(client=moved.client, per_page=2)
    found = list(pages.auto_paging_iter())
    assert [one.id for one in found] == ["C-1", "K 0", "K 1", "K 2", "K 3", "K 4"]
    assert pages.iteration_count == 3
    (one,) = delighted.Person.all(client=moved.client, email="K3@Example.com")
    assert (one.id, one.email, one.last_sent_at) == ("K 3", "k3@example.com", None)
    assert moved.raw("GET", "/people?page_info=x").status_code == 422


def test_who_opted_out_and_whose_address_bounced_are_listed(moved: Moved) -> None:
    ids = [moved.town.contact(name, "B-1") for name in ("Anna", "Boris", "Cyril")]
    with moved.api.engine.begin() as conn:
        row = {"contact_id": ids[0], "no_surveys": True, "updated_at": NOW}
        conn.execute(insert(preferences).values(**row))
        for name, why in (("boris", "bounced"), ("cyril", "complained")):
            gone = {"address": f"{name}@example.com", "reason": why, "at": NOW}
            conn.execute(insert(suppressions).values(**gone))
    (out,) = delighted.Unsubscribe.all(client=moved.client)
    at = int(NOW.timestamp())
    told = {"person_id": "Anna", "email": "anna@example.com", "name": None}
    assert dict(out) == told | {"unsubscribed_at": at}
    (bounce,) = delighted.Bounce.all(client=moved.client, since=NOW)
    assert (bounce.person_id, bounce.bounced_at) == ("Boris", at)
    assert delighted.Bounce.all(client=moved.client, until=NOW - timedelta(1)) == []


def test_whom_schedules_ask_can_be_read_and_not_be_changed(moved: Moved) -> None:
    moved.town.contact("Anna", "B-1")
    kind = delighted.AutopilotMembership.forEmail()
    assert list(kind.list(client=moved.client).auto_paging_iter()) == []
    settings = delighted.AutopilotConfiguration.retrieve("email", client=moved.client)
    assert (settings.platform_id, settings.active) == ("email", True)
    with pytest.raises(delighted.errors.GeneralAPIError) as caught:
        kind.create(client=moved.client, person_email="anna@example.com")
    assert caught.value.response.status_code == 405
    with moved.api.engine.begin() as conn:
        assert conn.execute(select(contacts.c.id)).first()


def test_an_address_that_there_is_not_says_so(sqlite_moved: Moved) -> None:
    assert sqlite_moved.raw("GET", "/nothing").status_code == 404
    assert sqlite_moved.raw("PATCH", "/people").status_code == 405
    assert sqlite_moved.raw("GET", "/nothing", "none").status_code == 401
