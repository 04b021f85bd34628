"""What a password must be, and that nothing of it is kept but a hash that costs to try."""

from __future__ import annotations

import threading

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from worker.access import passwords


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "has 0 characters; it needs at least 12"),
        ("short", "has 5 characters; it needs at least 12"),
        ("eleven char", "has 11 characters"),
        ("Anna.Nowak@example.com", "The password is the login"),
        ("x" * 1025, "has 1,025 characters; at most 1,024"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, said: str) -> None:
    (found,) = passwords.faults(password, "anna.nowak@example.com")
    assert said in found


def test_twelve_characters_are_enough_whatever_they_are() -> None:
    assert passwords.faults("zażółć gęślą", "anna") == []
    assert passwords.faults("            .", "anna") == []


def test_what_is_kept_is_argon2id_with_at_least_what_the_rfc_asks_for() -> None:
    kept = passwords.keep("correct horse battery")
    found = extract_parameters(kept)
    assert found.type is Type.ID
    assert (found.memory_cost, found.time_cost) >= (65536, 3)
    assert passwords.is_right(kept, "correct horse battery")
    assert not passwords.is_right(kept, "correct horse batterY")
    assert kept != passwords.keep("correct horse battery"), "each has a salt of its own"


def test_the_same_keys_are_the_same_password_on_every_keyboard() -> None:
    assert passwords.is_right(
        passwords.keep("caf\u00e9 caf\u00e9 caf\u00e9"), "cafe\u0301 " * 2 + "cafe\u0301"
    )


def test_nobodys_password_is_never_right() -> None:
    assert not passwords.is_right(None, "nobody's")
    assert not passwords.is_right("not a hash", "correct horse battery")


def test_a_password_of_a_megabyte_is_not_even_looked_at() -> None:
    assert not passwords.is_right(passwords.keep("x" * 12), "x" * 1_000_000)


def test_one_kept_with_weaker_parameters_is_outdated() -> None:
    assert passwords.is_outdated(PasswordHasher(time_cost=1, memory_cost=8192).hash("x"))
    assert not passwords.is_outdated(passwords.keep("x"))


def test_a_storm_of_sign_ins_is_turned_away_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_PATIENCE", 0.05)
    leave = threading.Event()
    inside = threading.Barrier(4)

    def sit() -> None:
        with passwords.at_hand():
            inside.wait()
            leave.wait()

    threads = [threading.Thread(target=sit) for _ in range(3)]
    for thread in threads:
        thread.start()
    inside.wait()
    with pytest.raises(passwords.BusyError, match="Try again"), passwords.at_hand():
        pass
    leave.set()
    for thread in threads:
        thread.join()
    with passwords.at_hand():
        pass
