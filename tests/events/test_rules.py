"""Fates that only move up, and clicks that no person made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.channels.told import Kind, click_detail
from worker.events.rules import Click, Fate, fate_of, is_machine, judge_clicks, merged, read_click

NOON = datetime(2027, 3, 31, 12, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"


def at(**span: float) -> datetime:
    return NOON + timedelta(**span)


def click(number: int, when: datetime, link: str = "a", agent: str = BROWSER) -> Click:
    return Click(number, when, link, agent)


FATES = st.builds(
    lambda kind, hours: fate_of(kind, at(hours=hours)),
    st.sampled_from(list(Kind)),
    st.integers(0, 3),
)


@given(FATES, FATES, FATES)
def test_a_fate_is_the_same_in_any_order_doubled_or_split(
    one: Fate | None, two: Fate | None, three: Fate | None
) -> None:
    ends = {
        merged(merged(first, second), merged(third, first))
        for first, second, third in permutations((one, two, three))
    }
    assert len(ends) == 1


def test_the_last_word_is_the_gravest() -> None:
    told = ["complained", "bounced", "dropped", "blocked", "delivered", "deferred", "accepted"]
    fate = None
    for kind in reversed(told):
        fate = merged(fate, fate_of(kind, NOON))
        assert fate == Fate(kind, NOON)
    for kind in told:
        fate = merged(fate, fate_of(kind, NOON))
    assert fate == Fate("complained", NOON)


@pytest.mark.parametrize("kind", ["opened", "clicked", "unsubscribed"])
def test_whoever_reads_a_mail_has_got_it(kind: str) -> None:
    assert fate_of(kind, NOON) == Fate("delivered", NOON)


def test_what_nobody_understands_is_no_fate() -> None:
    assert fate_of("unknown", NOON) is None


def test_a_click_says_which_link_and_who_came() -> None:
    noted = click_detail("https://example.com/a", BROWSER)
    read = read_click(7, NOON, noted)
    assert (read.id, read.at, read.agent) == (7, NOON, BROWSER)
    assert read.link != read_click(8, NOON, click_detail("https://example.com/b", BROWSER)).link
    assert read_click(9, NOON, None).agent == ""


@pytest.mark.parametrize(("seconds", "machine"), [(-5, True), (0, True), (9, True), (10, False)])
def test_nobody_clicks_within_ten_seconds_of_delivery(seconds: int, machine: bool) -> None:
    one = click(1, at(seconds=seconds))
    assert is_machine(one, [one], NOON) is machine


def test_nobody_opens_two_links_within_a_second() -> None:
    one, two = click(1, at(hours=1)), click(2, at(hours=1, seconds=1), "b")
    assert is_machine(one, [one, two], NOON)
    assert is_machine(two, [one, two], NOON)
    later = click(2, at(hours=1, seconds=2), "b")
    assert not is_machine(one, [one, later], NOON)


def test_a_double_click_on_one_link_is_a_persons() -> None:
    one, two = click(1, at(hours=1)), click(2, at(hours=1))
    assert not is_machine(one, [one, two], NOON)


@pytest.mark.parametrize(
    "agent",
    ["", "Barracuda Sentinel (EE)", "Slackbot-LinkExpanding 1.0", "python-requests/2.31", "curl/8"],
)
def test_what_calls_itself_a_program_is_one(agent: str) -> None:
    one = click(1, at(days=1), agent=agent)
    assert is_machine(one, [one], NOON)


def test_the_first_click_is_that_of_the_first_person() -> None:
    clicks = [click(1, at(seconds=2)), click(2, at(hours=2)), click(3, at(hours=1))]
    judged = judge_clicks(clicks, NOON)
    assert judged.machines == {1}
    assert judged.first == at(hours=1)


def test_a_click_on_a_mail_that_was_not_delivered_yet_is_nobodys_so_far() -> None:
    assert judge_clicks([click(1, at(hours=1))], None).first is None
