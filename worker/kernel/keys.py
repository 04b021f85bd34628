"""Identifiers and keys. Each kind of key is built here and nowhere else."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b32hexencode
from datetime import datetime
from functools import lru_cache

# Crockford's base 32: nothing to confuse by eye.
_CROCKFORD = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"0123456789abcdefghjkmnpqrstvwxyz"
)


def _token() -> str:
    """16 signs, 80 random bits."""
    return _spelt(secrets.token_bytes(10))


def _spelt(raw: bytes) -> str:
    """Ten bytes as 16 signs that sort as the bytes do."""
    return b32hexencode(raw).translate(_CROCKFORD).decode()


def new_mail_key(now: datetime) -> str:
    """The id of one mail: safe in a header, a file name and a URL.

    It begins with the second at which it was made and ends with 48 random bits, so that the rows
    of a day lie together in every index.
    """
    seconds = int(now.timestamp()) & 0xFFFFFFFF
    return _spelt(seconds.to_bytes(4) + secrets.token_bytes(6))


def first_mail_key(moment: datetime) -> str:
    """No mail that was made at ``moment`` or later has an id before this one (until 2106)."""
    seconds = min(max(int(moment.timestamp()), 0), 0xFFFFFFFF)
    return _spelt(seconds.to_bytes(4) + bytes(6))


def call_key(schedule: str, step: str, licence: str, term: int) -> str:
    """The id of the call that a step makes for one term of a licence: always the same, without a
    full stop (which Standard Webhooks needs as a separator)."""
    return "call_" + digest("\n".join((schedule, step, str(term), licence)))


def notice_key(endpoint: str, happened: str) -> str:
    """The id of the call that tells an endpoint of what happened: always the same."""
    return "evt_" + digest("\n".join((endpoint, happened)))


def new_attempt_id() -> str:
    """The id of one attempt to send or to call; it fences every later write of that attempt."""
    return _token()


@lru_cache(maxsize=65536)
def slot(key: str, slots: int) -> int:
    """A number from 0 to ``slots - 1`` that is always the same for ``key``, evenly spread."""
    return int.from_bytes(hashlib.blake2s(key.encode(), digest_size=4).digest()) % slots


def digest(text: str) -> str:
    """A fingerprint of ``text``, 32 hexadecimal digits; equal texts have equal fingerprints."""
    return hashlib.blake2s(text.encode(), digest_size=16).hexdigest()
