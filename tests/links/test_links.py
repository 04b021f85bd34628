"""A client's link opens one page about one mail, until it ends; nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.links.rules import LIVES, BadLinkError, Links, Purpose

OLD = "0f6d9a5bd1a946a1a0f1a2a4b1c7f3e9"
NEW = "c4b0e7c17d0f4ce1b8f5a3d4e2f60718"
NOW = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
KEY = "06rbq0k4d3m1x8zt"
LINKS = Links("https://renewals.example.com", [NEW])
SIGNS = "ABCxyz019-_.>=+/%"


def refused(token: str, purpose: Purpose = Purpose.ANSWER, links: Links = LINKS) -> str:
    with pytest.raises(BadLinkError) as told:
        links.read(purpose, token, NOW)
    return told.value.why


@pytest.fixture
def token() -> str:
    return LINKS.token(Purpose.ANSWER, KEY, 17, NOW)


def test_a_link_says_which_mail_to_whom_and_since_when(token: str) -> None:
    subject = LINKS.read(Purpose.ANSWER, token, NOW + timedelta(days=100))
    assert (subject.mail_key, subject.contact_id, subject.made_at) == (KEY, 17, NOW)


def test_the_same_mail_gets_the_same_link_and_another_one_another() -> None:
    url = LINKS.url(Purpose.ANSWER, KEY, 17, NOW)
    assert url == LINKS.url(Purpose.ANSWER, KEY, 17, NOW)
    assert url.startswith("https://renewals.example.com/a/")
    assert len(url) < 250
    assert url != LINKS.url(Purpose.ANSWER, KEY, 18, NOW)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_link_ends(purpose: Purpose) -> None:
    made = LINKS.token(purpose, KEY, 17, NOW)
    assert LINKS.read(purpose, made, NOW + LIVES[purpose]).contact_id == 17
    with pytest.raises(BadLinkError) as told:
        LINKS.read(purpose, made, NOW + LIVES[purpose] + timedelta(seconds=1))
    assert told.value.why == "expired"


def test_a_link_for_one_purpose_opens_no_other() -> None:
    for made in Purpose:
        for asked in set(Purpose) - {made}:
            assert refused(LINKS.token(made, KEY, 17, NOW), asked) == "broken"


def test_the_key_before_still_opens_what_it_signed_and_signs_no_more(token: str) -> None:
    before, both = Links(LINKS.base_url, [OLD]), Links(LINKS.base_url, [NEW, OLD])
    old = before.token(Purpose.ANSWER, KEY, 17, NOW)
    assert both.read(Purpose.ANSWER, old, NOW).contact_id == 17
    assert both.token(Purpose.ANSWER, KEY, 17, NOW) == token
    assert refused(old) == "broken"


def test_every_other_byte_at_every_place_breaks_the_link(token: str) -> None:
    for place, sign in enumerate(token):
        for other in SIGNS:
            if other != sign:
                assert refused(token[:place] + other + token[place + 1 :]) == "broken"


def test_a_byte_more_or_less_anywhere_breaks_the_link(token: str) -> None:
    for place in range(len(token) + 1):
        assert refused(token[:place]) == "broken" if place < len(token) else True
        for more in SIGNS + " \n\0ż":
            assert refused(token[:place] + more + token[place:]) == "broken"
        if place < len(token):
            cut = token[:place] + token[place + 1 :]
            assert refused(cut) == "broken"


@given(st.text(max_size=600))
def test_no_text_at_all_opens_anything_or_breaks_us(text: str) -> None:
    assert refused(text) == "broken"


def test_links_hold_nothing_personal_and_not_the_key(token: str) -> None:
    assert "@" not in token
    assert NEW not in token
