"""The mailbox that bounces come to: read, followed, and only then marked as read."""

from __future__ import annotations

import socket
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.events.imap import Folder, certificate, serving
from tests.events.reports import complaint, failed, report
from tests.events.world import EventWorld
from worker.db import heartbeats
from worker.db.engine import reading
from worker.events import bounces

REPLY = b"From: anna@example.com\r\nSubject: Re: Your licence\r\n\r\nThank you!\r\n"


@pytest.fixture
def sent(world: EventWorld) -> EventWorld:
    """A heads-up is out to the decision-maker; procurement stands on the next rung."""
    world.licence()
    world.person("anna")
    world.person("piotr", "procurement")
    world.apply_ladder()
    world.run()
    return world


def key_of(world: EventWorld) -> str:
    key: str = world.ledger()[0].mail_key
    return key


def read(world: EventWorld, place: str, password: str | None = None) -> int:
    return bounces.read(world.engine, world.clock, place, password, world.root)


def maildir(world: EventWorld, *mails: bytes) -> Path:
    folder = world.root / "bounces"
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(mails):
        (folder / "new" / f"1617.{number}.mx").write_bytes(raw)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_bounce_in_a_maildir_sends_the_mail_to_the_next_rung(sent: EventWorld) -> None:
    folder = maildir(sent, report(failed(), key=key_of(sent)))
    assert read(sent, "bounces") == 1
    sent.run()
    assert sent.addresses() == ["anna@example.com", "piotr@example.com"]
    assert sent.silent() == {"anna@example.com": "bounced"}
    assert (names(folder / "new"), names(folder / "cur")) == ([], ["1617.0.mx:2,S"])
    assert read(sent, "bounces") == 0


def test_a_complaint_by_mail_counts_as_one(sent: EventWorld) -> None:
    maildir(sent, complaint(key=key_of(sent)))
    read(sent, "bounces")
    assert sent.silent() == {"anna@example.com": "complained"}


def test_what_is_no_report_is_flagged_for_a_person(sent: EventWorld) -> None:
    folder = maildir(sent, REPLY)
    assert read(sent, "bounces") == 1
    assert names(folder / "cur") == ["1617.0.mx:2,FS"]
    assert sent.kept() == []


def _answer(key: str, **headers: str) -> bytes:
    mail = EmailMessage()
    mail["From"] = "Anna <anna@example.com>"
    mail["Subject"] = "Re: Your licence"
    mail["In-Reply-To"] = f"<{key}@example.com>"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("Please send me an offer.")
    return bytes(mail)


def test_a_reply_counts_as_one_and_stays_flagged_for_a_person(sent: EventWorld) -> None:
    folder = maildir(sent, _answer(key_of(sent)))
    read(sent, "bounces")
    assert sent.happened() == {"delivered", "replied"}
    assert names(folder / "cur") == ["1617.0.mx:2,FS"]
    assert sent.kept()[0].raw == {}  # what was written is nobody's business but the reader's


def test_a_colleague_of_the_client_may_reply_instead(sent: EventWorld) -> None:
    mail = _answer(key_of(sent)).replace(b"anna@example.com", b"boss@elsewhere.example")
    maildir(sent, mail)
    read(sent, "bounces")
    assert "replied" in sent.happened()


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"X_Autoreply": "yes"},
    ],
)
def test_an_out_of_office_note_is_no_reply(sent: EventWorld, headers: dict[str, str]) -> None:
    maildir(sent, _answer(key_of(sent), **headers))
    read(sent, "bounces")
    assert sent.happened() == set()


def test_a_reply_to_somebody_elses_mail_is_kept_and_changes_nothing(sent: EventWorld) -> None:
    maildir(sent, _answer("0123456789abcdef"))
    read(sent, "bounces")
    assert sent.happened() == set()
    assert [row.orphan for row in sent.kept()] == [True]


def test_a_bounce_that_anybody_makes_up_silences_nobody(sent: EventWorld) -> None:
    """Without the key of the mail, which only those know who got it."""
    second = report(failed(), key="not-one-of-ours", **{"Message-ID": "<2@mx.example.com>"})
    maildir(sent, report(failed()), second)
    assert read(sent, "bounces") == 2
    sent.run()
    assert sent.silent() == {}
    assert sent.addresses() == ["anna@example.com"]
    assert [row.orphan for row in sent.kept()] == [True, True]


def test_a_bounce_of_somebody_whom_the_mail_was_forwarded_to_silences_nobody(
    sent: EventWorld,
) -> None:
    maildir(sent, report(failed("anna@elsewhere.example"), key=key_of(sent)))
    read(sent, "bounces")
    sent.run()
    assert sent.silent() == {}
    assert sent.addresses() == ["anna@example.com"]


def test_a_mail_that_is_read_twice_counts_once(sent: EventWorld) -> None:
    raw = report(failed(), key=key_of(sent))
    maildir(sent, raw)
    read(sent, "bounces")
    sent.run()
    maildir(sent, raw, raw)
    assert read(sent, "bounces") == 2
    sent.run()
    assert len(sent.kept()) == 1
    assert sent.addresses() == ["anna@example.com", "piotr@example.com"]


def test_a_mail_stays_unread_while_the_database_is_away(
    sent: EventWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = maildir(sent, report(failed(), key=key_of(sent)))

    def fail(*_: object) -> None:
        raise RuntimeError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr("worker.events.bounces.flow.take", fail)
        with pytest.raises(RuntimeError):
            read(sent, "bounces")
    assert names(folder / "new") == ["1617.0.mx"]
    assert read(sent, "bounces") == 1
    assert sent.silent() == {"anna@example.com": "bounced"}


def test_a_folder_that_is_none_is_an_alarm_that_closes_by_itself(sent: EventWorld) -> None:
    assert read(sent, "bounces") == 0
    assert sent.tasks() == [("alarm", "The mailbox of bounces cannot be read")]
    maildir(sent)
    assert read(sent, "bounces") == 0
    assert sent.tasks() == []
    with reading(sent.engine) as conn:
        assert heartbeats.last(conn, bounces.DUTY) == sent.clock.now()


# --- IMAP ---


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate of localhost that this machine trusts during the test."""
    path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


def place(port: int, host: str = "localhost", scheme: str = "imaps") -> str:
    return f"{scheme}://bounces@{host}:{port}/INBOX"


def test_a_bounce_in_an_imap_folder_is_followed_and_then_marked_as_read(
    sent: EventWorld, trusted: Path
) -> None:
    box = Folder()
    box.put(report(failed(), key=key_of(sent)))
    box.put(REPLY)
    with serving(box, trusted) as port:
        assert read(sent, place(port), box.password) == 2
        assert read(sent, place(port), box.password) == 0
    assert box.flags == {7: {r"\Seen"}, 8: {r"\Seen", r"\Flagged"}}
    assert sent.silent() == {"anna@example.com": "bounced"}
    assert box.said[-1] == "LOGOUT"


def test_a_mail_stays_unread_when_the_line_breaks_before_it_is_marked(
    sent: EventWorld, trusted: Path
) -> None:
    box = Folder(broken="STORE")
    box.put(report(failed(), key=key_of(sent)))
    with serving(box, trusted) as port:
        assert read(sent, place(port), box.password) == 0
        assert sent.tasks() == [("alarm", "The mailbox of bounces cannot be read")]
        box.broken = ""
        assert read(sent, place(port), box.password) == 1
    assert sent.tasks() == []
    assert len(sent.kept()) == 1
    assert box.flags[7] == {r"\Seen"}


def test_a_password_that_is_wrong_is_said_and_not_repeated(
    sent: EventWorld, trusted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Folder()
    with serving(box, trusted) as port:
        assert read(sent, place(port), "wr0ng-secret") == 0
    alarm = _alarm(sent)
    assert alarm == "mail.smtp.bounces: localhost cannot be read (error)"
    assert "wr0ng" not in caplog.text


def test_a_server_whose_certificate_bears_another_name_gets_no_password(
    sent: EventWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = certificate(tmp_path, "imap.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    box = Folder()
    with serving(box, other) as port:
        assert read(sent, place(port), box.password) == 0
    assert box.said == []
    assert "certificate" in _alarm(sent).lower()


@pytest.mark.parametrize("broken", ["LOGIN", "SELECT", "SEARCH", "FETCH"])
def test_a_server_that_hangs_up_is_an_alarm(sent: EventWorld, trusted: Path, broken: str) -> None:
    box = Folder(broken=broken)
    box.put(REPLY)
    with serving(box, trusted) as port:
        assert read(sent, place(port), box.password) == 0
    assert sent.tasks() == [("alarm", "The mailbox of bounces cannot be read")]


def test_a_server_that_is_not_there_is_an_alarm(sent: EventWorld) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert read(sent, place(port, scheme="imap"), "x") == 0
    assert _alarm(sent) == "mail.smtp.bounces: localhost cannot be read (Connection refused)"


def _alarm(world: EventWorld) -> str:
    from sqlalchemy import select

    from worker.worklist.records import tasks

    with reading(world.engine) as conn:
        return str(conn.execute(select(tasks.c.detail)).scalar_one())
