"""Signed tokens: one purpose, one subject, an end; and the addresses that carry them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from itsdangerous import BadData, URLSafeSerializer
from pydantic import SecretStr

from worker.kernel.clock import require_aware


class Purpose(StrEnum):
    """What a link is for; one that was made for another purpose opens nothing."""

    ANSWER = "answer"
    PREFERENCES = "preferences"
    UNSUBSCRIBE = "unsubscribe"
    SURVEY = "survey"


PATHS = {
    Purpose.ANSWER: "a",
    Purpose.PREFERENCES: "p",
    Purpose.UNSUBSCRIBE: "u",
    Purpose.SURVEY: "s",
}
LIVES = {
    Purpose.ANSWER: timedelta(days=180),
    # Who wants no more mail may find an old one first.
    Purpose.PREFERENCES: timedelta(days=730),
    Purpose.UNSUBSCRIBE: timedelta(days=730),
    # A survey closes sooner, by a date of its own.
    Purpose.SURVEY: timedelta(days=180),
}
"""How long a link of each purpose is good for, from the moment its mail was written."""

_SHAPE = re.compile(r"\.?[A-Za-z0-9_-]{1,400}\.[A-Za-z0-9_-]{1,90}")


class Signing(Protocol):
    """Where pages are, and what signs the links to them: the settings of ``[web]``."""

    @property
    def base_url(self) -> str: ...
    @property
    def link_key(self) -> SecretStr | None: ...
    @property
    def previous_link_key(self) -> SecretStr | None: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom and which mail a link is about; ``made_at`` is when it was signed, to the second."""

    mail_key: str
    contact_id: int
    made_at: datetime


class BadLinkError(Exception):
    """A link that opens nothing. ``why``: ``broken`` (altered, cut, for another purpose, of a key
    that is gone) or ``expired``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and reads links. ``keys``: the one that signs first, then those that still open.

    ``base_url`` is where clients reach the pages, without a slash at its end.
    """

    base_url: str
    keys: Sequence[str] = field(repr=False)

    def url(self, purpose: Purpose, mail_key: str, contact_id: int, now: datetime) -> str:
        """The address of a page; the same arguments give the same address."""
        token = self.token(purpose, mail_key, contact_id, now)
        return f"{self.base_url}/{PATHS[purpose]}/{token}"

    def token(self, purpose: Purpose, mail_key: str, contact_id: int, now: datetime) -> str:
        """The signed part of such an address; it holds no personal data."""
        made = int(require_aware(now).timestamp())
        end = made + int(LIVES[purpose].total_seconds())
        return _signed(self.keys[0], purpose, [mail_key, contact_id, made, end])

    def read(self, purpose: Purpose, token: str, now: datetime) -> Subject:
        """What ``token`` says; raises ``BadLinkError`` when it opens nothing at ``now``."""
        mail_key, contact_id, made, end = self._opened(purpose, token)
        if require_aware(now).timestamp() > end:
            raise BadLinkError("expired")
        return Subject(mail_key, contact_id, datetime.fromtimestamp(made, UTC))

    def _opened(self, purpose: Purpose, token: str) -> Sequence[Any]:
        if not _SHAPE.fullmatch(token):
            raise BadLinkError("broken")
        for key in self.keys:
            try:
                said: Sequence[Any] = _serializer(key, purpose).loads(token)
            except (BadData, ValueError):
                continue
            # Base64 has several spellings of the same bytes; only the one that we wrote counts.
            if hmac.compare_digest(_signed(key, purpose, said), token):
                return said
        raise BadLinkError("broken")


def links_of(web: Signing) -> Links | None:
    """What makes and reads links; ``None`` while no key is set."""
    if web.link_key is None:
        return None
    keys = [key.get_secret_value() for key in (web.link_key, web.previous_link_key) if key]
    return Links(web.base_url, keys)


def _signed(key: str, purpose: Purpose, said: Sequence[Any]) -> str:
    return str(_serializer(key, purpose).dumps(list(said)))


def _serializer(key: str, purpose: Purpose) -> URLSafeSerializer:
    return URLSafeSerializer(
        key,
        salt=f"perennial.{purpose}",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
