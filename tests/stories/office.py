"""A book whose mails leave by SendGrid's channel to a provider on this machine, and the count.

The count asks the book what should have left and the provider's log what did; the ledger is only
asked what it claims.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import httpx
from sqlalchemy import Engine

from tests.events.world import EventWorld
from tests.outbox.world import LEASE, NOTHING
from tests.providers import truth
from tests.providers.misbehaving import Provider
from tests.providers.telling import Signer, event_of
from tests.stories.instance import short_templates
from worker.cadence import machine
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import UNGUARDED, Guards, Machine
from worker.channels.contract import Channel
from worker.channels.sendgrid import SendGridChannel
from worker.channels.sendgrid_events import SendgridEar
from worker.config.settings import MailSettings, Settings
from worker.events import flow, refusals
from worker.kernel.clock import Clock

HOLD = timedelta(minutes=30)
CALM = (LEASE * 1.1, timedelta(minutes=5), HOLD, timedelta(days=1), HOLD * 2)
"""After each of these somebody looks: the lease, the hold and the day of a resend are over."""


class Count(NamedTuple):
    """Addresses; none where every promise is kept.

    ``lost``: should have got a mail and did not. ``doubled``: got one mail more than once.
    ``lies``: recorded as sent, never accepted. ``phantoms``: nobody should have written to them.
    """

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    lies: tuple[str, ...] = ()
    phantoms: tuple[str, ...] = ()


CLEAN = Count()


@dataclass
class Office(EventWorld):
    """One book, one clock, one provider."""

    provider: Provider = field(kw_only=True)

    def __post_init__(self) -> None:
        # What mails say is not the point here, and there are many.
        short_templates(self.root / "templates")
        (self.root / "schedules").mkdir()
        folder = self.provider.truth.path.parent
        self.signer = Signer(folder)
        self.ear = SendgridEar(self.signer.public)
        self.settings = _settings(self.provider.url, self.signer.public)

    # --- our side ---

    def channel(self) -> Channel:
        """A fresh one, as a process has it; connections are not shared with anybody."""
        # The machine's certificates take longer to load than a mail to send.
        return SendGridChannel(self.settings, transport=httpx.HTTPTransport(verify=False))

    def machine(
        self,
        *,
        channel: Channel | None = None,
        pause: Callable[[str], None] = NOTHING,
        guards: Guards = UNGUARDED,
    ) -> Machine:
        return self.machine_on(self.engine, self.clock, channel or self.channel(), pause, LEASE)

    def machine_on(
        self,
        engine: Engine,
        clock: Clock,
        channel: Channel,
        pause: Callable[[str], None],
        lease: timedelta,
    ) -> Machine:
        """The production machine on any engine and clock."""
        return machine.build(
            engine,
            clock,
            channel,
            defaults=Defaults(),
            letterhead=Letterhead("Renewals <renewals@example.com>"),
            lease=lease,
            hold=HOLD,
            refused=lambda conn, *said: refusals.hear(conn, "sendgrid", *said),
            pause=pause,
        )

    def send(self, pause: Callable[[str], None] = NOTHING) -> None:
        """A process that sweeps, plans and sends until nothing is due now."""
        channel = self.channel()
        self.run(self.machine(channel=channel, pause=pause))
        channel.close()

    # --- the provider ---

    def taken(self) -> list[truth.Taken]:
        """The mails that the provider accepted."""
        return truth.accepted(self.provider.truth.path.parent)

    def told(self, *kinds: str, **odd: str) -> tuple[dict[str, str], bytes]:
        """A signed request that tells of everything accepted so far: ``kinds`` of each mail, and
        for some addresses (the part before the @) something else."""
        at = int(self.clock.now().timestamp())
        found: list[dict[str, Any]] = []
        for taken in self.taken():
            name = taken.address.partition("@")[0]
            found += [event_of(taken, kind, "", at) for kind in kinds or ("processed", "delivered")]
            if name in odd:
                found.append(event_of(taken, odd[name], "", at))
        body = json.dumps(found).encode()
        headers = self.signer.headers(body, str(at))
        return {name.lower(): value for name, value in headers.items()}, body

    def hear(self, engine: Engine, headers: dict[str, str], body: bytes) -> None:
        """What the web process does with such a request."""
        now = self.clock.now()
        told = self.ear.hear(headers, body, now)
        with engine.begin() as conn:
            flow.take(conn, "sendgrid", told, now)

    def tell_all(self, *kinds: str, **odd: str) -> None:
        self.hear(self.engine, *self.told(*kinds, **odd))

    # --- the end ---

    def live_on(self) -> None:
        """Calm days: somebody looks now and then, and only later the provider tells what it has."""
        for span in CALM:
            for rest in (span, LEASE / 2):
                self.clock.advance(rest)
                self.send()
            self.tell_all()

    def count(self, expected: Iterable[str]) -> Count:
        """What came of the mails for these addresses, one each."""
        copies = Counter((taken.mail, taken.address) for taken in self.taken())
        got = {address for _, address in copies}
        claimed = {(row.mail_key, row.address) for row in self.ledger() if row.state == "accepted"}
        wanted = set(expected)
        mails = Counter(address for _, address in copies)
        return Count(
            lost=tuple(sorted(wanted - got)),
            doubled=tuple(
                sorted({to for (_, to), times in copies.items() if times > 1})
                + sorted(to for to, times in mails.items() if times > 1)
            ),
            lies=tuple(sorted(to for _, to in claimed - set(copies))),
            phantoms=tuple(sorted(got - wanted)),
        )


def _settings(url: str, event_key: str) -> MailSettings:
    said = {"base_url": url, "api_key": "SG." + "k" * 40, "event_key": event_key}
    mail = {"timeout": "5 seconds", "sendgrid": said}
    return Settings.model_validate_json(json.dumps({"mail": mail})).mail


class RunningClock:
    """The world's time since it was made, counted from another moment."""

    def __init__(self, start: datetime, real: Clock) -> None:
        self._start, self._real, self._began = start, real, real.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic() - self._began)

    def monotonic(self) -> float:
        return self._real.monotonic()

    def elapsed(self) -> float:
        return self._real.monotonic()
