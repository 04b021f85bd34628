"""Calls of a whole instance: settings, commands and processes as people run them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook
from starlette.requests import Request

from tests.http.server import Reply, Server
from tests.processes import running
from tests.stories.instance import Instance, licence_row, person_row
from tests.test_docs import ROOT, blocks
from tests.waiting import until
from tests.webhooks.test_signature import NEW, OLD
from tests.webhooks.world import Answers, rows
from worker.bootstrap import App
from worker.cli.main import run
from worker.webhooks.doors import Doors

SIGNED = {"PERENNIAL_WEBHOOKS__SECRET": NEW, "PERENNIAL_WEBHOOKS__PREVIOUS_SECRET": OLD}
LOCAL = {"PERENNIAL_WEBHOOKS__ALLOW_LOCAL": "true"}

Said = pytest.CaptureFixture[str]


class Shop:
    """An instance with a licence whose step calls ``url`` today, and one whose step mails."""

    def __init__(self, root: Path, url: str, capsys: Said, **options: str) -> None:
        self.instance = Instance(root, **options)  # type: ignore[arg-type]
        self.root, self._capsys = root, capsys
        path = root / "schedules/renewal.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace('task = "Call about the renewal"', f'webhook = "{url}"').replace(
                'assign_to = "renewal-manager"\ndue_in = "2 business days"\n', ""
            )
        )
        licences = [
            licence_row(self.instance, "L-1", account="A-1", ends_in=14),
            licence_row(self.instance, "L-2", account="A-2", ends_in=30),
        ]
        people = [person_row(f"A-{number}", f"c{number}@example.com") for number in (1, 2)]
        self.instance.command("db", "upgrade")
        self.instance.load(licences, people)

    def says(self, *words: str, **environ: str) -> tuple[int, list[dict[str, Any]]]:
        """A command's exit code and what it printed with ``--json``."""
        self._capsys.readouterr()
        code = run(["--root", str(self.root), *words, "--json"], environ)
        return code, [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]

    def decision(self) -> tuple[str, str | None]:
        """What became of the step."""
        (found,) = [row for row in self.says("explain", "L-1")[1] if row["step"] == "call"]
        assert found["kind"] == "webhook"
        return found["decision"], found["reason"]

    def doctor(self, **environ: str) -> tuple[str, str]:
        """How the doctor finds the calls."""
        (found,) = [row for row in self.says("doctor", **environ)[1] if row["name"] == "webhooks"]
        return found["level"], found["said"]


@pytest.fixture
def shop(root: Path, server: Server, capsys: Said) -> Shop:
    return Shop(root, server.url + "/hook", capsys)


def test_a_tick_calls_what_is_due_and_both_secrets_verify(shop: Shop, server: Server) -> None:
    (told,) = shop.says("tick", **SIGNED, **LOCAL)[1]
    assert told["called"] == 1
    (asked,) = server.asked
    assert asked.path == "/hook"
    for secret in (NEW, OLD):
        event = Webhook(secret).verify(asked.body, asked.headers)
        assert (event["data"]["licence"], event["data"]["days_left"]) == ("L-1", 14)
    assert shop.decision() == ("sent", None)
    assert shop.doctor(**SIGNED) == ("ok", "0 waiting, 0 failed")


def test_without_a_secret_nobody_is_called_and_the_doctor_says_so(
    shop: Shop, server: Server
) -> None:
    (told,) = shop.says("tick", **LOCAL)[1]
    assert (told["called"], server.asked) == (0, [])
    assert shop.decision() == ("waiting", None)
    assert shop.doctor() == (
        *(
            "finding",
            "1 waiting, 0 failed; nobody is called before PERENNIAL_WEBHOOKS__SECRET is set",
        ),
    )
    assert shop.says("tick", **SIGNED, **LOCAL)[1][0]["called"] == 1
    assert len(server.asked) == 1


def test_localhost_is_called_only_where_the_settings_allow_it(shop: Shop, server: Server) -> None:
    assert shop.says("tick", **SIGNED)[1][0]["called"] == 1
    assert server.asked == []
    assert shop.decision() == ("failed", "not-public")
    assert shop.doctor(**SIGNED) == ("note", "0 waiting, 1 failed")
    code, found = shop.says("tasks", "--kind", "failed-call")
    assert code == 0
    assert [task["title"] for task in found] == ["A call failed: 127.0.0.1"]
    assert "127.0.0.1 is not a public address" in found[0]["detail"]
    assert shop.says("doctor", **SIGNED)[0] == 1


@pytest.mark.parametrize("url", ["https://127.0.0.1.nip.example/", "https://10.0.0.1/"])
def test_leave_for_localhost_opens_no_other_door_into_the_house(
    root: Path, url: str, server: Server
) -> None:
    app = App.open(root, SIGNED | LOCAL)
    doors = Doors(app.settings.webhooks)
    assert doors(server.url) is not doors(url)
    assert doors("https://localhost/") is doors(url)
    doors.close()


def test_calls_are_held_without_a_secret_or_while_somebody_says_so(root: Path) -> None:
    def held(environ: dict[str, str], brake: bool) -> bool:
        return Doors(App.open(root, environ).settings.webhooks).outside(lambda: brake).held()

    assert not held(SIGNED, brake=False)
    assert held(SIGNED, brake=True)
    assert held({}, brake=False)


def test_a_call_that_fails_waits_and_the_tick_does_not(shop: Shop, server: Server) -> None:
    server.answering = Answers(Reply(status=500))
    assert shop.says("tick", **SIGNED, **LOCAL)[1][0]["called"] == 1
    assert len(server.asked) == 1
    assert shop.decision() == ("waiting", None)
    assert shop.doctor(**SIGNED) == ("note", "1 waiting, 0 failed")


def test_only_one_thread_of_a_process_calls_so_that_mails_have_the_others(
    shop: Shop, server: Server
) -> None:
    app = App.open(shop.root, SIGNED | LOCAL)
    app.plan_batch()
    again: list[int] = []

    def answering(_: object) -> Reply:
        again.append(app.call_batch())
        return Reply()

    server.answering = answering
    assert app.due().calls == 1
    assert app.call_batch() == 1
    assert again == [0]
    assert app.due().calls == 0
    app.close()


def test_what_was_closed_opens_anew(shop: Shop, server: Server) -> None:
    app = App.open(shop.root, SIGNED | LOCAL)
    server.answering = Answers(Reply(status=500), Reply(status=200))
    app.tick()
    app.close()
    with app.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE calls SET next_at = created_at")
    app.tick()
    app.close()
    assert [asked.path for asked in server.asked] == ["/hook"] * 2


def test_processes_call_and_stop_in_time_although_somebody_is_slow(
    root: Path, database_url: str, redis_url: str, engine: Engine, server: Server, capsys: Said
) -> None:
    shop = Shop(root, server.url, capsys, database=database_url, broker=redis_url)
    server.answering = Answers(Reply(status=503), Reply(wait=60))
    with running(shop.root, "up", env=SIGNED | LOCAL) as up:
        until(lambda: len(server.asked) == 2, what="the second attempt")
        assert rows(engine)[0].attempts == 2
        until(shop.instance.files, what="the mail beside it")
        assert up.stop() < 10
    names = {asked.headers["webhook-id"] for asked in server.asked}
    assert len(names) == 1


# --- what the page tells those who are called -----------------------------------------------------


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The program of the page, with a secret of its own."""
    (program,) = blocks((ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8"), "python")
    (tmp_path / "webhooks.secret").write_text(NEW + "\n")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(program, names)
    return names


def answer(receiver: dict[str, Any], body: bytes, headers: dict[str, str]) -> int:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    listed = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": listed}, receive)
    return int(asyncio.run(receiver["renewals"](request)).status_code)


def test_the_program_of_the_page_takes_our_calls_once_and_no_others(
    shop: Shop, server: Server, receiver: dict[str, Any], capsys: Said
) -> None:
    shop.says("tick", **SIGNED, **LOCAL)
    (asked,) = server.asked
    assert answer(receiver, asked.body, asked.headers) == 204
    assert answer(receiver, asked.body, asked.headers) == 204
    assert capsys.readouterr().out == "L-1 14\n"
    assert answer(receiver, asked.body + b" ", asked.headers) == 401


# --- endpoints that are told of what happens ------------------------------------------------------

ENDPOINT = """
[webhooks.endpoints.crm]
url = "{url}"
events = ["licence.renewed", "task.opened"]
"""


def test_an_instance_tells_a_declared_endpoint_of_a_renewal_in_one_tick(
    shop: Shop, server: Server
) -> None:
    path = shop.root / "config.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + ENDPOINT.format(url=server.url + "/told"), encoding="utf-8")
    shop.says("tick", **SIGNED, **LOCAL)
    app = App.open(shop.root, SIGNED | LOCAL)
    with app.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE licences SET auto_renew = true, expires_on = '2026-01-31'")
    app.close()
    shop.says("tick", **SIGNED, **LOCAL)
    told = [asked for asked in server.asked if asked.path == "/told"]
    events = [Webhook(NEW).verify(asked.body, asked.headers) for asked in told]
    renewed = {event["data"]["licence"] for event in events if event["type"] == "licence.renewed"}
    assert renewed == {"L-1", "L-2"}
    (found,) = [
        row for row in shop.says("doctor", **SIGNED, **LOCAL)[1] if row["name"] == "endpoint crm"
    ]
    assert (found["level"], found["said"]) == ("ok", "it takes what it is told")
