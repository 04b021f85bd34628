"""From a mail to what its provider tells of it, through the door: requests, signatures, effects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.events.world import LADDER, EventWorld
from tests.providers.misbehaving import Provider
from tests.providers.telling import Signer, Teller
from tests.waiting import until
from tests.web.conftest import Serve
from worker.channels.sendgrid import SendGridChannel
from worker.config.settings import Settings
from worker.kernel.clock import SystemClock, VirtualClock

API_KEY = "SG.a-key-of-tests"


@pytest.fixture
def world(engine: Engine, root: Path) -> EventWorld:
    now = SystemClock().now()  # the provider and the door have no other clock
    made = EventWorld(engine, root, VirtualClock(now))
    start, end = (now.date() + timedelta(days=days) for days in (-335, 30))
    made.licence(start=start.isoformat(), end=end.isoformat())
    made.person("anna")
    made.person("piotr", "procurement")
    open_always = LADDER.replace("09:00-17:00", "00:00-23:59").replace(
        '"fri"]', '"fri", "sat", "sun"]'
    )
    made.apply(open_always.format(kind="contractual"))
    made.later(hours=1)
    return made


Talk = Callable[..., tuple[Provider, SendGridChannel]]


@pytest.fixture
def talk(serve: Serve, database_url: str, tmp_path: Path) -> Iterator[Talk]:
    """``talk(kinds, script)``: a provider that tells so much of each mail, and our way to it."""
    folder = tmp_path / "provider"
    folder.mkdir()
    key = Signer(folder).public
    with ExitStack() as open_things:

        def start(*kinds: str, script: str = "") -> tuple[Provider, SendGridChannel]:
            _, client = serve(
                database=database_url, env={"PERENNIAL_MAIL__SENDGRID__EVENT_KEY": key}
            )
            door = str(client.base_url.join("/events/sendgrid"))
            teller = Teller(folder, door, late=0.3, doubled=1.0, kinds=kinds)
            provider = Provider(folder, key=API_KEY, teller=teller)
            provider.whims.script = [script] if script else []
            open_things.enter_context(provider.running())
            sendgrid = {"base_url": provider.url, "api_key": API_KEY, "event_key": key}
            settings = Settings.model_validate_json(json.dumps({"mail": {"sendgrid": sendgrid}}))
            channel = SendGridChannel(settings.mail)
            open_things.callback(channel.close)
            return provider, channel

        yield start


def test_a_mail_of_unknown_outcome_is_known_once_its_provider_tells_of_it(
    world: EventWorld, talk: Talk
) -> None:
    provider, channel = talk("processed", "delivered", script="500-accepted")
    world.run(world.machine(channel=channel))
    until(lambda: world.fates() == {"anna@example.com": "delivered"})
    (row,) = world.ledger()
    assert (row.state, row.reason) == ("accepted", None)
    assert world.happened() == {"delivered"}
    world.later(hours=1)
    world.run(world.machine(channel=channel))
    assert len(provider.taken) == 1


def test_a_mail_that_bounces_at_the_provider_goes_to_the_next_rung(
    world: EventWorld, talk: Talk
) -> None:
    provider, channel = talk("processed", "bounce")
    world.run(world.machine(channel=channel))
    until(lambda: world.silent() == {"anna@example.com": "bounced"})
    world.later(seconds=60)
    world.run(world.machine(channel=channel))
    to = [taken["personalizations"][0]["to"][0]["email"] for taken in provider.taken]
    assert to == ["anna@example.com", "piotr@example.com"]
    until(lambda: len(world.silent()) == 2)
    world.later(seconds=60)
    world.run(world.machine(channel=channel))
    assert world.tasks() == [("no-contact", "No reachable contact")]
