"""What every channel promises, asked of every channel there is."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from tests.channels.letters import (
    CALENDAR,
    NOW,
    SUBJECT,
    Words,
    a_letter,
    an_envelope,
    content,
    parsed,
)
from tests.providers import misbehaving, smtp_twin
from tests.providers.payload import as_message
from worker.channels.contract import Channel, Outcome
from worker.channels.folder import FolderChannel
from worker.channels.rehearsal import RehearsalChannel
from worker.channels.table import KINDS
from worker.config.settings import Settings

MAIL = a_letter(words=Words("Hello", "Hello.\n", "<p>Hello.</p>\n", "en"))
RAW = MAIL.raw
LONG = "l" * 64 + "@" + ".".join(["d" * 60] * 3) + ".com"

CANARY = "SG.canary-of-the-key"


@dataclass
class Tried:
    """A channel, what it reaches, and the folder under which everything it leaves behind lies."""

    channel: Channel
    root: Path
    arrived: Callable[[], list[EmailMessage]]
    shut: Callable[[], None]
    """Nothing gets through from now on."""

    def everything(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file()]


def _in_files(root: Path) -> list[EmailMessage]:
    return [parsed(path.read_bytes()) for path in sorted(root.rglob("*.eml"))]


def _refuse(root: Path) -> None:
    shutil.rmtree(root / "var", ignore_errors=True)
    (root / "var").write_text("a file where a folder should be")


@contextmanager
def _file(root: Path, _elsewhere: Path) -> Iterator[Tried]:
    channel = KINDS["file"](Settings(), root)
    yield Tried(channel, root, lambda: _in_files(root), lambda: _refuse(root))


@contextmanager
def _rehearsal(root: Path, _elsewhere: Path) -> Iterator[Tried]:
    channel = RehearsalChannel(root / "mails", NOW, None)
    yield Tried(channel, root, lambda: _in_files(root), lambda: None)


@contextmanager
def _smtp(root: Path, elsewhere: Path) -> Iterator[Tried]:
    with smtp_twin.Twin(elsewhere, login=("me", CANARY)).running() as twin:
        smtp = {"host": "127.0.0.1", "port": twin.port, "security": "none"}
        settings = _settings({"smtp": smtp | {"username": "me", "password": CANARY}})
        channel = KINDS["smtp"](settings, root)
        yield Tried(
            channel,
            root,
            lambda: [parsed(raw) for _, _, raw in twin.taken],
            lambda: twin.whims.script.append("rcpt-550"),
        )
        channel.close()


@contextmanager
def _sendgrid(root: Path, elsewhere: Path) -> Iterator[Tried]:
    with misbehaving.Provider(elsewhere, key=CANARY).running() as provider:
        settings = _settings({"sendgrid": {"base_url": provider.url, "api_key": CANARY}})
        channel = KINDS["sendgrid"](settings, root)
        yield Tried(
            channel,
            root,
            lambda: [as_message(payload) for payload in provider.taken],
            lambda: provider.whims.script.append("400"),
        )
        channel.close()


def _settings(mail: dict[str, object]) -> Settings:
    return Settings.model_validate_json(json.dumps({"mail": mail}))


_ALL = {"file": _file, "rehearsal": _rehearsal, "smtp": _smtp, "sendgrid": _sendgrid}


@pytest.fixture(params=sorted(_ALL))
def tried(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tried]:
    (tmp_path / "root").mkdir()
    with _ALL[request.param](tmp_path / "root", tmp_path / "elsewhere") as made:
        yield made


def test_every_channel_there_is_was_tried() -> None:
    assert set(KINDS) < set(_ALL)


def test_every_channel_says_its_name_and_how_many_mails_it_takes_at_once(tried: Tried) -> None:
    assert tried.channel.name
    assert tried.channel.burst >= 1
    assert tried.channel.wants_text(an_envelope())


def test_a_mail_arrives_whole(tried: Tried) -> None:
    letter = a_letter()
    result = tried.channel.send(an_envelope(), letter, NOW)
    assert (result.outcome, result.detail) == (Outcome.ACCEPTED, "")
    (got,) = tried.arrived()
    wanted = parsed(letter.raw)
    for name in ("From", "To", "Reply-To"):
        (one,), (other,) = got[name].addresses, wanted[name].addresses
        assert (one.display_name, one.addr_spec) == (other.display_name, other.addr_spec)
    for name in ("Message-ID", "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post"):
        assert got[name] == wanted[name] is not None
    assert got["Subject"] == SUBJECT
    assert got["Content-Language"] == "pl"
    assert content(got, "plain") == Words().text.rstrip("\n")
    assert content(got, "html") == Words().html.rstrip("\n")
    (calendar,) = got.iter_attachments()
    assert calendar.get_content_type() == "text/calendar"
    assert calendar["Content-Type"].params["method"] == "PUBLISH"
    assert calendar.get_filename() == "odnowienie.ics"
    assert calendar.get_payload(decode=True) == CALENDAR


def test_a_mail_that_was_accepted_is_proved_or_has_a_name_at_the_provider(tried: Tried) -> None:
    result = tried.channel.send(an_envelope(), a_letter(), NOW)
    assert result.outcome is Outcome.ACCEPTED
    proved = tried.channel.evidence(an_envelope())
    assert proved is Outcome.ACCEPTED or (proved is None and result.provider_id)


def test_a_mail_that_was_never_sent_has_no_evidence_of_having_been(tried: Tried) -> None:
    tried.channel.send(an_envelope("bob@example.com"), MAIL, NOW)
    assert tried.channel.evidence(an_envelope()) is not Outcome.ACCEPTED
    assert tried.channel.evidence(an_envelope(key="j" * 16)) is not Outcome.ACCEPTED


def test_every_attempt_sends_the_same_mail_under_the_same_name(tried: Tried) -> None:
    for _ in range(2):
        assert tried.channel.send(an_envelope(), a_letter(), NOW).outcome is Outcome.ACCEPTED
    names = {mail["Message-ID"] for mail in tried.arrived()}
    assert names == {"<kkkkkkkkkkkkkkkk@example.com>"}
    assert {content(mail, "plain") for mail in tried.arrived()} == {Words().text.rstrip("\n")}


def test_one_mail_to_two_addresses_is_two_mails(tried: Tried) -> None:
    for address in ("anna@example.com", "bob@example.com"):
        letter = a_letter(to=address, recipient=address)
        assert tried.channel.send(an_envelope(address), letter, NOW).outcome is Outcome.ACCEPTED
    assert {mail["To"].addresses[0].addr_spec for mail in tried.arrived()} == {
        "anna@example.com",
        "bob@example.com",
    }


def test_a_redirected_mail_reaches_whoever_looks_and_nobody_else(tried: Tried) -> None:
    letter = a_letter(
        to="me@example.com", recipient="me@example.com", intended_for="anna@example.com"
    )
    assert tried.channel.send(an_envelope(), letter, NOW).outcome is Outcome.ACCEPTED
    (got,) = tried.arrived()
    assert [one.addr_spec for one in got["To"].addresses] == ["me@example.com"]
    assert got["X-Perennial-Intended-For"] == "anna@example.com"
    assert got["Subject"] == f"[for anna@example.com] {SUBJECT}"


@pytest.mark.parametrize("length", [1, 60, 70, 76, 77, 78, 200, 900])
@pytest.mark.parametrize("sign", ["ż", "я", "a ", "ż я "])
def test_a_subject_arrives_as_it_was_written(tried: Tried, length: int, sign: str) -> None:
    subject = (sign * length)[:length].strip()
    tried.channel.send(an_envelope(), a_letter(words=Words(subject=subject)), NOW)
    assert [mail["Subject"] for mail in tried.arrived()] == [subject]


def test_a_mail_that_does_not_get_through_says_so_and_raises_nothing(tried: Tried) -> None:
    tried.shut()
    result = tried.channel.send(an_envelope(), a_letter(), NOW)
    if tried.channel.name == "rehearsal":  # which accepts everything
        return
    assert result.outcome in (Outcome.NOT_SENT, Outcome.REFUSED)
    assert result.detail
    assert tried.arrived() == []
    assert tried.channel.evidence(an_envelope()) is not Outcome.ACCEPTED


def test_no_secret_and_no_address_is_written_down(
    tried: Tried, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    results = [tried.channel.send(an_envelope(), a_letter(), NOW)]
    tried.shut()
    results.append(tried.channel.send(an_envelope(key="j" * 16), a_letter(key="j" * 16), NOW))
    tried.channel.check()
    said = repr(results) + caplog.text
    inside = repr([tried.channel, getattr(tried.channel, "__dict__", {})])
    assert CANARY not in said + inside
    if tried.channel.name not in ("file", "rehearsal"):  # whose files bear the address
        assert "anna@" not in said


def test_a_channel_that_was_closed_may_be_used_again(tried: Tried) -> None:
    tried.channel.send(an_envelope(), a_letter(), NOW)
    tried.channel.close()
    again = tried.channel.send(an_envelope(key="j" * 16), a_letter(key="j" * 16), NOW)
    assert again.outcome is Outcome.ACCEPTED
    tried.channel.close()


def test_several_threads_may_send_at_once(tried: Tried) -> None:
    def send(number: int) -> Outcome:
        key = f"{number:06d}{'k' * 10}"
        return tried.channel.send(an_envelope(key=key), a_letter(key=key), NOW).outcome

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(send, range(30))) == {Outcome.ACCEPTED}
    assert len({mail["Message-ID"] for mail in tried.arrived()}) == 30


def test_a_channel_says_whether_evidence_of_an_unknown_will_come(tried: Tried) -> None:
    proves = {"file": True, "rehearsal": True, "smtp": False, "sendgrid": False}
    assert tried.channel.proves is proves[tried.channel.name]


# --- the folder -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        LONG,
        "a/../../../../etc/passwd@example.com",
        "../anna@example.com",
        "anna/sales@example.com",
        "zażółć@gęślą.example",
        "анна@пример.рф",
        "{{config}}'|&*?@example.com",
        ".hidden@example.com",
        "a" * 300 + "@example.com",
    ],
    ids=["long", "climbing", "dots", "slash", "polish", "cyrillic", "signs", "hidden", "too-long"],
)
@pytest.mark.parametrize("kind", ["file", "rehearsal"])
def test_no_address_leads_out_of_the_folder_or_breaks_a_name(
    tmp_path: Path, kind: str, address: str
) -> None:
    (tmp_path / "root").mkdir()
    with _ALL[kind](tmp_path / "root", tmp_path) as tried:
        envelope = an_envelope(address)
        assert tried.channel.send(envelope, MAIL, NOW).outcome is Outcome.ACCEPTED
        assert tried.channel.evidence(envelope) is Outcome.ACCEPTED
        assert [path.read_bytes() for path in tried.root.rglob("*.eml")] == [RAW]
        assert [path for path in tmp_path.iterdir() if path.name != "root"] == []


def test_sending_twice_leaves_one_file(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path)
    for _ in range(2):
        assert channel.send(an_envelope(), MAIL, NOW).outcome is Outcome.ACCEPTED
    assert [path.read_bytes() for path in tmp_path.rglob("*.eml")] == [RAW]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anna/sales@example.com", "anna_sales@example.com"),
        ("anna/sales@example.com", "anna#sales@example.com"),
        ("a" * 200 + "1@example.com", "a" * 200 + "2@example.com"),
        ("анна@example.com", "олег@example.com"),
    ],
    ids=["slash-and-underscore", "two-signs", "long", "cyrillic"],
)
def test_addresses_that_look_alike_in_a_file_name_are_told_apart(one: str, other: str) -> None:
    channel = FolderChannel(Path("mails"))
    assert channel.path(an_envelope(one)) != channel.path(an_envelope(other))


def test_both_of_two_addresses_that_look_alike_get_the_mail(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path)
    for address in ("anna/sales@example.com", "anna_sales@example.com"):
        channel.send(an_envelope(address), MAIL, NOW)
    assert len(list(tmp_path.rglob("*.eml"))) == 2


def test_workers_that_send_the_same_mail_at_once_leave_one(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def send(_: int) -> Outcome:
        channel = FolderChannel(tmp_path)
        together.wait()
        return channel.send(an_envelope(), MAIL, NOW).outcome

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(8))) == {Outcome.ACCEPTED}
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [RAW]


def test_a_second_attempt_never_changes_the_mail_that_left(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path)
    channel.send(an_envelope(), MAIL, NOW)
    again = channel.send(an_envelope(), a_letter(words=Words(text="Another.")), NOW)
    assert (again.outcome, again.detail) == (Outcome.ACCEPTED, "was already there")
    assert channel.path(an_envelope()).read_bytes() == RAW


def _a_file_for_the_folder(root: Path) -> Path:
    (root / "var").mkdir()
    (root / "var/outbox").write_text("a file")
    return root / "var/outbox"


def _a_file_for_the_day(root: Path) -> Path:
    (root / "var/outbox").mkdir(parents=True)
    (root / "var/outbox/2026-11-20").write_text("a file")
    return root / "var/outbox/2026-11-20"


def _a_link_to_nowhere(root: Path) -> Path:
    """As when the disk that holds the folder is not mounted."""
    (root / "var").mkdir()
    (root / "var/outbox").symlink_to(root / "not-mounted/outbox")
    return root / "var/outbox"


@pytest.mark.parametrize("block", [_a_file_for_the_folder, _a_file_for_the_day, _a_link_to_nowhere])
def test_a_folder_that_is_not_there_means_not_sent_and_recovers(
    tmp_path: Path, block: Callable[[Path], Path]
) -> None:
    channel = KINDS["file"](Settings(), tmp_path)
    in_the_way = block(tmp_path)
    result = channel.send(an_envelope(), MAIL, NOW)
    assert result.outcome is Outcome.NOT_SENT
    assert str(tmp_path / "var/outbox") in result.detail
    assert channel.evidence(an_envelope()) is not Outcome.ACCEPTED
    in_the_way.unlink()
    assert channel.send(an_envelope(), MAIL, NOW).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("block", [_a_file_for_the_folder, _a_link_to_nowhere])
def test_a_check_says_that_the_folder_cannot_be_written_to(
    tmp_path: Path, block: Callable[[Path], Path]
) -> None:
    channel = KINDS["file"](Settings(), tmp_path)
    assert channel.check() is None
    (tmp_path / "var/outbox").rmdir()
    (tmp_path / "var").rmdir()
    block(tmp_path)
    said = channel.check()
    assert said is not None
    assert said.startswith(f"mail.file.folder: {tmp_path / 'var/outbox'} cannot be written to: ")


def test_a_check_leaves_nothing_behind(tried: Tried) -> None:
    assert tried.channel.check() is None
    assert tried.everything() == []


_FULL = """
import resource, signal, sys
from pathlib import Path
from datetime import datetime, UTC
from tests.channels.test_conformance import NOW, an_envelope
from worker.channels.folder import FolderChannel
from tests.channels.letters import a_letter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
print(FolderChannel(Path(sys.argv[1])).send(an_envelope(), a_letter(), NOW))
"""


def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the write stops in mid-mail."""
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert "NOT_SENT" in done.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    channel = FolderChannel(tmp_path)
    assert channel.evidence(an_envelope()) is Outcome.NOT_SENT
    assert channel.send(an_envelope(), MAIL, NOW).outcome is Outcome.ACCEPTED


def test_a_folder_that_may_not_be_looked_into_proves_nothing(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path / "outbox")
    channel.send(an_envelope(), MAIL, NOW)
    (tmp_path / "outbox").chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may look into anything
    try:
        assert channel.evidence(an_envelope()) is None
        assert channel.send(an_envelope(), MAIL, NOW).outcome is Outcome.NOT_SENT
    finally:
        if root:
            os.seteuid(0)
        (tmp_path / "outbox").chmod(0o755)
    assert channel.evidence(an_envelope()) is Outcome.ACCEPTED


def test_a_mail_in_the_folder_is_what_a_mail_reader_opens(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path)
    channel.send(an_envelope(), MAIL, NOW)
    parsed = message_from_bytes(channel.path(an_envelope()).read_bytes(), policy=default)
    assert parsed["Subject"] == "Hello"
    assert channel.path(an_envelope()).relative_to(tmp_path) == Path(
        "2026-11-20/heads-up_anna@example.com_kkkkkkkkkkkkkkkk.eml"
    )


def test_the_file_channel_needs_the_text_of_a_mail(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was given none"):
        FolderChannel(tmp_path).send(an_envelope(), None, NOW)
