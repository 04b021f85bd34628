"""The channel of rehearsals: accepts everything, keeps a sample, reaches nobody."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from worker.channels.contract import Envelope, Mail, Outcome, Result


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail of the sample: its files lie in the channel's folder."""

    envelope: Envelope
    at: datetime
    subject: str
    language: str
    eml: str
    html: str


@dataclass(slots=True)
class RehearsalChannel:
    """Keeps the first ``per_step`` mails of each step from ``since`` on; ``None`` keeps all.

    Each is left as .eml, as it would have left the house, and as .html to look at.
    """

    folder: Path
    since: datetime
    per_step: int | None = 6
    name: str = "rehearsal"
    burst: int = 2000
    in_parts: bool = False
    proves: bool = True
    kept: list[Kept] = field(default_factory=list)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def wants_text(self, envelope: Envelope) -> bool:
        """Whether this mail belongs to the sample. The clock stands still within a batch."""
        if envelope.day < self.since.date():
            return False
        if self.per_step is None:
            return True
        step = envelope.schedule, envelope.step
        self._seen[step] += 1
        return self._seen[step] <= self.per_step

    def send(self, envelope: Envelope, mail: Mail | None, now: datetime) -> Result:
        if mail is not None:
            self._keep(envelope, mail, now)
        return Result(Outcome.ACCEPTED)

    def _keep(self, envelope: Envelope, mail: Mail, now: datetime) -> None:
        address = re.sub(r"[^A-Za-z0-9@.+_=-]", "_", envelope.address)[:80]
        stem = f"{envelope.day}_{envelope.step}_{address}_{envelope.mail_key[:6]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{stem}.eml").write_bytes(mail.raw)
        part = message_from_bytes(mail.raw, policy=default).get_body(("html",))
        html = ""
        if part is not None:
            html = f"{stem}.html"
            (self.folder / html).write_text(part.get_content(), encoding="utf-8")
        self.kept.append(Kept(envelope, now, mail.subject, mail.language, f"{stem}.eml", html))

    def evidence(self, envelope: Envelope) -> Outcome | None:
        return Outcome.ACCEPTED if any(k.envelope == envelope for k in self.kept) else None

    def check(self) -> str | None:
        return None

    def close(self) -> None:
        pass  # nothing stays open
