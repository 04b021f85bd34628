"""Clients answer from the mail: what each answer records, stops, moves and asks of whom."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.clients.conftest import COMMERCIAL, GROUPED, OWN, Site
from worker.cadence.records import happenings, walks
from worker.catalogue.records import accounts, licences
from worker.clients.records import answers
from worker.worklist import store as worklist

STEPS = {"renew": {}, "quantity": {"quantity:L-1": "30"}, "quote": {}}


def test_the_page_shows_the_licences_and_what_can_be_answered(site: Site) -> None:
    page = site.client.get(site.mailed(GROUPED, "L-1", "L-2")["a"])
    assert page.status_code == 200
    for said in ("Product L-1", "Product L-2", "anna@example.com", "Client One"):
        assert said in page.text
    for kind in ("renew", "quantity", "quote", "remind", "decline", "colleague"):
        assert f'value="{kind}"' in page.text
    assert "checked" in page.text


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_who_waits_for_us_is_not_chased_until_the_task_is_closed(site: Site, kind: str) -> None:
    path = site.mailed()["a"]
    site.set(accounts, renewal_manager="maria")
    sent = site.client.post(
        path, data={"answer": kind, "licence": "L-1", **STEPS[kind]}, headers=OWN
    )
    assert sent.status_code == 303
    (task,) = site.open_tasks()
    assert (task.kind, task.assignee, task.due_on) == ("answer", "maria", date(2026, 11, 24))
    assert site.standing() == [("client", task.key)]
    assert {row.what for row in site.rows(happenings)} >= {"answered"}
    site.later(days=33)
    site.run()
    assert site.decisions()["grace"] == ("suppressed", "answered")
    assert len(site.mails()) == 1


def test_closing_the_task_lets_mails_go_again(site: Site) -> None:
    site.answer(site.mailed()["a"], "renew")
    with site.engine.begin() as conn:
        worklist.close(conn, site.open_tasks()[0].key, "offer sent", site.clock.now())
    assert site.standing() == []
    site.later(days=33)
    site.run()
    assert len(site.mails()) == 2


def test_the_task_says_all_that_is_needed(site: Site) -> None:
    path = site.mailed(GROUPED, "L-1", "L-2")["a"]
    site.set(licences, quantity=25)
    site.answer(
        path, "quantity", "L-1", "L-2",
        **{"quantity:L-1": "30", "quantity:L-2": "1 200", "note": "PO 4711\r\nfor both"},
    )  # fmt: skip
    (task,) = site.open_tasks()
    assert task.title == "Client One: change the quantity (L-1, L-2)"
    assert task.detail == (
        "L-1 Product L-1, expires on 2026-12-20: change the quantity from 25 to 30\n"
        "L-2 Product L-2, expires on 2026-12-20: change the quantity from 25 to 1200\n"
        "Note: PO 4711\nfor both\n"
        "Answered by <anna@example.com>, 2026-11-20 12:00 UTC.\n"
        "Mails about what is asked for rest until this task is closed."
    )


def test_some_licences_of_a_mail_can_be_answered_and_others_not(site: Site) -> None:
    path = site.mailed(GROUPED, "L-1", "L-2")["a"]
    site.answer(path, "renew", "L-2")
    site.later(days=33)
    site.run()
    assert site.decisions("L-1")["grace"][0] == "sent" or "grace" in site.decisions("L-1")
    assert site.decisions("L-2")["grace"] == ("suppressed", "answered")
    assert site.decisions("L-1")["grace"] != ("suppressed", "answered")


def test_a_reminder_rests_the_mails_until_that_day(site: Site) -> None:
    path = site.mailed(REMINDING)["a"]
    assert site.answer(path, "remind", until="2026-12-10").status_code == 303
    assert {row.rests_until for row in site.rows(walks)} == {date(2026, 12, 10)}
    site.later(days=12)
    site.run()
    assert len(site.mails()) == 1
    site.later(days=9)
    site.run()
    assert len(site.mails()) == 2
    (task,) = site.open_tasks()
    assert task.due_on == date(2026, 12, 10)
    assert site.standing() == []


REMINDING = """
name = "Licence renewal"
trigger = "licence-expiry"
class = "contractual"

[calendar]
timezone = "UTC"
hours = "00:00-23:59"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
holidays = "none"

[[steps]]
id = "heads-up"
when = "30 days before"
email = "renewal/heads-up"

[[steps]]
id = "reminder"
when = "18 days before"
email = "renewal/reminder"

[[steps]]
id = "last"
when = "10 days before"
email = "renewal/reminder"
"""


def test_an_answer_that_came_before_the_mail_left_keeps_it_back(site: Site) -> None:
    path = site.mailed(REMINDING)["a"]
    site.later(days=12)
    site.decide()
    assert site.states()[-1][0] == "due"
    site.answer(path, "renew")
    site.run()
    assert len(site.mails()) == 1
    assert site.decisions()["reminder"] == ("suppressed", "answered")


@pytest.mark.parametrize("day", ["2026-11-20", "2026-12-21", "2027-02-30", "soon", ""])
def test_a_reminder_is_between_tomorrow_and_the_expiry(site: Site, day: str) -> None:
    path = site.mailed()["a"]
    before = site.business()
    sent = site.answer(path, "remind", until=day)
    assert sent.status_code == 422
    assert "November 21, 2026" in sent.text
    assert "December 20, 2026" in sent.text
    assert site.business() == before


def test_who_will_not_renew_is_left_alone_and_the_reason_is_told(site: Site) -> None:
    path = site.mailed()["a"]
    site.answer(path, "decline", reason="price", note="20 % more than last year")
    assert site.rows(licences)[0].declined_term == 1
    (task,) = site.open_tasks()
    assert "will not renew, because: the price" in task.detail
    assert "20 % more than last year" in task.detail
    site.later(days=33)
    site.run()
    assert len(site.mails()) == 1


def test_a_colleague_is_for_the_manager_to_find_and_nobody_new_is_mailed(site: Site) -> None:
    path = site.mailed()["a"]
    site.answer(path, "colleague", colleague="jo@elsewhere.example")
    (task,) = site.open_tasks()
    assert "The colleague: jo@elsewhere.example" in task.detail
    site.later(days=33)
    site.run()
    assert set(site.addresses()) == {"anna@example.com"}


def test_the_same_answer_twice_is_one_answer(site: Site) -> None:
    path = site.mailed()["a"]
    site.answer(path, "renew")
    before = site.business()
    again = site.answer(path, "renew")
    assert again.status_code == 303
    assert site.business() == before


def test_the_last_answer_counts_and_the_one_before_is_undone(site: Site) -> None:
    path = site.mailed()["a"]
    site.answer(path, "decline", reason="budget")
    site.later(minutes=1)
    site.answer(path, "remind", until="2026-12-01")
    assert site.rows(licences)[0].declined_term is None
    site.later(minutes=1)
    site.answer(path, "quote")
    assert {row.rests_until for row in site.rows(walks)} == {None}
    assert len(site.standing()) == 1
    site.later(minutes=1)
    site.answer(path, "decline", reason="price")
    assert site.standing() == []
    assert "quote-asked" not in {row.what for row in site.rows(happenings)}
    assert [kind for kind, _ in site.answers()] == ["decline", "remind", "quote", "decline"]
    (task,) = site.open_tasks()
    assert task.title == "Client One: will not renew (L-1)"


def test_a_later_mail_can_change_what_an_earlier_one_was_answered(site: Site) -> None:
    first = site.mailed(REMINDING, "L-1", "L-2")["a"]
    site.answer(first, "remind", "L-1", until="2026-11-25")
    site.later(days=12)
    site.run()
    assert len(site.mails()) > 2
    later = site.links()["a"]
    assert later != first
    page = site.client.get(later)
    assert page.status_code == 200
    keys = [key for key in ("L-1", "L-2") if f'value="{key}"' in page.text]
    site.answer(later, "renew", *keys)
    assert len({task.key for task in site.open_tasks()}) == len(site.open_tasks())
    for task in site.open_tasks():
        assert not ("remind later" in task.title and keys[0] in task.title)


def test_an_answer_is_about_the_mails_own_term(site: Site) -> None:
    path = site.mailed()["a"]
    site.renew()
    page = site.client.get(path)
    assert "Renewed meanwhile" in page.text
    assert "<form" not in page.text
    before = site.business()
    sent = site.answer(path, "decline", reason="price")
    assert sent.status_code == 422
    assert site.business() == before


def test_after_sending_the_page_says_what_was_recorded_and_lets_it_be_changed(site: Site) -> None:
    path = site.mailed()["a"]
    sent = site.answer(path, "quantity", **{"quantity:L-1": "30"})
    thanks = site.client.get(str(site.client.base_url.join(path).join(sent.headers["location"])))
    assert "Change the quantity to 30" in thanks.text
    assert "within two working days" in thanks.text
    page = site.client.get(path)
    assert 'value="quantity" checked' in page.text
    assert 'value="30"' in page.text
    assert "Answered on November 20, 2026" in page.text


def test_thanks_without_an_answer_leads_back_to_the_question(site: Site) -> None:
    path = site.mailed()["a"]
    back = site.client.get(f"{path}/thanks")
    assert back.status_code == 303
    assert site.client.base_url.join(f"{path}/thanks").join(back.headers["location"]).path == path


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"answer": "renew"},
        {"answer": "sell", "licence": "L-1"},
        {"answer": "renew", "licence": "L-999"},
        {"answer": "quantity", "licence": "L-1"},
        {"answer": "quantity", "licence": "L-1", "quantity:L-1": "-1"},
        {"answer": "quantity", "licence": "L-1", "quantity:L-1": "9.5"},
        {"answer": "quantity", "licence": "L-1", "quantity:L-1": "0"},
        {"answer": "quantity", "licence": "L-1", "quantity:L-1": "٣"},
        {"answer": "decline", "licence": "L-1"},
        {"answer": "decline", "licence": "L-1", "reason": "<script>"},
        {"answer": "colleague", "licence": "L-1", "colleague": " "},
    ],
)
def test_a_form_that_does_not_fit_says_so_and_changes_nothing(
    site: Site, fields: dict[str, str]
) -> None:
    path = site.mailed()["a"]
    before = site.business()
    sent = site.client.post(path, data=fields or {"x": "y"}, headers=OWN)
    assert sent.status_code == 422
    assert 'class="error"' in sent.text
    assert site.business() == before


def test_a_licence_of_another_client_cannot_be_answered_about(site: Site) -> None:
    path = site.mailed()["a"]
    site.licence("L-7")
    before = site.business()
    assert site.answer(path, "decline", "L-7", reason="price").status_code == 422
    assert site.business() == before


def test_what_clients_write_is_data_and_never_acts(site: Site) -> None:
    path = site.mailed()["a"]
    evil = "<script>alert(1)</script> {{ config }} \u202eevil\x00"
    site.answer(path, "colleague", colleague=evil, note=evil)
    page = site.client.get(path)
    assert "<script>" not in page.text
    assert "{{ config }}" in page.text
    ((_, detail),) = site.answers()
    assert detail["note"] == "<script>alert(1)</script> {{ config }} evil"


def test_an_offer_leads_to_the_same_page(site: Site) -> None:
    site.answer(site.mailed(COMMERCIAL)["a"], "quote")
    assert [kind for kind, _ in site.answers()] == ["quote"]


def test_answers_in_two_tabs_leave_one_task(site: Site) -> None:
    path = site.mailed()["a"]
    site.answer(path, "renew")
    site.later(seconds=1)
    site.answer(path, "quote")
    assert len(site.open_tasks()) == 1
    assert len(site.standing()) == 1
    assert len(site.rows(answers)) == 2


def test_a_day_is_the_clients_own(site: Site) -> None:
    path = site.mailed()["a"]
    site.set(accounts, timezone="Pacific/Auckland")
    site.later(hours=1)
    page = site.client.get(path)
    assert f'min="{date(2026, 11, 21) + timedelta(days=1)}"' in page.text
