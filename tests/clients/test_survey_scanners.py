"""Whatever opens the links of a survey's mail votes for nobody: a scanner's trace, replayed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from playwright.sync_api import Browser

from tests.clients.conftest import OWN, Site
from tests.waiting import until
from worker.clients.records import preselections, visits
from worker.clients.survey_rules import judge, judge_opened
from worker.clients.survey_store import add_preselections
from worker.clients.visiting import Preselection
from worker.surveys.rules import HUMAN, MACHINE, POSSIBLE

AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"


def opened(site: Site) -> list[tuple[int, str]]:
    return sorted((row.score, row.judged) for row in site.rows(preselections))


def test_a_scanner_that_opens_all_eleven_scores_in_a_second_records_nothing(site: Site) -> None:
    path = site.asked()
    site.later(minutes=5)
    before = site.business()
    links = [f"{path}?score={score}" for score in range(11)]
    with ThreadPoolExecutor(8) as pool:
        for method in ("HEAD", "GET", "OPTIONS"):
            answered = pool.map(
                lambda link, method=method: (
                    site.client.request(method, link, headers={"User-Agent": AGENT}).status_code
                ),
                links,
            )
            assert set(answered) <= {200, 204}
    until(lambda: len(site.rows(visits)) >= 11)
    until(lambda: len(opened(site)) == 11)
    assert opened(site) == [(score, MACHINE) for score in range(11)]
    assert site.business() == before
    assert site.said() == []


def test_a_head_or_a_page_that_was_passed_on_leaves_no_score(site: Site) -> None:
    path = site.asked()
    site.later(minutes=5)
    site.client.head(f"{path}?score=9")
    site.send(f"{path}/colleague", colleague="Eva")
    page = site.client.get(f"{path}/colleague").text
    url = page.split('class="link">')[1].split("<")[0]
    assert site.client.get(f"{url}?score=9").status_code == 200
    site.client.get(f"{path}?score=8", headers={"User-Agent": AGENT})
    until(lambda: opened(site) != [])
    assert opened(site) == [(8, POSSIBLE)]


def test_a_scanner_with_a_real_browser_that_follows_every_link_records_nothing(
    sqlite_site: Site, browser: Browser
) -> None:
    site = sqlite_site
    path = site.asked()
    site.later(minutes=5)
    before = site.business()
    base = str(site.client.base_url).rstrip("/")
    context = browser.new_context()
    page = context.new_page()
    waiting, seen = [f"{base}{path}?score={score}" for score in (0, 5, 10)], set()
    while waiting:
        url = waiting.pop()
        if url in seen or not url.startswith(base):
            continue
        seen.add(url)
        page.goto(url)
        page.mouse.wheel(0, 4000)
        waiting += page.eval_on_selector_all("a", "found => found.map(one => one.href)")
    context.close()
    assert any(url.endswith("/colleague") for url in seen)
    assert site.business() == before
    assert site.said() == []


def test_a_program_that_presses_the_button_at_once_does_not_count_and_a_person_does(
    site: Site,
) -> None:
    path = site.asked()
    site.client.get(path)
    for score in (0, 10):
        site.client.post(path, data={"score": str(score)}, headers=OWN)
        site.client.post(f"{path}/more", data={"comment": "bot"}, headers=OWN)
    assert site.said() == [(10, "bot", POSSIBLE)]
    site.later(hours=1)
    site.send(path, score=3)
    site.send(f"{path}/more", comment="Slow")
    assert site.said() == [(3, "Slow", HUMAN)]


# --- how scores that were opened are judged -------------------------------------------------------


def at(site: Site, score: int, after: float, agent: str = AGENT) -> Preselection:
    now = site.clock.now()
    return Preselection(1, score, agent, now + timedelta(seconds=after), now)


@pytest.mark.parametrize(
    ("after", "agent", "word"),
    [
        (9.9, AGENT, MACHINE),
        (10.0, AGENT, POSSIBLE),
        (60.0, "", MACHINE),
        (60.0, "curl/8.5.0", MACHINE),
    ],
)
def test_haste_and_a_program_s_name_tell_a_machine(
    sqlite_site: Site, after: float, agent: str, word: str
) -> None:
    assert judge_opened({1: at(sqlite_site, 9, after, agent)}) == {1: word}


def test_two_scores_at_a_time_are_no_persons_and_two_one_after_the_other_are(
    sqlite_site: Site,
) -> None:
    site = sqlite_site
    together = {1: at(site, 3, 60), 2: at(site, 9, 61), 3: at(site, 4, 90), 4: at(site, 4, 90.5)}
    words = {1: MACHINE, 2: MACHINE, 3: POSSIBLE, 4: POSSIBLE}
    assert judge_opened(together) == words


def test_a_score_is_judged_anew_when_another_one_is_opened_in_the_next_batch(site: Site) -> None:
    site.asked()
    for batch in ([at(site, 3, 60)], [at(site, 9, 60.9)], [at(site, 5, 90)]):
        with site.engine.begin() as conn:
            add_preselections(conn, batch)
    assert opened(site) == [(3, MACHINE), (5, POSSIBLE), (9, MACHINE)]


def test_a_form_counts_from_ten_seconds_after_delivery_on(sqlite_site: Site) -> None:
    now = sqlite_site.clock.now()
    assert judge(now + timedelta(seconds=9.999), now) == POSSIBLE
    assert judge(now - timedelta(seconds=1), now) == POSSIBLE
    assert judge(now + timedelta(seconds=10), now) == HUMAN
    assert judge(now, None) == HUMAN
