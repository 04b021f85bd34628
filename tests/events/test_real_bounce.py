"""A real mail server takes a mail, finds nobody, and sends it back: the next rung gets it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import debian
from tests.events.world import EventWorld
from tests.folders import short_folder
from tests.providers.exim import Exim
from worker.channels.smtp import SmtpChannel
from worker.config.settings import Settings
from worker.events import bounces

CERTIFICATE = Path(__file__).parents[1] / "http/hooks.example.com.pem"


@pytest.fixture
def exim() -> Iterator[Exim]:
    folder = short_folder()
    server = Exim(folder, debian.needed("exim4"), CERTIFICATE)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def channel(exim: Exim, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpChannel]:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    mail = {"smtp": {"host": "hooks.example.com", "port": exim.port}}
    settings = Settings.model_validate_json(json.dumps({"mail": mail})).mail
    made = SmtpChannel(settings, resolve=lambda *_: ["127.0.0.1"])
    yield made
    made.close()


def test_what_a_real_server_sends_back_goes_to_the_next_rung(
    world: EventWorld, exim: Exim, channel: SmtpChannel
) -> None:
    world.licence()
    world.person("gone")
    world.person("piotr", "procurement")
    world.apply_ladder()
    world.run(world.machine(channel=channel))
    assert [row.state for row in world.ledger()] == ["accepted"]
    (back,) = exim.delivered(1)
    assert b"no such person here" in back
    maildir = str(exim.folder / "mail")
    assert bounces.read(world.engine, world.clock, maildir, None, world.root) == 1
    assert world.silent() == {"gone@example.com": "bounced"}
    (row,) = world.kept()
    assert (row.kind, row.orphan, row.address) == ("bounced", False, "gone@example.com")
    world.run(world.machine(channel=channel))
    assert world.fates() == {"gone@example.com": "bounced", "piotr@example.com": None}
    (mail,) = exim.delivered(1)
    assert b"To: piotr@example.com" in mail
