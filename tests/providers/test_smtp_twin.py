"""The mail server's every fault, met by the real channel: what it concludes, and what was true."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.channels.letters import a_letter, an_envelope
from tests.providers import truth
from tests.providers.smtp_twin import (
    ACCEPTING,
    BEFORE,
    FAULTS,
    GREETING,
    MAIL,
    REFUSING,
    SILENT,
    Twin,
)
from worker.channels.contract import Outcome, Result
from worker.channels.smtp import SmtpChannel
from worker.config.settings import MailSettings, Settings
from worker.kernel.clock import SystemClock
from worker.kernel.keys import digest

ROOT = Path(__file__).parents[2]
EXPECTED = {
    **dict.fromkeys(("greeting-554", "greeting-421"), Outcome.SHUT),
    **dict.fromkeys(("greeting-drop", "greeting-hang"), Outcome.NOT_SENT),
    **dict.fromkeys(("mail-421", "mail-530", "mail-550"), Outcome.SHUT),
    **dict.fromkeys(("mail-451", "mail-drop"), Outcome.NOT_SENT),
    "mail-552": Outcome.REFUSED,
    **dict.fromkeys(("rcpt-450", "rcpt-drop", "data-451", "data-hang"), Outcome.NOT_SENT),
    **dict.fromkeys(("rcpt-550", "data-554"), Outcome.REFUSED),
    "rcpt-421": Outcome.SHUT,
    **dict.fromkeys(("451-after", "452-after"), Outcome.NOT_SENT),
    **dict.fromkeys(("550-after", "554-after"), Outcome.REFUSED),
    **dict.fromkeys(SILENT, Outcome.UNKNOWN),
    **dict.fromkeys(ACCEPTING, Outcome.UNKNOWN),
    **dict.fromkeys(("", "late", "drop-later"), Outcome.ACCEPTED),
}


def settings(port: int, timeout: str = "1 second", **smtp: object) -> MailSettings:
    server = {"host": "127.0.0.1", "port": port, "security": "none"} | smtp
    mail = {"timeout": timeout, "from": "Renewals <renewals@example.com>", "smtp": server}
    return Settings.model_validate_json(json.dumps({"mail": mail})).mail


def send(channel: SmtpChannel, key: str = "k" * 16) -> Result:
    return channel.send(an_envelope(key=key), a_letter(key=key), SystemClock().now())


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    with Twin(tmp_path / "twin", hang=5).running() as made:
        yield made


@pytest.fixture
def channel(twin: Twin) -> Iterator[SmtpChannel]:
    made = SmtpChannel(settings(twin.port))
    yield made
    made.close()


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_each_fault_means_what_it_must_and_never_the_opposite_of_the_truth(
    twin: Twin, channel: SmtpChannel, fault: str, tmp_path: Path
) -> None:
    twin.whims.script = [fault]
    result = send(channel)
    assert (result.outcome, twin.whims.script) == (EXPECTED[fault], [])
    taken = truth.read(tmp_path / "twin")
    assert len(taken) == (fault not in (*GREETING, *MAIL, *BEFORE))
    for one in taken:
        assert one.accepted is (not fault or fault in ACCEPTING)
        assert one.copy == digest("anna@example.com")[:12]
        assert one.mail == "k" * 16 or fault == "drop-inside"  # which cut it short
    if result.outcome is Outcome.ACCEPTED:
        assert result.provider_id == f"2.0.0 Ok: queued as {taken[0].message_id}"
    else:
        assert result.detail
    assert "anna" not in result.detail
    assert "renewals@" not in result.detail
    assert send(channel, "l" * 16).outcome is Outcome.ACCEPTED  # and nothing stays broken


@pytest.mark.parametrize("fault", ["mail-421", "mail-drop", "rcpt-421", "rcpt-drop"])
def test_a_kept_line_that_died_is_replaced_before_the_mail_begins(
    twin: Twin, channel: SmtpChannel, fault: str
) -> None:
    twin.whims.script = ["", fault, ""]
    for key in ("j" * 16, "k" * 16):
        assert send(channel, key).outcome is Outcome.ACCEPTED
    assert len(twin.taken) == 2
    assert [line.partition(" ")[0] for line in twin.said].count("ehlo") == 2


def test_a_kept_line_that_the_server_closed_meanwhile_costs_nothing(
    twin: Twin, channel: SmtpChannel
) -> None:
    twin.whims.script = ["drop-later", "drop-later", ""]
    for key in ("j" * 16, "k" * 16, "l" * 16):
        assert send(channel, key).outcome is Outcome.ACCEPTED
    assert len(twin.taken) == 3


def test_a_fresh_line_that_dies_as_well_is_not_tried_for_ever(
    twin: Twin, channel: SmtpChannel
) -> None:
    twin.whims.script = ["", "mail-drop", "mail-drop"]
    assert send(channel, "j" * 16).outcome is Outcome.ACCEPTED
    assert send(channel).outcome is Outcome.NOT_SENT
    assert len(twin.taken) == 1


@pytest.mark.parametrize("fault", ["drop-after", "hang-after", "odd-after", "drop-inside"])
def test_once_the_mail_began_it_is_never_begun_again_on_a_fresh_line(
    twin: Twin, channel: SmtpChannel, fault: str
) -> None:
    twin.whims.script = ["", fault]
    send(channel, "j" * 16)
    assert send(channel).outcome is Outcome.UNKNOWN
    assert len(twin.taken) == (1 if fault == "drop-inside" else 2)


def test_every_fault_is_told_from_the_others() -> None:
    assert set(EXPECTED) == {"", *FAULTS}
    parts = (GREETING, MAIL, BEFORE, REFUSING, SILENT, ACCEPTING)
    assert len(FAULTS) == len(set(FAULTS)) == sum(map(len, parts))


# --- as a process ---------------------------------------------------------------------------------


def start(folder: Path, *more: str) -> tuple[subprocess.Popen[bytes], int]:
    (folder / "ready.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.providers.smtp_twin", "--folder", str(folder), *more]
    process = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + 60
    while not (folder / "ready.json").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, json.loads((folder / "ready.json").read_text())["port"]


def test_whatever_was_acknowledged_is_in_the_log_of_one_that_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "twin"
    process, port = start(folder, "--faulty", "0.3", "--seed", "7", "--hang", "0.2")
    channel = SmtpChannel(settings(port))
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
    told = {key for key, one in results.items() if one.outcome is Outcome.ACCEPTED}
    assert len(told) > 5
    assert told <= set(accepted)
    assert all(str(accepted[key]) in str(results[key].provider_id) for key in told)
    maybe = (Outcome.ACCEPTED, Outcome.UNKNOWN)
    surely = {key for key, one in results.items() if one.outcome not in maybe}
    assert surely
    assert not surely & set(accepted)
    process, _ = start(folder)
    process.terminate()
    assert process.wait(20) == 0


@pytest.mark.parametrize("count", [1, 20])
def test_a_mail_takes_little_time(
    twin: Twin, channel: SmtpChannel, count: int, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    for number in range(count):
        assert send(channel, f"{number:06d}{'k' * 10}").outcome is Outcome.ACCEPTED
    record_property("seconds", time.monotonic() - began)
    assert [line.partition(" ")[0] for line in twin.said].count("ehlo") == 1
