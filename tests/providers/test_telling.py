"""The provider's events: signed, late, doubled, shuffled, lost; and heard by the real listener."""

from __future__ import annotations

import json
import time
from pathlib import Path

from sendgrid.helpers.eventwebhook import EventWebhook

from tests.http.server import Asked, Reply, Server
from tests.providers import truth
from tests.providers.misbehaving import Provider
from tests.providers.telling import SIGNATURE, TIMESTAMP, Signer, Teller
from tests.providers.test_misbehaving import send, settings
from worker.channels.sendgrid import SendGridChannel
from worker.channels.sendgrid_events import SendgridEar
from worker.channels.told import Kind, Told
from worker.kernel.clock import SystemClock
from worker.kernel.keys import digest


class Hook:
    """Whoever is told: checks each signature with SendGrid's own library, answers ``statuses``."""

    def __init__(self, statuses: list[int]) -> None:
        self.statuses, self.key, self.batches = statuses, "", list[list[dict[str, str]]]()

    def __call__(self, asked: Asked) -> Reply:
        status = self.statuses.pop(0) if self.statuses else 200
        signature, stamp = asked.headers[SIGNATURE], asked.headers[TIMESTAMP]
        assert EventWebhook(self.key).verify_signature(asked.body.decode(), signature, stamp)
        if status == 200:
            self.batches.append(json.loads(asked.body))
        return Reply(status=status)

    def events(self, count: int) -> list[dict[str, str]]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = [event for batch in list(self.batches) for event in batch]
            if len({event["sg_event_id"] for event in found}) >= count:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{len(self.batches)} batches came")


def test_signed_events_come_late_doubled_and_shuffled_until_they_are_taken(tmp_path: Path) -> None:
    hook = Hook([503, 500])
    with Server(hook).running() as server:
        teller = Teller(tmp_path, f"{server.url}/events/sendgrid", seed=5, late=0.3)
        hook.key = teller.signer.public
        with Provider(tmp_path, teller=teller).running() as provider:
            channel = SendGridChannel(settings(provider.url, event_key=hook.key))
            assert channel.proves
            provider.whims.script = ["", "500-accepted", "500", *[""] * 12]
            for number in range(15):
                send(channel, f"{number:06d}{'k' * 10}")
            events = hook.events(28)
            channel.close()
    assert {event["mail"] for event in events} == {t.mail for t in truth.accepted(tmp_path)}
    assert len({event["mail"] for event in events}) == 14
    assert {event["copy"] for event in events} == {digest("anna@example.com")[:12]}
    assert {event["event"] for event in events} == {"processed", "delivered"}
    assert {event["smtp-id"] for event in events} == {
        f"<{event['mail']}@example.com>" for event in events
    }
    assert len(events) > 28  # some came twice
    order = [(event["mail"], event["event"]) for event in events]
    assert order != sorted(order)


def test_what_the_provider_tells_is_heard_and_names_the_mail_that_it_took(tmp_path: Path) -> None:
    heard: list[Told] = []
    with Server(lambda asked: Reply(status=200 if hear(asked) else 400)).running() as server:
        teller = Teller(tmp_path, server.url, late=0, doubled=0)
        ear = SendgridEar(teller.signer.public)

        def hear(asked: Asked) -> bool:
            headers = {name.lower(): value for name, value in asked.headers.items()}
            heard.extend(ear.hear(headers, asked.body, SystemClock().now()))
            return True

        with Provider(tmp_path, teller=teller).running() as provider:
            channel = SendGridChannel(settings(provider.url, event_key=teller.signer.public))
            result = send(channel)
            channel.close()
            deadline = time.monotonic() + 20
            while len(heard) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
    assert {told.kind for told in heard} == {Kind.ACCEPTED, Kind.DELIVERED}
    assert {told.mail_key for told in heard} == {"k" * 16}
    assert {told.copy for told in heard} == {digest("anna@example.com")[:12]}
    assert {told.provider_id for told in heard} == {result.provider_id}


def test_evidence_may_be_lost_for_good(tmp_path: Path) -> None:
    hook = Hook([])
    with Server(hook).running() as server:
        teller = Teller(tmp_path, server.url, seed=5, evidence=0.5, late=0.1, doubled=0)
        hook.key = teller.signer.public
        with Provider(tmp_path, teller=teller).running() as provider:
            channel = SendGridChannel(settings(provider.url))
            for number in range(30):
                send(channel, f"{number:06d}{'k' * 10}")
            told = {event["mail"] for event in hook.events(2)}
            time.sleep(0.5)
            told = {event["mail"] for batch in hook.batches for event in batch}
            channel.close()
    assert 5 < len(told) < 25


def test_the_key_of_events_outlives_the_process(tmp_path: Path) -> None:
    assert Signer(tmp_path).public == Signer(tmp_path).public
