"""The provider's every fault, met by the real channel: what it concludes, and what was true."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from tests.channels.letters import a_letter, an_envelope
from tests.http.server import Reply, Server
from tests.providers import truth
from tests.providers.misbehaving import ACCEPTING, FAULTS, REFUSING, SILENT, Provider
from tests.providers.payload import wrong
from worker.channels.contract import Outcome, Result
from worker.channels.sendgrid import SendGridChannel
from worker.config.settings import MailSettings, Settings
from worker.kernel.clock import SystemClock
from worker.kernel.keys import digest

ROOT = Path(__file__).parents[2]
EXPECTED = {
    **dict.fromkeys(("400", "413"), Outcome.REFUSED),
    **dict.fromkeys(("401", "403", "404"), Outcome.SHUT),
    **dict.fromkeys(("429", "429-reset"), Outcome.NOT_SENT),
    **dict.fromkeys(SILENT, Outcome.UNKNOWN),
    **dict.fromkeys(ACCEPTING, Outcome.UNKNOWN),
    "slow": Outcome.ACCEPTED,
    "": Outcome.ACCEPTED,
}


def settings(url: str, timeout: str = "2 seconds", **sendgrid: str) -> MailSettings:
    mail = {"timeout": timeout, "sendgrid": {"base_url": url, "api_key": "SG.key"} | sendgrid}
    return Settings.model_validate_json(json.dumps({"mail": mail})).mail


def send(channel: SendGridChannel, key: str = "k" * 16) -> Result:
    return channel.send(an_envelope(key=key), a_letter(key=key), SystemClock().now())


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with Provider(tmp_path / "provider", key="SG.key", hang=5).running() as made:
        yield made


@pytest.fixture
def channel(provider: Provider) -> Iterator[SendGridChannel]:
    made = SendGridChannel(settings(provider.url, "1 second"))
    yield made
    made.close()


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_each_fault_means_what_it_must_and_never_the_opposite_of_the_truth(
    provider: Provider, channel: SendGridChannel, fault: str, tmp_path: Path
) -> None:
    provider.whims.script = ["", fault]
    assert send(channel, "j" * 16).outcome is Outcome.ACCEPTED  # the connection is a kept one
    result = send(channel)
    assert result.outcome is EXPECTED[fault]
    (_, taken) = truth.read(tmp_path / "provider")
    assert (taken.mail, taken.copy) == ("k" * 16, digest("anna@example.com")[:12])
    assert taken.accepted is (not fault or fault in ACCEPTING)
    if result.outcome is Outcome.ACCEPTED:
        assert (result.provider_id, taken.accepted) == (taken.message_id, True)
    elif result.outcome is not Outcome.UNKNOWN:
        assert not taken.accepted
    assert result.outcome is Outcome.ACCEPTED or result.detail
    assert "anna" not in result.detail
    assert send(channel, "l" * 16).outcome is Outcome.ACCEPTED  # and nothing stays broken


def test_every_fault_is_told_from_the_others() -> None:
    assert set(EXPECTED) == {"", *FAULTS}
    assert len(FAULTS) == len(REFUSING) + len(SILENT) + len(ACCEPTING)


def test_a_pause_is_as_long_as_the_provider_asks(
    provider: Provider, channel: SendGridChannel
) -> None:
    provider.whims.script, provider.reset = ["429-reset", "429"], 90
    now = SystemClock().now()
    asked, silent = send(channel), send(channel)
    assert asked.pause_until is not None
    assert timedelta(seconds=88) <= asked.pause_until - now <= timedelta(seconds=92)
    assert asked.retry_at == asked.pause_until
    assert (silent.pause_until, silent.retry_at) == (None, None)


def test_a_redirect_is_not_followed_and_the_key_stays_here(
    provider: Provider, channel: SendGridChannel
) -> None:
    with Server(lambda _: Reply(status=202, headers={"X-Message-Id": "x"})).running() as other:
        provider.elsewhere, provider.whims.script = f"{other.url}/v3/mail/send", ["redirect"]
        assert send(channel).outcome is Outcome.UNKNOWN
        assert other.asked == []


def test_a_wrong_key_shuts_the_door_and_the_check_says_so(provider: Provider) -> None:
    channel = SendGridChannel(settings(provider.url, api_key="SG.other"))
    result = send(channel)
    assert result.outcome is Outcome.SHUT
    said = channel.check()
    assert said is not None
    assert said.startswith("mail.sendgrid.api_key: SendGrid refuses the key (401 ")
    assert "SG.other" not in said + result.detail
    channel.close()


def test_nobody_there_is_surely_not_sent() -> None:
    for url in ("http://127.0.0.1:9", "http://localhost:9"):
        channel = SendGridChannel(settings(url))
        assert send(channel).outcome is Outcome.NOT_SENT
        assert (channel.check() or "").startswith("mail.sendgrid: ")
        channel.close()


def test_what_the_real_one_would_refuse_is_refused_here_too(provider: Provider) -> None:
    """Else a mistake in the request would be found by the first client."""
    channel = SendGridChannel(settings(provider.url))
    assert send(channel).outcome is Outcome.ACCEPTED
    (payload,) = provider.taken
    assert wrong(payload) == []
    file = payload["attachments"][0]
    assert wrong(payload | {"attachments": [file | {"type": file["type"] + "; charset=utf-8"}]})
    assert wrong(payload | {"content": payload["content"][::-1]})
    assert wrong(payload | {"headers": {"Subject": "x"}})
    assert wrong(payload | {"subject": ""})
    assert wrong(payload | {"personalizations": [{"to": [{"email": "анна@example.com"}]}]})
    channel.close()


# --- as a process ---------------------------------------------------------------------------------


def start(folder: Path, *more: str) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    (folder / "ready.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.providers.misbehaving", "--folder", str(folder), *more]
    process = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + 60
    while not (folder / "ready.json").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, json.loads((folder / "ready.json").read_text())


def test_whatever_was_acknowledged_is_in_the_log_of_one_that_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "provider"
    process, where = start(folder, "--faulty", "0.45", "--seed", "7", "--hang", "0.2")
    channel = SendGridChannel(settings(where["url"], "1 second"))
    keys = [f"{number:06d}{'k' * 10}" for number in range(80)]

    def post(key: str) -> tuple[str, Result]:
        if key == keys[50]:
            process.send_signal(signal.SIGKILL)
        return key, send(channel, key)

    try:
        with ThreadPoolExecutor(4) as pool:
            results = dict(pool.map(post, keys))
    finally:
        process.kill()
        process.wait()
        channel.close()
    accepted = {taken.mail: taken.message_id for taken in truth.accepted(folder)}
    told = {key: one for key, one in results.items() if one.outcome is Outcome.ACCEPTED}
    assert len(told) > 5
    assert {key: one.provider_id for key, one in told.items()}.items() <= accepted.items()
    maybe = (Outcome.ACCEPTED, Outcome.UNKNOWN)
    surely = {key for key, one in results.items() if one.outcome not in maybe}
    assert surely
    assert not surely & set(accepted)
    known = len(truth.read(folder))
    process, where = start(folder)  # it goes on where the dead one ended
    try:
        assert where["accepted"] == known
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_half_a_line_of_one_that_was_killed_was_never_answered(tmp_path: Path) -> None:
    first = truth.Truth(tmp_path)
    first.write("m", "c", "a@example.com", "id", True, "")
    first.close()
    with first.path.open("a") as file:
        file.write('{"mail": "half')
    again = truth.Truth(tmp_path)
    again.write("n", "c", "a@example.com", None, False, "500")
    again.close()
    assert [(taken.mail, taken.accepted) for taken in truth.read(tmp_path)] == [
        ("m", True),
        ("n", False),
    ]


def test_chance_is_the_same_for_the_same_mail_whoever_comes_first(tmp_path: Path) -> None:
    names = [f"mail {number}" for number in range(300)]
    first = truth.Whims(tmp_path, 3, 0.45, list(FAULTS))
    second = truth.Whims(tmp_path, 3, 0.45, list(FAULTS))
    chosen = {name: first.next(name) for name in names}
    Random(1).shuffle(names)
    assert {name: second.next(name) for name in names} == chosen
    assert 0.35 < sum(1 for fault in chosen.values() if fault) / 300 < 0.55
    assert {fault for fault in chosen.values() if fault} == set(FAULTS)
    (tmp_path / "faulty").write_text("0")
    assert {first.next(name) for name in names} == {""}
