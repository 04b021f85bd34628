"""``perennial user`` and ``perennial token`` as people and programs call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from sqlalchemy import Engine, select

from tests.access.conftest import SECRET
from tests.processes import environment, write_config
from worker.access import flow
from worker.access.records import audit
from worker.cli.main import run
from worker.db.engine import make_engine, reading
from worker.kernel.clock import SystemClock

ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture
def instance(root: Path, sqlite_url: str) -> Path:
    write_config(root, database=sqlite_url)
    (root / "password").write_text(f"{SECRET}\n")
    return root


@pytest.fixture
def engine(sqlite_url: str) -> Engine:
    return make_engine(sqlite_url)


@pytest.fixture
def call(instance: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def called(*words: str) -> Ended:
        capsys.readouterr()
        code = run(["--root", str(instance), *words], {})
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return called


def added(call: Call, instance: Path, login: str = "anna", role: str = "admin") -> Ended:
    file = str(instance / "password")
    return call(
        *("user", "add", login, "--name", login.title(), "--role", role),
        *("--staff", "ANNA", "--email", "anna@example.com", "--password-file", file),
    )


def knock(engine: Engine, login: str = "anna", password: str = SECRET) -> str | None:
    now = SystemClock().now()
    return flow.sign_in(engine, login, password, "192.0.2.1", "Browser/1", now).cookie


def test_the_first_user_is_added_and_signs_in(call: Call, instance: Path, engine: Engine) -> None:
    assert "There is no user" in call("user", "list").out
    assert added(call, instance) == (0, "anna is added: admin\n", "")
    assert knock(engine)
    (row,) = [json.loads(line) for line in call("user", "list", "--json").out.splitlines()]
    assert row.pop("made_at") <= row.pop("last_seen")
    assert row == {
        "login": "anna",
        "name": "Anna",
        "role": "admin",
        "staff": "ANNA",
        "email": "anna@example.com",
        "openid": "",
        "signs_in_by": ["password"],
        "disabled_at": None,
    }
    with reading(engine) as conn:
        lines = conn.execute(select(audit).order_by(audit.c.id)).all()
    assert [(line.what, line.via, line.about) for line in lines] == [
        ("user.added", "command", "user anna"),
        ("user.signed-in", "page", "user anna"),
    ]


def test_what_cannot_be_is_told_at_once_and_nothing_is_kept(call: Call, instance: Path) -> None:
    (instance / "password").write_text("short")
    ended = added(call, instance)
    assert ended.code == 2
    assert "has 5 characters; it needs at least 12" in ended.err
    ended = call("user", "add", "a b", "--name", "", "--role", "sales", "--email", "x", "--link")
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 3
    assert call("user", "list", "--json").out == ""
    ended = call("user", "add", "anna", "--name", "A", "--role", "boss", "--link")
    assert (ended.code, "'boss' is not one of" in ended.err) == (2, True)


def test_without_a_terminal_it_does_not_wait_for_a_password(instance: Path) -> None:
    words = ["user", "add", "anna", "--name", "Anna", "--role", "admin"]
    line = [sys.executable, "-m", "worker", "--root", str(instance), *words]
    ended = subprocess.run(
        line,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
        check=False,
    )
    assert (ended.returncode, "no terminal" in ended.stderr) == (2, True)


def test_a_link_for_scripts_is_all_that_stands_on_stdout(call: Call, engine: Engine) -> None:
    ended = call("user", "add", "olaf", "--name", "Olaf", "--role", "sales", "--link")
    assert ended.code == 0
    url = ended.out.strip()
    assert url.startswith("http://127.0.0.1:")
    secret = url.partition("/sign-in/link/")[2].partition("?")[0]
    assert flow.take(engine, secret, "Browser/1", SystemClock().now())
    again = call("user", "link", "olaf")
    assert again.out.strip() != url


def test_passwords_roles_and_the_last_admin(call: Call, instance: Path, engine: Engine) -> None:
    added(call, instance)
    ended = call("user", "disable", "anna")
    assert (ended.code, "last admin" in ended.err) == (1, True)
    assert call("user", "change", "anna", "--role", "sales").code == 1
    added(call, instance, "olaf")
    assert call("user", "change", "anna", "--role", "sales", "--staff", "").out == (
        "anna: Anna, sales\n"
    )
    (instance / "password").write_text("staple battery horse")
    file = str(instance / "password")
    assert call("user", "password", "anna", "--password-file", file).code == 0
    assert knock(engine, "anna", "staple battery horse")
    assert knock(engine, "anna", SECRET) is None
    assert call("user", "disable", "anna").out == "anna is disabled\n"
    assert call("user", "disable", "anna").out == "anna was disabled\n"
    assert call("user", "enable", "anna").out == "anna may sign in again\n"
    assert call("user", "enable", "ana").err.startswith("There is no user 'ana'; did you mean")
    assert call("user", "change", "anna").code == 2


def test_a_token_is_printed_once(call: Call) -> None:
    ended = call("token", "add", "erp", "--scope", "write", "--scope", "read", "--days", "30")
    assert ended.code == 0
    assert ended.out.startswith("prn_")
    (row,) = [json.loads(line) for line in call("token", "list", "--json").out.splitlines()]
    assert (row["name"], row["scopes"], row["revoked_at"]) == ("erp", ["read", "write"], None)
    assert ended.out.strip() not in call("token", "list").out
    assert call("token", "add", "erp", "--scope", "read").code == 2
    assert call("token", "revoke", "erp").out == "token erp is revoked\n"
    assert call("token", "revoke", "erp").code == 1
    assert call("token", "add", "x", "--scope", "everything").code == 2


def until_said(out: IO[bytes], said: bytes) -> bytes:
    read = b""
    while said not in read:
        piece = os.read(out.fileno(), 4096)
        assert piece, read
        read += piece
    return read


def test_on_a_terminal_it_asks_twice_and_shows_nothing(instance: Path, engine: Engine) -> None:
    words = ["user", "add", "anna", "--name", "Anna", "--role", "admin"]
    line = [sys.executable, "-m", "worker", "--root", str(instance), *words]
    spawn = f"import os, pty; raise SystemExit(os.waitstatus_to_exitcode(pty.spawn({line!r})))"
    with subprocess.Popen(
        [sys.executable, "-c", spawn],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    ) as process:
        assert process.stdin
        assert process.stdout
        said = b""
        for prompt in (b"Password: ", b"Repeat for confirmation: "):
            said += until_said(process.stdout, prompt)
            process.stdin.write(f"{SECRET}\n".encode())
            process.stdin.flush()
        said += until_said(process.stdout, b"anna is added: admin")
        process.stdin.close()
        assert process.wait(60) == 0
    assert SECRET.encode() not in said
    assert knock(engine)
