"""Who may sign in is decided by admins, never lost, and written down."""

from __future__ import annotations

import threading

import pytest

from tests.access.conftest import BOSS, SECRET, Door
from worker.access import flow, people, store, tokens
from worker.access.people import ChangedMeanwhileError, Person, person_of
from worker.access.rules import FaultsError, digest_of
from worker.db.engine import reading
from worker.kernel.errors import FindingsError


def known(door: Door, login: str) -> Person:
    with reading(door.engine) as conn:
        return person_of(people.found(conn, login))


def test_everything_that_is_wrong_with_a_new_user_is_told_at_once(door: Door) -> None:
    person = Person("An na", "", "boss", "k\n1", "a@b", "c@")
    with pytest.raises(FaultsError) as told:
        people.add(door.engine, BOSS, person, "short", door.now)
    assert [fault.split(" ", 1)[0] for fault in told.value.faults] == [
        *("Login", "Name:", "Key", "Role", "'a@b'", "'c@'", "The"),
    ]
    assert door.log() == []


def test_a_login_belongs_to_one_user_in_any_spelling(door: Door) -> None:
    door.add("anna")
    with pytest.raises(FaultsError, match="There is a user anna already"):
        door.add(" ANNA ")
    assert len(door.log("user.added")) == 1


def test_an_address_signs_one_user_in(door: Door) -> None:
    door.add("anna", openid="anna@example.com")
    with pytest.raises(FaultsError, match="Another user signs in as anna@example"):
        door.add("olaf", openid="Anna@Example.com")
    door.add("olaf")
    with pytest.raises(FaultsError, match="Another user signs in as anna@example"):
        people.change(door.engine, BOSS, "olaf", {"openid": "anna@example.com"}, door.now)


def test_a_change_says_what_was_changed_and_no_personal_data(door: Door) -> None:
    door.add("anna", email="anna@example.com")
    changes = {"name": "Anna Nowak", "role": "renewals", "email": "nowak@example.com"}
    people.change(door.engine, BOSS, "anna", changes, door.now)
    assert known(door, "anna") == Person("anna", "Anna Nowak", "renewals", "", "nowak@example.com")
    (line,) = door.log("user.changed")
    assert (line.who, line.about) == ("boss", "user anna")
    assert line.detail == {"changed": ["name", "role", "email"], "role": "renewals"}
    people.change(door.engine, BOSS, "anna", changes, door.now)
    assert len(door.log("user.changed")) == 1, "nothing changed, nothing to tell"


def test_of_two_who_edit_one_user_the_second_is_told(door: Door) -> None:
    door.add("anna")
    seen = known(door, "anna").mark
    people.change(door.engine, BOSS, "anna", {"name": "First"}, door.now, seen)
    with pytest.raises(ChangedMeanwhileError) as told:
        people.change(door.engine, BOSS, "anna", {"name": "Second"}, door.now, seen)
    assert told.value.now.name == "First"
    assert known(door, "anna").name == "First"


def test_the_last_admin_stays_one(door: Door) -> None:
    door.add("anna", "admin")
    door.add("olaf", "admin")
    assert people.disable(door.engine, BOSS, "olaf", door.now)
    assert not people.disable(door.engine, BOSS, "olaf", door.now)
    with pytest.raises(FindingsError, match="last admin"):
        people.disable(door.engine, BOSS, "anna", door.now)
    with pytest.raises(FindingsError, match="last admin"):
        people.change(door.engine, BOSS, "anna", {"role": "sales"}, door.now)
    people.enable(door.engine, BOSS, "olaf", door.now)
    people.change(door.engine, BOSS, "anna", {"role": "sales"}, door.now)
    assert known(door, "anna").role == "sales"


def test_two_admins_who_disable_each_other_at_once_do_not_both_succeed(door: Door) -> None:
    door.add("anna", "admin")
    olaf = door.add("olaf", "admin")
    ended: list[object] = []

    def disable_anna() -> None:
        try:
            ended.append(people.disable(door.engine, BOSS, "anna", door.now))
        except FindingsError as error:
            ended.append(str(error))

    thread = threading.Thread(target=disable_anna)
    with door.engine.begin() as conn:  # olaf's end, half done
        assert len(store.hold_admins(conn)) == 2
        thread.start()
        thread.join(0.5)
        assert ended == [], "it waits to see what becomes of olaf"
        store.change_user(conn, olaf, {"disabled_at": door.now})
    thread.join()
    (said,) = ended
    assert "last admin" in str(said)


def test_another_password_ends_what_was_open_but_where_it_was_changed(door: Door) -> None:
    door.add("anna")
    here, there = door.knock("anna").cookie or "", door.knock("anna").cookie or ""
    seat = flow.sit(door.engine, here, door.now)
    assert seat
    new = "staple battery horse"
    people.set_password(door.engine, BOSS, "anna", new, door.now, keep=seat.digest)
    assert flow.sit(door.engine, here, door.now)
    assert flow.sit(door.engine, there, door.now) is None
    assert door.knock("anna", SECRET).cookie is None
    assert door.knock("anna", new).cookie
    (line,) = door.log("user.changed")
    assert line.detail == {"changed": ["password"], "sessions_ended": 1}
    assert new not in repr(door.log())


def test_a_link_lets_somebody_in_who_lost_the_password(door: Door) -> None:
    door.add("anna")
    secret = people.offer_link(door.engine, BOSS, "anna", door.now)
    assert door.knock("anna").cookie, "a link alone takes no password away"
    secret = people.offer_link(door.engine, BOSS, "anna", door.now, forget_password=True)
    assert door.knock("anna").cookie is None
    assert flow.take(door.engine, secret, "Browser/1", door.now)
    assert flow.take(door.engine, secret, "Browser/1", door.now) is None
    people.disable(door.engine, BOSS, "anna", door.now)
    with pytest.raises(FindingsError, match="disabled"):
        people.offer_link(door.engine, BOSS, "anna", door.now)


def test_an_unknown_user_is_told_with_the_nearest(door: Door) -> None:
    door.add("anna")
    with pytest.raises(FindingsError, match="There is no user 'ana'; did you mean 'anna'"):
        people.disable(door.engine, BOSS, "ana", door.now)


def test_a_token_is_shown_once_and_only_its_digest_is_kept(door: Door) -> None:
    secret = tokens.make(door.engine, BOSS, "erp", ["write", "read"], 30, door.now)
    assert secret.startswith("prn_")
    assert len(secret) >= 4 + 43
    with reading(door.engine) as conn:
        (row,) = store.all_tokens(conn)
        assert store.token(conn, digest_of(secret), door.now) is not None
    assert (row.name, row.scopes, row.made_by) == ("erp", ["read", "write"], "boss")
    assert secret not in repr(row) + repr(door.log())
    door.later(days=30)
    with reading(door.engine) as conn:
        assert store.token(conn, digest_of(secret), door.now) is None


def test_a_revoked_token_opens_nothing_and_its_name_is_free(door: Door) -> None:
    secret = tokens.make(door.engine, BOSS, "erp", ["read"], None, door.now)
    with pytest.raises(FaultsError, match="There is a token erp already"):
        tokens.make(door.engine, BOSS, "erp", ["read"], None, door.now)
    tokens.revoke(door.engine, BOSS, "erp", door.now)
    with reading(door.engine) as conn:
        assert store.token(conn, digest_of(secret), door.now) is None
    with pytest.raises(FindingsError, match="No token 'erp' stands"):
        tokens.revoke(door.engine, BOSS, "erp", door.now)
    tokens.make(door.engine, BOSS, "erp", ["read"], None, door.now)
    assert [(line.what, line.about) for line in door.log()] == [
        ("token.made", "token erp"),
        ("token.revoked", "token erp"),
        ("token.made", "token erp"),
    ]


def test_everything_that_is_wrong_with_a_token_is_told_at_once(door: Door) -> None:
    with pytest.raises(FaultsError) as told:
        tokens.make(door.engine, BOSS, "a b", ["all"], 0, door.now)
    assert [fault.partition(" ")[0] for fault in told.value.faults] == ["Name", "Scopes:", "Days:"]
