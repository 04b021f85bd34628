"""What every channel promises, and the words for what became of a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from email.headerregistry import Address
from enum import StrEnum
from typing import Protocol


class Outcome(StrEnum):
    """What one attempt came to. The one bit that decides all: was it surely *not* sent?"""

    ACCEPTED = "accepted"
    NOT_SENT = "not-sent"  # surely not: try again
    REFUSED = "refused"  # surely not, and never will be: bad address, 4xx on this mail
    SHUT = "shut"  # surely not, and no other mail would be: the door is closed to all of them
    UNKNOWN = "unknown"  # it may be on its way: never try again without evidence


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one attempt; ``detail`` is for people, ``retry_at`` when it may be tried.

    ``bad_address``: it was refused because nobody is reached there, now or later.
    ``pause_until``: the provider asked to be left alone until then, whatever the mail. Neither
    ``detail`` nor ``provider_id`` holds an address or a secret.
    """

    outcome: Outcome
    provider_id: str | None = None
    detail: str = ""
    retry_at: datetime | None = None
    pause_until: datetime | None = None
    bad_address: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the ledger knows of a mail, whatever its text: one message row, one address."""

    mail_key: str
    address: str
    day: date
    schedule: str
    step: str

    @property
    def name(self) -> str:
        """The one name of this copy of the mail, the same at every attempt."""
        return f"{self.mail_key}-{self.address}"


class File(Protocol):
    """A file that goes along; ``parameters`` stand in its Content-Type."""

    @property
    def name(self) -> str: ...
    @property
    def maintype(self) -> str: ...
    @property
    def subtype(self) -> str: ...
    @property
    def content(self) -> bytes: ...
    @property
    def parameters(self) -> Mapping[str, str]: ...


class Parts(Protocol):
    """A mail in its parts, for those who hand it over in pieces. Every part was checked.

    ``headers`` are those beside From, To, Reply-To, Subject, Date and what describes the content.
    """

    @property
    def sender(self) -> Address: ...
    @property
    def to(self) -> Address: ...
    @property
    def reply_to(self) -> Address | None: ...
    @property
    def subject(self) -> str: ...
    @property
    def date(self) -> datetime: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def text(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def attachments(self) -> Sequence[File]: ...

    def written(self) -> bytes:
        """The whole of it as bytes, RFC 5322 with CRLF line ends."""
        ...


@dataclass(frozen=True, slots=True)
class Mail:
    """A rendered mail. It is written as bytes only when somebody asks for them.

    ``recipient`` is the plain address that really receives it. It is not the envelope's when
    mails are redirected; the envelope names the mail, whoever reads it.
    """

    subject: str
    language: str
    parts: Parts
    recipient: str
    whole: bytes | None = None

    @property
    def raw(self) -> bytes:
        """The whole of it as bytes, RFC 5322 with CRLF line ends."""
        return self.parts.written() if self.whole is None else self.whole

    def written(self) -> Mail:
        """The same, its bytes at hand: whatever is wrong with them shows now, not on its way."""
        return replace(self, whole=self.raw)


class Channel(Protocol):
    """A way out."""

    name: str
    burst: int
    """How many mails may be marked as started in one transaction. 1 where an unknown is costly;
    more where evidence settles every unknown at once."""
    in_parts: bool
    """Whether it hands mails over in their parts; else it is given their bytes."""
    proves: bool
    """Whether evidence of an unknown will come: the channel's own, or an event of the provider."""

    def wants_text(self, envelope: Envelope) -> bool:
        """Whether this mail must be rendered; only a rehearsal ever says no."""
        ...

    def send(self, envelope: Envelope, mail: Mail | None, now: datetime) -> Result:
        """Makes one attempt. Never raises for what the outside does: that is an outcome."""
        ...

    def evidence(self, envelope: Envelope) -> Outcome | None:
        """What can be proved about an earlier attempt: accepted, not sent, or nothing yet."""
        ...

    def check(self) -> str | None:
        """For ``doctor``: what is wrong with this channel now, or ``None``."""
        ...

    def close(self) -> None:
        """Lets go of what is open; the channel may be used again."""
        ...
