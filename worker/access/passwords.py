"""Passwords: what makes one good enough, and how it is kept: argon2id with the parameters of its
library, which follow RFC 9106."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from worker.kernel.errors import DependencyDownError

LEAST, MOST = 12, 1024
"""Characters of a password."""

_AT_ONCE = threading.BoundedSemaphore(3)
_PATIENCE = 3.0
_hasher = PasswordHasher()


class BusyError(DependencyDownError):
    """Too many passwords are looked at already."""


def faults(password: str, login: str) -> list[str]:
    """What is wrong with a new password of ``login``, in sentences. Pure."""
    found = []
    if len(password) < LEAST:
        found.append(
            f"The password has {len(password)} characters; it needs at least {LEAST}. "
            "A few words in a row are good."
        )
    if len(password) > MOST:
        found.append(f"The password has {len(password):,} characters; at most {MOST:,} are kept.")
    if _plain(password).casefold() == login.casefold():
        found.append("The password is the login; choose another.")
    return found


@contextmanager
def at_hand() -> Iterator[None]:
    """Lets few at once look at passwords, each of which costs 64 MiB and a core for a moment: a
    storm of sign-ins keeps nobody else waiting. Raises ``BusyError``."""
    if not _AT_ONCE.acquire(timeout=_PATIENCE):
        raise BusyError("Too many people sign in at this moment. Try again in a few seconds.")
    try:
        yield
    finally:
        _AT_ONCE.release()


def keep(password: str) -> str:
    """What is kept of a password."""
    return _hasher.hash(_plain(password))


def is_right(kept: str | None, password: str) -> bool:
    """Whether ``password`` is the one that was kept. With nothing kept it takes as long, and it is
    not: time does not tell whether there is such a user."""
    if len(password) > MOST:
        return False
    try:
        return _hasher.verify(kept or _nobodys(), _plain(password)) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Whether the parameters have changed since; then the password is kept anew."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody's")


def _plain(password: str) -> str:
    """The same letters for the same keys: a keyboard may send é as one sign or as two."""
    return unicodedata.normalize("NFKC", password)
