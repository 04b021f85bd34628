"""What every channel promises, asked of every channel there is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from worker.channels.contract import Channel, Envelope, Mail, Outcome
from worker.channels.folder import FolderChannel
from worker.channels.rehearsal import RehearsalChannel
from worker.channels.table import KINDS
from worker.config.settings import Settings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RAW = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: Hello\r\n\r\nHello.\r\n"
MAIL = Mail("Hello", "en", RAW, "anna@example.com")
LONG = "l" * 64 + "@" + ".".join(["d" * 60] * 3) + ".com"

Make = Callable[[Path], Channel]
_ALL: dict[str, Make] = {
    name: lambda root, make=make: make(Settings(), root)  # type: ignore[misc]  # a bound default
    for name, make in KINDS.items()
}
_ALL["rehearsal"] = lambda root: RehearsalChannel(root / "mails", NOW, None)


def an_envelope(address: str = "anna@example.com", key: str = "k" * 16) -> Envelope:
    return Envelope(key, address, date(2026, 11, 20), "renewal", "heads-up")


@dataclass
class Tried:
    """A channel and the folder under which everything it leaves behind lies."""

    channel: Channel
    root: Path
    make: Make

    def mails(self) -> list[bytes]:
        """Every mail that this channel let out."""
        return [path.read_bytes() for path in sorted(self.root.rglob("*.eml"))]

    def everything(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file()]


@pytest.fixture(params=sorted(_ALL))
def tried(request: pytest.FixtureRequest, tmp_path: Path) -> Tried:
    make = _ALL[request.param]
    return Tried(make(tmp_path), tmp_path, make)


def test_every_channel_says_its_name_and_how_many_mails_it_takes_at_once(tried: Tried) -> None:
    assert tried.channel.name
    assert tried.channel.burst >= 1
    assert tried.channel.wants_text(an_envelope())


def test_a_mail_that_was_accepted_is_there_whole_and_has_evidence(tried: Tried) -> None:
    result = tried.channel.send(an_envelope(), MAIL, NOW)
    assert result.outcome is Outcome.ACCEPTED
    assert tried.mails() == [RAW]
    assert tried.channel.evidence(an_envelope()) is Outcome.ACCEPTED


def test_a_mail_that_was_never_sent_has_no_evidence_of_having_been(tried: Tried) -> None:
    tried.channel.send(an_envelope("bob@example.com"), MAIL, NOW)
    assert tried.channel.evidence(an_envelope()) is not Outcome.ACCEPTED
    assert tried.channel.evidence(an_envelope(key="j" * 16)) is not Outcome.ACCEPTED


def test_sending_twice_is_accepted_twice_and_leaves_one_mail(tried: Tried) -> None:
    for _ in range(2):
        assert tried.channel.send(an_envelope(), MAIL, NOW).outcome is Outcome.ACCEPTED
    assert tried.mails() == [RAW]


def test_one_mail_to_two_addresses_is_two_mails(tried: Tried) -> None:
    for address in ("anna@example.com", "bob@example.com"):
        tried.channel.send(an_envelope(address), MAIL, NOW)
        assert tried.channel.evidence(an_envelope(address)) is Outcome.ACCEPTED
    assert len(tried.mails()) == 2


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
def test_no_address_leads_out_of_the_folder_or_breaks_a_name(tried: Tried, address: str) -> None:
    envelope = an_envelope(address)
    assert tried.channel.send(envelope, MAIL, NOW).outcome is Outcome.ACCEPTED
    assert tried.channel.evidence(envelope) is Outcome.ACCEPTED
    assert tried.mails() == [RAW]
    assert not (tried.root.parent / "etc").exists()


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
    again = channel.send(
        an_envelope(), Mail("Other", "en", RAW + b"Other.", "anna@example.com"), NOW
    )
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
from tests.channels.test_conformance import MAIL, NOW, an_envelope
from worker.channels.folder import FolderChannel
from worker.channels.contract import Mail
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
print(FolderChannel(Path(sys.argv[1])).send(an_envelope(), Mail("", "en", b"x" * 9000, ""), NOW))
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
