"""What providers tell about mails, in one vocabulary, whoever tells it.

accepted       the provider has it, and will try
deferred       the other side asked to come back later
delivered      the mailbox's server took it
blocked        refused this time, for a reason that may pass: the address stays
dropped        the provider did not try, by a list or a rule of its own
bounced        refused for good, or not even tried because it was refused for good before
complained     its reader called it spam
opened, clicked, unsubscribed
replied        a person answered it by mail
unknown        anything else: kept, and nothing follows from it
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from worker.channels.addresses import without
from worker.kernel.errors import PerennialError
from worker.kernel.keys import digest

_MOST_DETAIL = 500
_MOST_KEY = 200
_MOST_ADDRESS = 320  # RFC 3696, erratum 1690, with room to spare
_DEEPEST = 12
_OLDEST = timedelta(days=3650)


class Kind(StrEnum):
    """What happened to a mail."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BLOCKED = "blocked"
    DROPPED = "dropped"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    OPENED = "opened"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"
    REPLIED = "replied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a provider told.

    ``key`` is its own id of the event: the same event, told again, has the same. ``mail_key`` and
    ``copy`` (see ``copy_mark``) name a message of ours, or else ``provider_id`` and ``address``
    do. ``detail`` is for people; of a click it is what ``click_detail`` makes.
    """

    key: str
    kind: Kind
    at: datetime
    mail_key: str | None = None
    copy: str | None = None
    address: str | None = None
    provider_id: str | None = None
    detail: str | None = None
    raw: Any = None


class ForgedError(PerennialError):
    """It does not come from the provider, or not now."""


class GarbledError(PerennialError):
    """It comes from the provider and is not what was agreed; the text says what is wrong."""


class Ear(Protocol):
    """Hears one provider."""

    def hear(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Told]:
        """What a request tells; nothing of it is read before its signature was found good.

        ``headers`` have names in lower case. Raises ``ForgedError`` and ``GarbledError``.
        """
        ...


def copy_mark(address: str) -> str:
    """What names one copy of a mail to a provider, without personal data."""
    return digest(address)[:12]


def click_detail(link: str, agent: str) -> str:
    """Of a click: which link, as a fingerprint (the link itself may open a page), and who came."""
    return f"{digest(link)[:8]} {agent}"[:_MOST_DETAIL]


# --- values from outside: nothing that a database or a page could choke on ---


def as_text(value: object, most: int = _MOST_DETAIL) -> str | None:
    """One line of at most ``most`` signs; ``None`` when there is nothing to say."""
    if not isinstance(value, str):
        return None
    line = " ".join(_sound(value).split())
    return line[:most] or None


def as_detail(value: object) -> str | None:
    """What a provider says in words, without the addresses in it: it may outlast its person."""
    text = as_text(value)
    return without(text) or None if text else None


def as_key(value: object, raw: object) -> str:
    """The provider's id of an event, else a fingerprint of all that it told (``as_raw``)."""
    if isinstance(value, str) and value.isprintable() and 0 < len(value) <= _MOST_KEY:
        return value
    return "digest-" + digest(json.dumps(raw, sort_keys=True))


def as_address(value: object) -> str | None:
    """An address as it stands, when it may be one."""
    text = as_text(value, _MOST_ADDRESS + 1)
    return text if text and "@" in text and len(text) <= _MOST_ADDRESS else None


def as_moment(value: object, now: datetime) -> datetime:
    """Seconds since 1970 as a moment; ``now`` for anything that cannot be when it happened."""
    oldest = now.timestamp() - _OLDEST.total_seconds()
    # Compared as it is: not every number of JSON fits a float. NaN is on neither side.
    if isinstance(value, bool) or not isinstance(value, int | float) or not oldest < value:
        return now
    return datetime.fromtimestamp(value, UTC) if value < now.timestamp() else now


def as_raw(value: Any, depth: int = 0) -> Any:
    """A value of JSON that can be kept: whole texts, and nothing deeper than a dozen levels."""
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, int | float | None):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {_sound(str(name)): as_raw(each, depth + 1) for name, each in value.items()}
    return [as_raw(each, depth + 1) for each in value]


def _sound(text: str) -> str:
    """Without NUL and half characters, which PostgreSQL refuses."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return (
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    )
