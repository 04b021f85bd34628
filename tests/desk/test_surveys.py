"""The pages of surveys: coverage first, pictures with their tables, answers and their promises."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta
from html import unescape

import pytest
from playwright.sync_api import Browser

from tests.browsers import SCREENS, faults, is_too_wide
from tests.desk.conftest import House
from tests.surveys.conftest import READER, Town
from worker.access.rules import Role
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.surveys import rules
from worker.surveys.counting import Asked
from worker.surveys.figures import METHODS, read
from worker.surveys.store import set_themes

COMMENTS = ("Za drogo, ceny rosną", "Great support", "=HYPERLINK(1) <b>", "", "Дорого")


def _told(house: House) -> House:
    """Forty accounts in two segments; named, confidential and anonymous answers of a year."""
    town = Town(house.engine)
    for number in range(40):
        account, segment = f"A/{number}", "smb" if number % 2 else "mid"
        town.account(account, segment, account_manager="sales" if number % 3 else None)
        town.contact(f"P-{number}", account, "decision-maker", name=f"Person {number}")
        town.licence(f"L-{number}", account, str(100 + number), renewed=bool(number % 4))
        if number < 30:
            day = date(2026, 11, 19) - timedelta(days=9 * number)
            promise = rules.CONFIDENTIAL if number % 5 == 0 else rules.NAMED
            comment = COMMENTS[number % 5] or None
            person = town.contacts[f"P-{number}"] if promise == rules.NAMED else None
            more = {"promise": promise, "comment": comment, "segment": segment}
            more |= {"contact_id": person, "role": "decision-maker"}
            id_ = town.said(number % 11, account, day.isoformat(), **more)
            with house.engine.begin() as conn:
                found = READER.themes_of(comment or "")
                set_themes(conn, {id_: (day, found)}, READER.digest)
    for number in range(6):
        town.said(number, None, "2026-10-01", promise=rules.ANONYMOUS, comment=f"secret {number}")
    town.said(0, None, "", promise=rules.ANONYMOUS, comment="waits for others")
    return house


def test_the_page_shows_what_the_command_says(house: House) -> None:
    client = _told(house).as_(Role.VIEWER)
    shown = client.get("/surveys?by=segment").text
    with reading(house.engine) as conn:
        period = Period(date(2025, 11, 21), date(2026, 11, 20))
        report = read(conn, Asked(period, by="segment"), METHODS)
    text = client.get("/surveys/figures.csv").text
    rows = list(csv.DictReader(io.StringIO(text)))
    told = [(row["n"], row["nps"].lstrip("'")) for row in rows]
    assert told == [
        (str(one.n), f"{one.record()['nps']:+.1f}".replace("-", "−")) for one in report.whole
    ]
    assert shown.index("Whom we heard") < shown.index("Who votes") < shown.index("By segment")
    assert "heard 30 of 40" in shown
    assert {
        row["group"]
        for row in csv.DictReader(io.StringIO(client.get("/surveys/groups.csv?by=segment").text))
    } == {one.group for one in report.groups}
    assert client.get("/surveys/nothing.csv").status_code == 404


def test_each_answer_shows_what_was_promised_and_no_more(house: House) -> None:
    client = _told(house).as_(Role.VIEWER)
    page = client.get("/surveys/answers").text
    assert "waits for others" not in page
    assert "Person 1<" in page
    assert "Person 0<" not in page, "confidential"
    assert page.count("anonymous") >= 6
    seen = {}
    for link in sorted(set(re.findall(r'href="(/surveys/answers/\d+)"', page))):
        one = client.get(link).text
        kind = next(name for name in ("Named", "Confidential", "Anonymous") if f"{name}: " in one)
        seen[kind] = one
        assert (
            "Person" in re.sub(r"Others of this account.*?</table>", "", one, flags=re.S)
            and "<dt>Person" in one
        ) == (kind == "Named")
    assert "/accounts/A%2F" in seen["Confidential"]
    assert "<dt>Answered" not in seen["Confidential"]
    assert "/accounts/A%2F" not in seen["Anonymous"]
    assert client.get("/surveys/answers/1").status_code == 404


def test_answers_are_found_by_group_theme_and_segment(house: House) -> None:
    client = _told(house).as_(Role.VIEWER)
    found = client.get("/surveys/answers?segment=mid&group=promoter").text
    scores = re.findall(r'class="score">(\d+)<', found)
    assert scores
    assert {*scores} <= {"9", "10"}
    priced = client.get("/surveys/answers?theme=price").text
    assert "Za drogo" in priced
    assert "Дорого" in priced
    assert "Great support" not in priced
    assert "&lt;b&gt;" in client.get("/surveys/answers").text, "nothing said is run"


def test_answers_come_page_by_page_and_none_twice(house: House) -> None:
    town = Town(house.engine)
    for number in range(120):
        town.said(number % 11, f"A-{number % 7}", f"2026-10-{number % 9 + 1:02}")
    client, where, seen = house.as_(Role.VIEWER), "/surveys/answers", []
    while where:
        page = client.get(where).text
        seen += re.findall(r'class="score" href="(\S+?)"|href="(/surveys/answers/\d+)"', page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        where = unescape(more[1]) if more else ""
    assert len(seen) == len({*seen}) == 120


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-13-01", "expected a day such as"),
        ("from=2026-02-01&to=2026-01-01", "lies before the first"),
        ("from=0001-01-01&to=2026-01-01", "ten years long at most"),
        ("by=shoe-size", "expected one of"),
    ],
)
def test_what_cannot_be_counted_says_why(sqlite_house: House, query: str, said: str) -> None:
    answer = sqlite_house.as_(Role.VIEWER).get(f"/surveys?{query}")
    assert answer.status_code == 422
    assert said in unescape(answer.text)


def test_an_empty_book_says_so(sqlite_house: House) -> None:
    client = sqlite_house.as_(Role.VIEWER)
    assert "Nobody answered in this time" in client.get("/surveys").text
    assert "No answer is like that" in client.get("/surveys/answers").text
    assert "no answers to compare" in client.get("/surveys/shared").text


def test_the_change_account_by_account_comes_apart(house: House) -> None:
    town = Town(house.engine)
    for number in range(12):
        town.said(2, f"A-{number}", "2025-10-01")
        town.said(10 if number else 8, f"A-{number}", "2026-10-01")
    client = house.as_(Role.VIEWER)
    assert "unlikely to be chance" in client.get("/surveys").text
    part = client.get("/surveys/shared", headers={"HX-Request": "true"}).text
    assert "drawn anew 1000 times" in part
    assert "<html" not in part


def test_surveys_are_right_on_every_screen(sqlite_house: House, browser: Browser) -> None:
    _told(sqlite_house)
    answers = sqlite_house.as_(Role.VIEWER).get("/surveys/answers").text
    (one, *_) = re.findall(r'href="(/surveys/answers/\d+)"', answers)
    paths = ("/surveys", "/surveys?by=segment", "/surveys/answers", one, "/surveys/shared")
    for width, scheme in SCREENS:
        size = {"width": width, "height": 900}
        context = sqlite_house.opened_by(browser, Role.VIEWER, viewport=size, color_scheme=scheme)
        page = context.new_page()
        for path in paths:
            assert page.goto(path).status == 200  # type: ignore[union-attr]  # answered
            assert faults(page) == [], (path, width, scheme)
            assert not is_too_wide(page), (path, width, scheme)
        context.close()
