"""Identifiers and keys. Each kind of key is built here and nowhere else."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b32hexencode

# Crockford's base 32: nothing to confuse by eye.
_CROCKFORD = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"0123456789abcdefghjkmnpqrstvwxyz"
)


def _token() -> str:
    """16 signs, 80 random bits."""
    return b32hexencode(secrets.token_bytes(10)).translate(_CROCKFORD).decode()


def new_mail_key() -> str:
    """The id of one mail: opaque, 80 random bits, safe in a header, a file name and a URL."""
    return _token()


def call_key(schedule: str, step: str, licence: str, term: int) -> str:
    """The id of the call that a step makes for one term of a licence: always the same, without a
    full stop (which Standard Webhooks needs as a separator)."""
    return "call_" + digest("\n".join((schedule, step, str(term), licence)))


def new_attempt_id() -> str:
    """The id of one attempt to send or to call; it fences every later write of that attempt."""
    return _token()


def slot(key: str, slots: int) -> int:
    """A number from 0 to ``slots - 1`` that is always the same for ``key``, evenly spread."""
    return int.from_bytes(hashlib.blake2s(key.encode(), digest_size=4).digest()) % slots


def digest(text: str) -> str:
    """A fingerprint of ``text``, 32 hexadecimal digits; equal texts have equal fingerprints."""
    return hashlib.blake2s(text.encode(), digest_size=16).hexdigest()
