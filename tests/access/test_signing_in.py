"""Who gets in by login and password, who has to wait, and what the log says of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DatabaseError

from tests.access.conftest import BOSS, SECRET, START, Door
from worker.access import flow, people
from worker.access.records import audit, sessions, sign_ins, users
from worker.access.rules import LONGEST_SESSION, SESSION, wait_after
from worker.db.engine import reading

MINUTE = timedelta(minutes=1)


def test_the_right_password_opens_a_session_in_any_spelling_of_the_login(door: Door) -> None:
    door.add("anna")
    cookie = door.knock("ANNA").cookie
    assert cookie is not None
    seat = flow.sit(door.engine, cookie, door.now)
    assert seat is not None
    assert (seat.login, seat.role) == ("anna", "sales")
    (line,) = door.log("user.signed-in")
    assert (line.who, line.via, line.about) == ("anna", "page", "user anna")


def test_whatever_is_wrong_it_ends_alike(door: Door) -> None:
    door.add("anna")
    door.add("gone")
    door.add("linked", password=None)
    people.disable(door.engine, BOSS, "gone", door.now)
    ends = [
        door.knock("anna", "wrong horse battery"),
        door.knock("nobody"),
        door.knock("gone"),
        door.knock("linked", "nobody's"),
        door.knock("", ""),
    ]
    assert set(ends) == {(None, timedelta(0))}


@pytest.mark.parametrize("login", ["anna", "nobody", "gone"])
def test_after_five_failures_one_waits_longer_each_time(door: Door, login: str) -> None:
    door.add("anna")
    door.add("gone")
    people.disable(door.engine, BOSS, "gone", door.now)
    waits = [door.knock(login, "wrong horse battery").wait for _ in range(5)]
    assert waits == [timedelta(0)] * 4 + [MINUTE]
    for minutes in (2, 4, 8, 15, 15):
        refused = door.knock(login)
        assert refused.cookie is None
        door.now += refused.wait - timedelta(seconds=1)
        assert door.knock(login) == (None, timedelta(seconds=1)), "even the right password waits"
        door.later(seconds=1)
        assert door.knock(login, "wrong horse battery").wait == minutes * MINUTE


def test_a_success_starts_the_count_anew(door: Door) -> None:
    door.add("anna")
    for _ in range(3):
        assert [door.knock("anna", "wrong").wait for _ in range(4)] == [timedelta(0)] * 4
        assert door.knock("anna").cookie is not None


def test_guessing_from_many_addresses_has_to_wait_as_well(door: Door) -> None:
    door.add("anna")
    for last in range(5):
        door.knock("anna", "wrong", f"192.0.2.{last}")
    assert door.knock("anna", SECRET, "198.51.100.7").wait == MINUTE


def test_after_a_success_elsewhere_whoever_guessed_still_waits(door: Door) -> None:
    door.add("anna")
    for _ in range(5):
        door.knock("anna", "wrong", "203.0.113.9")
    door.later(minutes=1)
    door.knock("anna", "wrong", "203.0.113.9")
    door.later(minutes=2)
    door.knock("anna", "wrong", "203.0.113.9")  # 4 minutes for this address
    door.later(minutes=1)
    with door.engine.begin() as conn:  # as if the login alone did not have to wait
        conn.execute(delete(sign_ins).where(sign_ins.c.key.like("login %")))
    assert door.knock("anna", SECRET, "192.0.2.1").cookie is not None
    assert door.knock("anna", SECRET, "203.0.113.9").wait == 3 * MINUTE


def test_of_many_tries_at_once_no_more_than_five_are_looked_at(door: Door) -> None:
    door.add("anna")
    with ThreadPoolExecutor(12) as pool:
        ends = list(pool.map(lambda _: door.knock("anna", "wrong"), range(12)))
    assert len(door.log("user.sign-in-failed")) == 5
    assert sum(end.wait > timedelta(0) for end in ends) == 8, "the fifth, and the seven behind it"
    assert door.knock("anna").cookie is None


def test_failures_of_yesterday_are_forgotten_and_their_rows_go(door: Door) -> None:
    for number in range(20):
        door.knock(f"nobody-{number}", "x")
    door.later(days=1, seconds=1)
    door.knock("somebody", "x")
    with reading(door.engine) as conn:
        assert len(conn.execute(select(sign_ins)).all()) == 2


def test_the_log_holds_a_users_failures_and_no_word_that_was_typed(door: Door) -> None:
    door.add("anna")
    door.knock("anna", "my-mistyped-password")
    door.knock("my-password-in-the-wrong-field", "x")
    lines = door.log("user.sign-in-failed")
    assert [(line.who, line.about) for line in lines] == [("(stranger)", "user anna")]
    with reading(door.engine) as conn:
        kept = conn.execute(select(sign_ins)).all()
    everything = repr(door.log()) + repr(kept)
    assert "mistyped" not in everything
    assert "wrong-field" not in everything
    assert "192.0.2.1" not in everything


def test_a_password_kept_with_weaker_parameters_is_kept_anew(door: Door) -> None:
    door.add("anna")
    weak = PasswordHasher(time_cost=1, memory_cost=8192).hash(SECRET)
    with door.engine.begin() as conn:
        conn.execute(update(users).values(password_hash=weak))
    assert door.knock("anna").cookie is not None
    with reading(door.engine) as conn:
        assert conn.scalar(select(users.c.password_hash)) != weak
    assert door.knock("anna").cookie is not None


def test_a_session_ends_when_it_is_not_used_and_at_the_latest_after_two_weeks(door: Door) -> None:
    door.add("anna")
    unused, used = door.knock("anna").cookie or "", door.knock("anna").cookie or ""
    while door.now - START < LONGEST_SESSION:
        assert flow.sit(door.engine, used, door.now) is not None
        door.now += SESSION - MINUTE
    assert flow.sit(door.engine, used, door.now) is None
    door.now = START + SESSION + MINUTE
    assert flow.sit(door.engine, unused, door.now) is None


def test_a_session_ends_with_its_user_and_does_not_come_back(door: Door) -> None:
    door.add("anna")
    cookie = door.knock("anna").cookie or ""
    people.disable(door.engine, BOSS, "anna", door.now)
    assert flow.sit(door.engine, cookie, door.now) is None
    people.enable(door.engine, BOSS, "anna", door.now)
    assert flow.sit(door.engine, cookie, door.now) is None


def test_a_person_ends_their_own_sessions_and_nobody_elses(door: Door) -> None:
    door.add("anna")
    door.add("olaf")
    here, there, olafs = (door.knock(who).cookie or "" for who in ("anna", "anna", "olaf"))
    seats = [flow.sit(door.engine, cookie, door.now) for cookie in (here, there, olafs)]
    own, other, foreign = seats
    assert own
    assert other
    assert foreign
    assert not flow.revoke(door.engine, own, foreign.digest, door.now)
    assert flow.revoke(door.engine, own, other.digest, door.now)
    assert flow.sit(door.engine, there, door.now) is None
    assert flow.sit(door.engine, olafs, door.now) is not None
    door.knock("anna")
    door.knock("anna")
    assert flow.revoke_others(door.engine, own, door.now) == 2
    assert flow.sit(door.engine, here, door.now) is not None
    lines = door.log("session.revoked")
    assert [(line.who, line.detail) for line in lines] == [
        ("anna", {"sessions": 1}),
        ("anna", {"sessions": 2}),
    ]


def test_sessions_that_ended_long_ago_leave_no_row(door: Door) -> None:
    door.add("anna")
    door.knock("anna")
    door.later(days=31)
    door.knock("anna")
    with reading(door.engine) as conn:
        assert len(conn.execute(select(sessions)).all()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'nobody'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE id = -1 OR id > 0",
        "TRUNCATE audit",
    ],
)
def test_no_line_of_the_audit_log_is_ever_altered_or_deleted(door: Door, statement: str) -> None:
    door.add("anna")
    before = door.log()
    with pytest.raises(DatabaseError), door.engine.begin() as conn:
        conn.execute(text(statement))
    with pytest.raises(DatabaseError), door.engine.begin() as conn:
        conn.execute(update(audit).values(detail={}))
    assert door.log() == before != []


def test_the_wait_doubles_up_to_a_quarter_of_an_hour() -> None:
    waits = [wait_after(failures) // MINUTE for failures in range(12)]
    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 15, 15, 15]
    assert wait_after(100_000) == 15 * MINUTE
