"""People choose what they get, and their choice holds; one click is enough to leave."""

from __future__ import annotations

from datetime import date

import pytest

from tests.clients.conftest import COMMERCIAL, OWN, Site
from worker.catalogue.records import contacts

WISHES = {"offers": "yes", "questions": "yes", "language": "", "pause": "", "action": "save"}


def wish(site: Site, path: str, **more: str) -> None:
    fields = {name: value for name, value in {**WISHES, **more}.items() if value != "-"}
    sent = site.client.post(path, data=fields, headers=OWN)
    assert sent.status_code == 303
    shown = site.client.get(str(site.client.base_url.join(path).join(sent.headers["location"])))
    assert shown.status_code == 200
    assert 'role="status"' in shown.text


def test_who_wants_no_offers_gets_none(site: Site) -> None:
    path = site.mailed(COMMERCIAL)["p"]
    wish(site, path, offers="-")
    assert site.preference().no_commercial
    assert not site.preference().no_surveys
    site.later(days=33)
    site.run()
    assert site.decisions()["grace"] == ("suppressed", "opt-out")


def test_no_choice_silences_a_notice(site: Site) -> None:
    path = site.mailed()["p"]
    wish(site, path, offers="-", questions="-", pause="2027-06-30")
    site.later(days=33)
    site.run()
    assert len(site.mails()) == 2


def test_a_pause_holds_what_is_not_contractual_until_its_last_day(site: Site) -> None:
    path = site.mailed(COMMERCIAL)["p"]
    wish(site, path, pause="2027-01-31")
    assert site.preference().paused_until == date(2027, 1, 31)
    site.later(days=33)
    site.run()
    assert site.decisions()["grace"] == ("suppressed", "paused")


def test_the_language_that_was_chosen_is_that_of_page_and_mails(site: Site) -> None:
    path = site.mailed()["p"]
    wish(site, path, language="pl")
    page = site.client.get(path)
    assert '<html lang="pl">' in page.text
    assert 'value="pl" lang="pl" selected' in page.text
    site.later(days=33)
    site.run()
    assert site.mails()[-1]["Content-Language"] == "pl"


def test_one_button_leaves_nothing_but_notices(site: Site) -> None:
    path = site.mailed(COMMERCIAL)["p"]
    site.client.post(path, data={**WISHES, "action": "leave"}, headers=OWN)
    chosen = site.preference()
    assert (chosen.no_commercial, chosen.no_surveys) == (True, True)


@pytest.mark.parametrize("day", ["2026-11-20", "2028-01-01", "tomorrow"])
def test_a_pause_ends_within_a_year(site: Site, day: str) -> None:
    path = site.mailed()["p"]
    before = site.business()
    sent = site.client.post(path, data={**WISHES, "pause": day}, headers=OWN)
    assert sent.status_code == 422
    assert "November 21, 2026" in sent.text
    assert site.business() == before


def test_choices_outlast_imports_and_hold_wherever_the_address_stands(site: Site) -> None:
    path = site.mailed(COMMERCIAL)["p"]
    row = {"contact": "C-9", "account": "A-1", "email": "anna@example.com"}
    site._load("people", row, {"entity": "contact", "key": "{contact}", "account": "{account}",
                               "email": "{email}"})  # fmt: skip
    wish(site, path, offers="-")
    site._contact("C-1", "anna@example.com")
    with site.engine.connect() as conn:
        from worker.catalogue import preferences

        for contact in site.rows(contacts):
            assert preferences.of(conn, contact.id).no_commercial


def test_the_same_wishes_twice_change_nothing(site: Site) -> None:
    path = site.mailed()["p"]
    wish(site, path, language="ru")
    before = site.business()
    site.later(minutes=1)
    wish(site, path, language="ru")
    assert site.business() == before


def test_where_the_book_says_no_the_page_says_so(site: Site) -> None:
    path = site.mailed()["p"]
    site.set(contacts, opt_out=True)
    page = site.client.get(path)
    assert page.text.count("disabled") == 2
    assert "Our records say" in page.text


# --- one click ------------------------------------------------------------------------------------

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def test_a_mail_programs_button_takes_off_at_once_without_cookies_or_redirect(site: Site) -> None:
    path = site.mailed(COMMERCIAL)["u"]
    done = site.client.post(path, data=ONE_CLICK, headers={"Origin": "https://mail.example.net"})
    assert (done.status_code, "set-cookie" in done.headers) == (200, False)
    assert (site.preference().no_commercial, site.preference().no_surveys) == (True, False)
    before = site.business()
    assert site.client.post(path, data=ONE_CLICK).status_code == 200
    assert site.business() == before


def test_the_button_may_send_its_form_in_parts(site: Site) -> None:
    path = site.mailed(COMMERCIAL)["u"]
    done = site.client.post(path, files={"List-Unsubscribe": (None, "One-Click")})
    assert done.status_code == 200
    assert site.preference().no_commercial


@pytest.mark.parametrize("data", [{}, {"List-Unsubscribe": "Two-Clicks"}, {"x": "One-Click"}])
def test_any_other_post_takes_nobody_off(site: Site, data: dict[str, str]) -> None:
    path = site.mailed(COMMERCIAL)["u"]
    assert site.client.post(path, data=data).status_code == 400
    assert site.preference() is None


def test_a_person_who_opens_the_link_is_asked_and_confirms(site: Site) -> None:
    path = site.mailed(COMMERCIAL)["u"]
    page = site.client.get(path)
    assert 'name="List-Unsubscribe" value="One-Click"' in page.text
    assert site.preference() is None
    done = site.client.post(path, data=ONE_CLICK, headers=OWN)
    assert "gets no more offers" in done.text
