"""A survey on its page: a click chooses, a form counts, promises are kept, colleagues are asked."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from tests.clients.conftest import Site
from tests.waiting import until
from worker.catalogue import preferences
from worker.catalogue.records import accounts, contacts
from worker.clients import erasing, exporting, people
from worker.clients.records import preselections, visits
from worker.events.records import events
from worker.outbox.records import messages
from worker.surveys import rules
from worker.surveys.records import invitations, responses

FURTHER = {"improve": "Faster quotes", "value": "Your people", "communication": "Nothing"}


@pytest.fixture
def asked(site: Site) -> str:
    """The link of somebody who was asked with a name, and whose mail is long there."""
    path = site.asked()
    site.later(minutes=5)
    return path


def scores(site: Site) -> list[tuple[int, str]]:
    return [(row.score, row.judged) for row in site.rows(preselections)]


def chosen(page: Any) -> list[str]:
    return re.findall(r'value="(\d+)" checked', page.text)


# --- one who is named -----------------------------------------------------------------------------


def test_the_page_asks_the_question_of_the_survey_and_says_what_is_promised(
    site: Site, asked: str
) -> None:
    page = site.client.get(asked)
    assert page.status_code == 200
    for said in (
        "After this renewal: how likely are you",
        "For anna@example.com, Client One",
        "Not at all likely",
        "We see that the answer is yours",
        "December 20, 2026",
    ):
        assert said in page.text
    assert re.findall(r'name="score" id="score-(\d+)"', page.text) == [str(n) for n in range(11)]
    assert chosen(page) == []


def test_a_click_in_the_mail_chooses_a_score_and_records_none(site: Site, asked: str) -> None:
    before = site.business()
    assert chosen(site.client.get(f"{asked}?score=9")) == ["9"]
    until(lambda: scores(site) != [])
    assert site.business() == before
    assert site.said() == []


@pytest.mark.parametrize(
    "query", ["score=11", "score=-1", "score=9.5", "score=9&score=8", "score="]
)
def test_what_is_no_score_chooses_nothing(sqlite_site: Site, query: str) -> None:
    page = sqlite_site.client.get(f"{sqlite_site.asked()}?{query}")
    assert (page.status_code, chosen(page)) == (200, [])


@pytest.mark.parametrize(
    ("score", "asks", "thanks"),
    [
        (10, "What would you tell them about us?", "count on your word"),
        (7, "What is missing for a 9 or a 10?", "where we can do better"),
        (6, "What went wrong?", "We take it up"),
    ],
)
def test_a_score_leads_to_what_fits_it(site: Site, asked: str, score: int, asks: str, thanks: str):
    sent = site.send(asked, score=score)
    assert sent.status_code == 303
    more = site.client.get(f"{asked}/more")
    assert asks in more.text
    assert f"Your answer: {score}." in more.text
    sent = site.send(f"{asked}/more", comment="As I said", **FURTHER)
    assert (sent.status_code, sent.headers["location"]) == (303, "thanks")
    assert thanks in site.client.get(f"{asked}/thanks").text
    (row,) = site.rows(responses)
    assert (row.score, row.comment, row.follow_up) == (score, "As I said", FURTHER)
    assert (row.judged, row.source, row.language) == (rules.HUMAN, "page", "en")
    assert row.contact_id == site.rows(invitations)[0].contact_id
    assert site.rows(invitations)[0].answered


def test_the_answer_can_be_changed_and_what_was_written_stays(site: Site, asked: str) -> None:
    site.send(asked, score=3)
    site.send(f"{asked}/more", comment="Slow", improve="Speed")
    page = site.client.get(asked)
    assert chosen(page) == ["3"]
    assert "Your answer so far: 3." in page.text
    site.later(days=20)
    site.send(asked, score=8)
    (row,) = site.rows(responses)
    assert (row.score, row.vote, row.comment, row.follow_up) == (8, 0, "Slow", {"improve": "Speed"})
    assert "Slow</textarea>" in site.client.get(f"{asked}/more").text


def test_a_click_on_another_score_chooses_it_over_the_one_that_stands(
    site: Site, asked: str
) -> None:
    site.send(asked, score=3)
    assert chosen(site.client.get(f"{asked}?score=9")) == ["9"]
    assert site.said() == [(3, None, "human")]


def test_two_tabs_and_a_second_press_change_nothing(site: Site, asked: str) -> None:
    for _ in range(2):
        site.send(asked, score=9)
        site.send(f"{asked}/more", comment="Good")
        before = site.rows(responses)
    site.later(minutes=1)
    site.send(asked, score=9)
    site.send(f"{asked}/more", comment="Good")
    assert site.rows(responses) == before


@pytest.mark.parametrize("score", ["11", "-1", "9.5", "", "nine", "٩"])
def test_what_is_no_score_is_told_and_not_recorded(site: Site, asked: str, score: str) -> None:
    before = site.business()
    sent = site.send(asked, score=score)
    assert sent.status_code == 422
    assert "Choose one number from 0 to 10" in sent.text
    assert site.send(asked, score=["9", "8"]).status_code == 422
    assert site.send(asked).status_code == 422
    assert site.business() == before


def test_words_without_a_score_lead_back_to_the_question(site: Site, asked: str) -> None:
    before = site.business()
    for word in ("more", "thanks"):
        assert site.client.get(f"{asked}/{word}").status_code == 303
    assert site.send(f"{asked}/more", comment="Good").status_code == 303
    assert site.business() == before


def test_a_closed_survey_says_since_when_and_records_nothing(site: Site, asked: str) -> None:
    site.send(asked, score=9)
    site.later(days=30)
    before = site.business()
    for page in (site.client.get(asked), site.send(asked, score=1), site.send(f"{asked}/more")):
        assert page.status_code == 410
        assert "It closed on December 20, 2026" in page.text
    assert site.client.get(f"{asked}/colleague").status_code == 303
    assert site.send(f"{asked}/colleague", colleague="Eva").status_code == 303
    assert site.business() == before


@pytest.mark.parametrize(
    ("language", "asks", "thanks"),
    [
        ("pl", "Jak bardzo prawdopodobne jest", "Dziękujemy za szczerość"),
        ("ru", "Насколько вероятно", "Спасибо за откровенность"),
    ],
)
def test_everything_is_in_the_readers_language(
    site: Site, language: str, asks: str, thanks: str
) -> None:
    path = site.asked()
    site.set(messages, language=None)
    site.set(contacts, language=language)
    site.later(minutes=5)
    page = site.client.get(path, headers={"Accept-Language": "en"})
    assert (page.headers["content-language"], asks in page.text) == (language, True)
    site.send(path, score=2)
    assert thanks in site.client.get(f"{path}/thanks").text
    assert site.rows(responses)[0].language == language


def test_a_survey_in_a_language_without_pages_is_marked_as_such(site: Site, asked: str) -> None:
    folder = site.root / "templates/survey/renewal"
    german = (folder / "questions.en.toml").read_text(encoding="utf-8")
    german = german.replace("After this renewal: how likely", "Wie wahrscheinlich")
    (folder / "questions.de.toml").write_text(german, encoding="utf-8")
    site.set(messages, language="de")
    page = site.client.get(asked)
    assert page.headers["content-language"] == "en"
    assert '<h1 lang="de">Wie wahrscheinlich' in page.text


def test_a_survey_whose_questions_are_gone_says_that_nothing_is_lost(site: Site) -> None:
    page = site.client.get(site.asked(survey="nobody"))
    assert page.status_code == 503
    assert "Nothing is lost" in page.text


# --- who may count --------------------------------------------------------------------------------


def test_a_form_within_ten_seconds_of_delivery_is_kept_and_does_not_count(site: Site) -> None:
    path = site.asked()
    site.later(seconds=9)
    assert site.send(path, score=10).status_code == 303
    assert site.said() == [(10, None, "possible")]
    assert not site.rows(invitations)[0].answered
    site.later(seconds=1)
    site.send(path, score=4)
    assert site.said() == [(4, None, "human")]
    assert site.rows(invitations)[0].answered


def test_the_words_of_a_person_make_a_quick_score_count(site: Site) -> None:
    path = site.asked()
    site.send(path, score=10)
    site.later(minutes=1)
    site.send(f"{path}/more")
    assert site.said() == [(10, None, "human")]


def test_delivery_is_when_the_provider_told_of_it(site: Site) -> None:
    path = site.asked()
    site.later(minutes=5)
    mail = site.rows(messages)[-1]
    told = {"channel": "sendgrid", "kind": "delivered", "raw": {}, "mail_key": mail.mail_key}
    told |= {"address": mail.address, "received_at": site.clock.now()}
    with site.engine.begin() as conn:
        for key, at in (("1", site.clock.now()), ("2", site.clock.now() + timedelta(hours=1))):
            conn.execute(insert(events).values(**told, key=key, at=at))
    site.later(seconds=3)
    site.send(path, score=10)
    assert site.said() == [(10, None, "possible")]


def test_a_form_of_another_site_is_not_taken(site: Site, asked: str) -> None:
    before = site.business()
    for word in ("", "/more", "/colleague"):
        headers = {"Sec-Fetch-Site": "cross-site"}
        sent = site.client.post(asked + word, data={"score": "9"}, headers=headers)
        assert sent.status_code == 403
    assert site.business() == before


ASKING = """
name = "After the renewal"
trigger = "licence-renewed"
class = "survey"
[calendar]
timezone = "UTC"
hours = "00:00-23:59"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
holidays = "none"
[limits]
valid_for = "5 days"
[[steps]]
id = "ask"
when = "1 day after"
survey = "renewal"
[[steps]]
id = "remind"
when = "3 days after"
survey = "renewal"
unless = ["answered"]
"""


def test_mails_of_a_schedule_lead_to_the_page_and_a_reminder_to_the_same_one(site: Site) -> None:
    site.booked("L-1")
    site.apply(ASKING)
    site.run()
    site.renew()
    site.later(days=1, hours=2)
    site.run()
    first = site.links()["s"]
    assert chosen(site.client.get(f"{first}?score=4")) == ["4"]
    site.later(days=2)
    site.run()
    assert len(site.mails()) == 2
    again = site.links()["s"]
    site.later(seconds=5)
    site.send(again, score=10)  # the reminder is just there: no person reads so quickly
    assert site.said() == [(10, None, "possible")]
    site.later(minutes=5)
    site.send(again, score=9)
    assert chosen(site.client.get(first)) == ["9"]
    assert site.said() == [(9, None, "human")]
    assert len(site.rows(invitations)) == 1
    assert site.client.get(site.links()["p"]).status_code == 200


# --- the promises ---------------------------------------------------------------------------------


def test_a_confidential_answer_names_no_person_and_can_be_changed(site: Site) -> None:
    path = site.asked(rules.CONFIDENTIAL)
    site.later(minutes=5)
    assert "never your name" in site.client.get(path).text
    site.send(path, score=3)
    site.send(path, score=4)
    (row,) = site.rows(responses)
    assert (row.score, row.contact_id, row.answered_at) == (4, None, None)
    assert row.role == "decision-maker"


def test_an_anonymous_answer_is_asked_at_once_and_leads_to_nobody(site: Site) -> None:
    path = site.asked(rules.ANONYMOUS)
    site.later(minutes=5)
    page = site.client.get(f"{path}?score=9")
    assert "Nobody sees whose answer this is" in page.text
    assert "You can change your answer" not in page.text
    assert "What should we change?" in page.text
    sent = site.send(path, score=2, comment="Slow", improve="Speed")
    assert sent.status_code == 200
    assert "We take it up" in sent.text
    (row,) = site.rows(responses)
    assert (row.score, row.comment, row.follow_up) == (2, "Slow", {"improve": "Speed"})
    named = (row.invitation_id, row.contact_id, row.account_id, row.answered_at, row.language)
    assert named == (None,) * 5
    for again in (site.client.get(path), site.send(path, score=9)):
        assert "nobody can tell which one is yours" in again.text
    assert site.said() == [(2, "Slow", "human")]
    until(lambda: len(site.rows(visits)) > 0)
    assert site.rows(preselections) == []


def test_an_anonymous_answer_that_came_too_quickly_is_given_back(site: Site) -> None:
    path = site.asked(rules.ANONYMOUS)
    sent = site.send(path, score=2, comment="Slow")
    assert sent.status_code == 422
    assert "press the button again in a few seconds" in sent.text
    assert chosen(sent) == ["2"]
    assert "Slow</textarea>" in sent.text
    assert site.said() == []
    site.later(seconds=10)
    site.send(path, score=2, comment="Slow")
    assert site.said() == [(2, "Slow", "human")]


# --- a colleague ----------------------------------------------------------------------------------


def passed_on(site: Site, path: str) -> list[str]:
    found = re.findall(r'class="link">([^<]+)<', site.client.get(f"{path}/colleague").text)
    return [url.removeprefix(str(site.client.base_url).rstrip("/")) for url in found]


def test_a_colleague_gets_a_link_and_nobody_is_written_to(site: Site, asked: str) -> None:
    mails = len(site.mails())
    assert site.send(f"{asked}/colleague", colleague=" Eva  Nowak ").status_code == 303
    page = site.client.get(f"{asked}/colleague")
    assert "For Eva Nowak" in page.text
    (path,) = passed_on(site, asked)
    site.run()
    assert len(site.mails()) == mails
    _, eva = site.rows(contacts)
    assert (eva.name, eva.email, eva.account_id) == ("Eva Nowak", None, site.rows(accounts)[0].id)
    opened = site.client.get(path)
    assert "For Eva Nowak, Client One" in opened.text
    assert "What should we change?" in opened.text
    assert "preferences" not in opened.text
    assert f'"{path[3:]}/colleague"' not in opened.text
    sent = site.send(path, score=8, comment="All well")
    assert "where we can do better" in sent.text
    (row,) = site.rows(responses)
    assert (row.contact_id, row.score, row.comment) == (eva.id, 8, "All well")


def test_neither_sees_what_the_other_answered(site: Site, asked: str) -> None:
    site.send(f"{asked}/colleague", colleague="Eva")
    (path,) = passed_on(site, asked)
    site.send(asked, score=1)
    site.send(f"{asked}/more", comment="Mine")
    page = site.client.get(path)
    assert (chosen(page), "Mine" in page.text) == ([], False)
    site.send(path, score=8, comment="Hers")
    again = site.client.get(path)
    assert "An answer was given here already" in again.text
    assert (chosen(again), "Hers" in again.text) == ([], False)
    assert site.client.get(f"{path}/more").status_code == 303
    assert site.client.get(f"{path}/thanks").status_code == 303
    site.send(path, score=9, comment="Hers again")
    assert sorted(site.said()) == [(1, "Mine", "human"), (9, "Hers again", "human")]


def test_a_contact_of_the_book_is_known_by_address_or_name(site: Site, asked: str) -> None:
    account = site.rows(accounts)[0].id
    eva = {"key": "C-9", "account_id": account, "name": "Eva Nowak", "email": "eva@example.com"}
    with site.engine.begin() as conn:
        conn.execute(insert(contacts).values(**eva, role="technical", updated_at=site.clock.now()))
    for who in ("eva@EXAMPLE.com", "Eva Nowak", "Eva Nowak"):
        assert site.send(f"{asked}/colleague", colleague=who).status_code == 303
    _, invited = site.rows(invitations)
    assert (invited.contact_id, invited.role) == (site.rows(contacts)[1].id, "technical")
    assert invited.passed_on_by == site.rows(invitations)[0].id
    assert len(passed_on(site, asked)) == 1


@pytest.mark.parametrize(
    ("who", "said"),
    [("", "Write a name or an address"), ("anna@example.com", "That is you"), (" \x00\n", "Write")],
)
def test_nobody_and_oneself_are_no_colleagues(site: Site, asked: str, who: str, said: str) -> None:
    before = site.business()
    sent = site.send(f"{asked}/colleague", colleague=who)
    assert (sent.status_code, said in sent.text) == (422, True)
    assert site.business() == before


def test_a_question_is_passed_on_to_three_and_not_passed_on_again(site: Site, asked: str) -> None:
    for who in ("Eva", "Jan", "Ola"):
        site.send(f"{asked}/colleague", colleague=who)
    sent = site.send(f"{asked}/colleague", colleague="Piotr")
    assert (sent.status_code, "to 3 people already" in sent.text) == (422, True)
    links = passed_on(site, asked)
    assert len(links) == 3
    assert site.client.get(f"{links[0]}/colleague").status_code == 303
    assert site.send(f"{links[0]}/colleague", colleague="Zoe").status_code == 303
    assert len(site.rows(invitations)) == 4


def test_revoked_links_and_those_of_nobody_open_nothing(site: Site, asked: str) -> None:
    mail = site.rows(messages)[-1]
    assert site.client.get(site.link(mail.mail_key, mail.contact_id + 99)).status_code == 404
    assert site.client.get(site.link("0123456789abcdef", mail.contact_id)).status_code == 404
    assert site.client.get(f"/a{asked[2:]}").status_code == 404
    with site.engine.begin() as conn:
        now = site.clock.now() + timedelta(seconds=1)
        preferences.put(conn, [mail.contact_id], now, links_from=now)
    assert site.client.get(asked).status_code == 410


def test_whoever_is_erased_leaves_no_score_that_was_opened(site: Site, asked: str) -> None:
    site.client.get(f"{asked}?score=9")
    until(lambda: scores(site) != [])
    with site.engine.begin() as conn:
        person = people.find(conn, "anna@example.com")
        opened = exporting.of(conn, person)["survey_scores_opened"]
        assert [one["score"] for one in opened] == [9]
        erasing.erase(conn, person, site.clock.now())
    assert scores(site) == []
    assert site.client.get(asked).status_code == 404


def test_pages_of_a_survey_keep_themselves_to_themselves(sqlite_site: Site) -> None:
    path = sqlite_site.asked()
    sqlite_site.later(minutes=5)
    sqlite_site.send(path, score=9)
    sqlite_site.send(f"{path}/colleague", colleague="<script>alert(1)</script>")
    for word in ("", "/more", "/thanks", "/colleague"):
        page = sqlite_site.client.get(path + word)
        assert page.status_code == 200
        assert "<script" not in page.text
        assert page.headers["cache-control"] == "no-store"
        assert sqlite_site.client.options(path + word).status_code == 204
