"""A person's answers, typed as people type them: what is held, why, and how it goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Postgres
from tests.stories.instance import Instance, licence_row, person_row, write_csv
from worker.cadence import brakes
from worker.cli.main import run
from worker.db.engine import make_engine
from worker.kernel.clock import SystemClock
from worker.outbox import holds

CLOCK = SystemClock()


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Call = Callable[..., Ended]


@pytest.fixture
def call(live: Instance, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls a command on the instance, in this process."""

    def called(*words: str, **environ: str) -> Ended:
        capsys.readouterr()
        code = run(["--root", str(live.root), *words], dict(os.environ) | environ)
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return called


@pytest.fixture
def live(root: Path, database_url: str) -> Instance:
    """Two clients whose heads-up is due now; nothing was decided yet. Runs on both databases."""
    instance = Instance(root, database=database_url, short_mails=True)
    licences = [
        licence_row(instance, key, account=f"A-{key}", ends_in=30) for key in ("L-1", "L-2")
    ]
    people = [person_row(f"A-{key}", f"{key.lower()}@example.com") for key in ("L-1", "L-2")]
    instance.load(licences, people)
    return instance


def _pull(live: Instance, kind: str, about: str, detail: str) -> None:
    """As the engine does it; the database is the one that the instance is configured for."""
    url = (live.root / "config.toml").read_text(encoding="utf-8").split('url = "')[1].split('"')[0]
    engine = make_engine(url)
    with engine.begin() as conn:
        brakes.pull(conn, kind, about, detail, CLOCK.now())
    engine.dispose()


def _limit(live: Instance, line: str, old: str = 'late = "latest"') -> None:
    path = live.root / "schedules/renewal.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, f"{old}\n{line}", 1), encoding="utf-8")


def _mailed(live: Instance) -> list[str]:
    return sorted(mail.licence for mail in live.mails())


def _checks(call: Call, **environ: str) -> dict[str, tuple[str, str]]:
    """What doctor says, by name."""
    rows = call("doctor", "--json", **environ).rows
    return {row["name"]: (row["level"], row["said"]) for row in rows}


# --- brakes ---------------------------------------------------------------------------------------

MOVED = "The import of 'licences' gives 40 of 100 active licences other dates."
STOPPED = (
    f"Sending is stopped: {MOVED} See what it moved: perennial plan. Go on: perennial release 1\n"
)


def test_every_command_says_that_a_brake_is_on_and_how_to_go_on(live: Instance, call: Call) -> None:
    _pull(live, holds.IMPORT, "licences", MOVED)
    ticked = call("tick")
    assert ticked == Ended(0, "0 walks and changes handled, 0 mails claimed\n", STOPPED)
    nothing = {"planned": 0, "sent": 0, "called": 0, "next_at": None}
    assert call("tick", "--json").rows == [nothing]
    assert _mailed(live) == []
    planned = call("plan", "--json")
    assert planned.err == STOPPED
    assert {row["decision"] for row in planned.rows} == {"planned"}
    assert call("apply") == Ended(0, "Nothing to apply: the files are what runs.\n", STOPPED)
    (task,) = call("tasks", "--json", "--kind", "brake").rows
    assert task["title"] == "Sending is stopped until a person has looked"
    assert task["detail"].startswith(MOVED)
    doctor = call("doctor", "--json")
    assert doctor.code == 1
    checks = _checks(call)
    assert checks["brake import"] == ("finding", STOPPED.removeprefix("Sending is stopped: ")[:-1])


def test_release_lists_what_is_held_takes_it_off_and_says_so(live: Instance, call: Call) -> None:
    assert call("release").out == "Nothing is held.\n"
    assert call("release", "--all").out == "No brake is on.\n"
    _pull(live, holds.IMPORT, "licences", MOVED)
    _pull(live, holds.CLOCK, "ahead", "The clock was set ahead by 2 h 0 min.")
    assert call("release").out.splitlines() == [
        f"1  import  {MOVED}",
        "    See what it moved: perennial plan. Go on: perennial release 1",
        "2  clock  The clock was set ahead by 2 h 0 min.",
        "    Set the clock right, restart, then: perennial release 2",
    ]
    listed = call("release", "--json").rows
    assert [(row["id"], row["kind"], row["about"]) for row in listed] == [
        (1, "import", "licences"),
        (2, "clock", "ahead"),
    ]
    assert call("release", "1", "--note", "new supplier").out == "released 1: import, licences\n"
    call("tick")
    assert _mailed(live) == []
    assert call("release", "--all").out == "released 2: clock, ahead\n"
    assert call("tick").err == ""
    assert _mailed(live) == ["L-1", "L-2"]
    assert call("tasks", "--kind", "brake").out == "No open task.\n"
    assert "brake import" not in _checks(call)


def test_a_brake_that_is_not_on_cannot_be_released(live: Instance, call: Call) -> None:
    assert call("release", "7") == Ended(1, "", "No brake 7 is on; on are: none\n")
    _pull(live, holds.IMPORT, "licences", MOVED)
    assert call("release", "1", "7") == Ended(1, "", "No brake 7 is on; on are: 1\n")
    assert call("release").out.startswith("1  import")  # nor was the other one
    wrong = call("release", "everything")
    assert wrong.code == 2
    assert "'everything' is not a valid integer" in wrong.err


# --- approvals ------------------------------------------------------------------------------------


def test_the_first_day_of_a_version_waits_for_an_approval(live: Instance, call: Call) -> None:
    _limit(live, 'approve = "first-day"')
    told = "renewal: its first mails wait for your word: perennial approve renewal\n"
    assert call("apply", "--yes").err.endswith(told)
    ticked = call("tick")
    day = live.day(0)
    waits = f"2 mails of renewal (of {day}) wait for an approval: perennial approve renewal"
    assert ticked.err == f"{waits}\n"
    assert _mailed(live) == []
    assert call("release").out == f"{waits}\n"
    assert call("plan").err == f"{waits}\n"
    assert _checks(call)["held approval renewal"] == ("finding", waits)
    rows = call("outbox", "--state", "due", "--json").rows
    assert [(row["state"], row["reason"], row["next_at"]) for row in rows] == [
        ("due", "approval", None)
    ] * 2
    assert "approval" in call("outbox", "--state", "due").out
    (task,) = call("tasks", "--kind", "approval", "--json").rows
    assert task["title"] == f"Approve the mails of 'Licence renewal' of {day}"
    assert task["detail"] == (
        "They wait. See them with: perennial outbox --state due; "
        "let them go with: perennial approve renewal"
    )
    assert call("approve", "renewal", "--yes").out == "renewal: approved; 2 mails may go\n"
    assert call("tick").err == ""
    assert _mailed(live) == ["L-1", "L-2"]
    assert call("tasks", "--kind", "approval").out == "No open task.\n"
    assert call("approve").out == "Nothing waits for an approval.\n"


def test_whoever_approves_sees_what_would_go_and_may_read_it(live: Instance, call: Call) -> None:
    _limit(live, 'approve = "first-day"')
    call("apply", "--yes")
    call("tick")
    rows = call("outbox", "--state", "due", "--json").rows
    assert [row["licences"] for row in rows] == [["L-2"], ["L-1"]]
    key = rows[1]["mail_key"]
    assert key in call("outbox", "--state", "due").out
    asked = _typed(live, "n\n", "approve")
    assert asked.code == 1
    assert asked.err.splitlines()[:2] == [
        "renewal/heads-up: 2 mails about 2 licences, to l-1@example.com, l-2@example.com",
        f"    read one: perennial outbox --show {key}",
    ]
    assert "Nothing was approved." in asked.err
    assert "wait for an approval" in call("tick").err
    assert _mailed(live) == []
    shown = call("outbox", "--show", key)
    assert shown.out.splitlines()[1:] == [
        "To: Anna Example <l-1@example.com>",
        "Subject: Licence L-1",
        "",
        "Licence number: L-1",
    ]
    assert call("outbox", "--show", key, "--json").rows[0]["subject"] == "Licence L-1"
    assert _typed(live, "y\n", "approve").out == "renewal: approved; 2 mails may go\n"
    call("tick")
    assert _mailed(live) == ["L-1", "L-2"]
    assert call("outbox", "--show", key) == Ended(
        1, "", f"The mail {key} does not wait: it is accepted\n"
    )
    assert call("outbox", "--show", "m1") == Ended(
        1, "", "There is no mail 'm1'; keys stand in perennial outbox\n"
    )


def _typed(live: Instance, answer: str, *words: str) -> Ended:
    """Calls a command in a process of its own and types an answer."""
    line = [sys.executable, "-m", "worker", "--root", str(live.root), *words]
    done = subprocess.run(line, input=answer, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def test_once_approved_a_version_goes_on_and_the_next_one_asks_again(
    live: Instance, call: Call
) -> None:
    _limit(live, 'approve = "first-day"')
    call("apply", "--yes")
    call("tick")
    call("approve", "--yes")
    call("tick")
    _more(live, "L-3")
    assert call("tick").err == ""
    assert _mailed(live) == ["L-1", "L-2", "L-3"]
    _limit(live, 'valid_for = "4 days"\n', 'approve = "first-day"')
    path = live.root / "schedules/renewal.toml"
    text = path.read_text(encoding="utf-8").replace('valid_for = "3 days"\n', "")
    path.write_text(text, encoding="utf-8")
    assert call("apply", "--yes").code == 0
    _more(live, "L-4")
    assert "1 mail of renewal" in call("tick").err
    assert _mailed(live) == ["L-1", "L-2", "L-3"]


def _more(live: Instance, key: str) -> None:
    """One more client in both files, imported."""
    write_csv(live.root / "licences.csv", [licence_row(live, key, account=f"A-{key}", ends_in=30)])
    write_csv(live.root / "people.csv", [person_row(f"A-{key}", f"{key.lower()}@example.com")])
    live.command("import", "licences")
    live.command("import", "people")


def test_an_edit_while_mails_wait_asks_about_the_new_version_with_one_answer(
    live: Instance, call: Call
) -> None:
    _limit(live, 'approve = "first-day"')
    call("apply", "--yes")
    call("tick")
    body = live.root / "templates/renewal/heads-up/en/subject.txt"
    body.write_text("New words", encoding="utf-8")
    call("apply", "--yes")
    call("tick")
    assert len(call("tasks", "--kind", "approval", "--json").rows) == 1
    assert call("approve", "renewal", "--yes").out == "renewal: approved; 2 mails may go\n"
    assert call("tick").err == ""
    assert [mail.subject for mail in live.mails()] == ["New words"] * 2


def test_an_edit_that_asks_no_more_lets_the_mails_go_that_waited(
    live: Instance, call: Call
) -> None:
    _limit(live, 'approve = "first-day"')
    call("apply", "--yes")
    call("tick")
    path = live.root / "schedules/renewal.toml"
    text = path.read_text(encoding="utf-8").replace("first-day", "never")
    path.write_text(text, encoding="utf-8")
    call("apply", "--yes")
    assert call("tick").err == ""
    assert _mailed(live) == ["L-1", "L-2"]
    assert call("tasks", "--kind", "approval").out == "No open task.\n"


def test_approve_knows_the_schedules_that_run(live: Instance, call: Call) -> None:
    ended = call("approve", "renewl")
    assert ended == Ended(2, "", "No schedule 'renewl' runs; did you mean 'renewal'?\n")
    ended = call("approve", "surveys")
    assert ended == Ended(2, "", "No schedule 'surveys' runs; there are: renewal\n")


# --- stops ----------------------------------------------------------------------------------------


def test_a_stopped_licence_gets_nothing_and_the_stop_is_listed(live: Instance, call: Call) -> None:
    assert call("stop").out == "Nothing is stopped.\n"
    ended = call("stop", "licence", "L-1", "--reason", "in dispute", "--until", live.day(60))
    lifted = "end it with: perennial stop licence L-1 --lift"
    assert ended == Ended(0, f"licence L-1: stopped until {live.day(60)}; {lifted}\n", "")
    call("stop", "account", "A-L-2", "--reason", "ask Anna")
    (first, second) = call("stop", "--json").rows
    assert (first["scope"], first["subject"], first["reason"], first["until"]) == (
        *("licence", "L-1", "in dispute"),
        live.day(60),
    )
    assert (second["subject"], second["until"]) == ("A-L-2", None)
    assert "in dispute" in call("stop").out
    assert _checks(call)["stops"] == ("note", "2 stand; see perennial stop")
    call("tick")
    assert _mailed(live) == []
    rows = call("explain", "L-1", "--json").rows
    assert ("heads-up", "suppressed") in [(row["step"], row["decision"]) for row in rows]


def test_a_stop_with_no_end_says_how_to_lift_it_and_what_was_missed_is_not_made_up_for(
    live: Instance, call: Call
) -> None:
    ended = call("stop", "contact", "l-1@example.com", "--reason", "on leave")
    lift = "perennial stop contact l-1@example.com --lift"
    assert ended.out == f"contact l-1@example.com: stopped; end it with: {lift}\n"
    call("tick")
    assert _mailed(live) == ["L-2"]
    assert call("stop", "contact", "l-1@example.com", "--lift").out == (
        "contact l-1@example.com: the stop is lifted\n"
    )
    assert call("stop", "contact", "l-1@example.com", "--lift").out == (
        "contact l-1@example.com: was not stopped\n"
    )
    assert call("stop").out == "Nothing is stopped.\n"


def test_a_new_stop_takes_the_place_of_the_old_one(live: Instance, call: Call) -> None:
    call("stop", "licence", "L-1", "--reason", "in dispute")
    call("stop", "licence", "L-1", "--reason", "settled soon", "--until", live.day(5))
    (row,) = call("stop", "--json").rows
    assert (row["reason"], row["until"]) == ("settled soon", live.day(5))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ["licence"],
            2,
            "Which licence? Write: perennial stop licence KEY --reason WHY",
        ),
        (
            ["licence", "L-1"],
            2,
            "A stop needs a reason that a colleague understands: --reason WHY",
        ),
        (
            ["licence", "L-1", "--reason", "x", "--until", "2020-01-31"],
            2,
            "--until 2020-01-31 is past; the stop would end before it begins",
        ),
        (["licence", "L-9", "--reason", "x"], 1, "No licence 'L-9' is in the book"),
        (
            ["contact", "who@example.com", "--lift"],
            1,
            "No contact 'who@example.com' is in the book",
        ),
    ],
)
def test_a_stop_that_cannot_be_says_what_is_wrong(
    live: Instance, call: Call, words: list[str], code: int, said: str
) -> None:
    assert call("stop", *words) == Ended(code, "", f"{said}\n")


# --- mail modes -----------------------------------------------------------------------------------


def test_mode_off_lets_nothing_leave_and_everything_wait(live: Instance, call: Call) -> None:
    off = {"PERENNIAL_MAIL__MODE": "off"}
    said = 'No mail leaves: [mail] mode is "off". They wait; go on: mode = "live"'
    ticked = call("tick", **off)
    assert ticked.err == f"{said}\n"
    assert _mailed(live) == []
    assert {row["state"] for row in call("outbox", "--json", **off).rows} == {"due"}
    assert call("plan", **off).err == f"{said}\n"
    assert _checks(call, **off)["mail.mode off"] == ("note", said)
    assert call("tick").err == ""
    assert _mailed(live) == ["L-1", "L-2"]


def test_mode_redirect_writes_to_one_address_and_names_the_client(
    live: Instance, call: Call
) -> None:
    to_me = {"PERENNIAL_MAIL__MODE": "redirect", "PERENNIAL_MAIL__REDIRECT_TO": "me@example.org"}
    said = (
        'Every mail goes to me@example.org: [mail] mode is "redirect". '
        'To write to clients: mode = "live"'
    )
    assert call("tick", **to_me).err == f"{said}\n"
    assert _checks(call, **to_me)["mail.mode redirect"] == ("note", said)
    mails = [message_from_bytes(path.read_bytes(), policy=default) for path in live.files()]
    assert [mail["To"].addresses[0].addr_spec for mail in mails] == ["me@example.org"] * 2
    assert all("l-1@example.com" not in str(mail["To"]) for mail in mails)
    intended = sorted(str(mail["X-Perennial-Intended-For"]) for mail in mails)
    assert intended == ["l-1@example.com", "l-2@example.com"]
    assert sorted(mail["Subject"] for mail in mails) == [
        "[for l-1@example.com] Licence L-1",
        "[for l-2@example.com] Licence L-2",
    ]
    # The ledger and the evidence speak of the client: live again, nobody gets a second copy.
    assert sorted(path.name.split("_")[1] for path in live.files()) == intended
    rows = call("outbox", "--json").rows
    assert sorted(row["address"] for row in rows) == intended
    assert call("tick").err == ""
    assert len(live.files()) == 2


# --- a copied database ----------------------------------------------------------------------------


@pytest.fixture
def clone(live: Instance, backend: str, tmp_path: Path, request: Any) -> Iterator[dict[str, str]]:
    """What points the instance at a copy of its database, made while it lives."""
    live.command("tick", "--json")  # it has run here
    _more(live, "L-3")
    url = live.root.joinpath("config.toml").read_text(encoding="utf-8").split('url = "')[1]
    url = url.split('"')[0]
    if backend == "sqlite":
        shutil.copy(url.removeprefix("sqlite:///"), tmp_path / "clone.db")
        yield {"PERENNIAL_DATABASE__URL": f"sqlite:///{tmp_path}/clone.db"}
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = url.partition("?")[0].rpartition("/")[2]
    with postgres.connect() as conn:
        conn.execute(f"CREATE DATABASE {name}_clone TEMPLATE {name}")
        yield {"PERENNIAL_DATABASE__URL": postgres.url(f"{name}_clone")}
        conn.execute(f"DROP DATABASE {name}_clone WITH (FORCE)")


def test_a_clone_of_a_live_database_mails_nobody_until_it_is_confirmed(
    live: Instance, clone: dict[str, str], call: Call
) -> None:
    moved = "This database was copied or moved: it is not where it was when it last ran."
    told = "If this is the one that shall mail: perennial confirm-instance"
    for _ in range(2):
        ticked = call("tick", "--json", **clone)
        (row,) = ticked.rows
        assert (row["planned"], row["sent"], row["called"]) == (0, 0, 0)
        assert ticked.err == f"Sending is stopped: {moved} {told}\n"
    assert _mailed(live) == ["L-1", "L-2"]
    assert _checks(call, **clone)["brake copy"] == ("finding", f"{moved} {told}")
    confirmed = call("confirm-instance", **clone)
    assert confirmed == Ended(0, "This instance is confirmed; it mails from now on.\n", "")
    assert call("tick", **clone).err == ""
    assert _mailed(live) == ["L-1", "L-2", "L-3"]


def test_the_original_goes_on_beside_its_clone(
    live: Instance, clone: dict[str, str], call: Call
) -> None:
    call("tick", **clone)
    assert call("tick").err == ""
    assert _mailed(live) == ["L-1", "L-2", "L-3"]


def test_confirm_instance_has_nothing_to_do_where_nothing_was_copied(
    live: Instance, call: Call
) -> None:
    assert call("confirm-instance") == Ended(0, "Nothing was in doubt.\n", "")


def test_a_copied_database_is_confirmed_not_released(live: Instance, call: Call) -> None:
    moved = "This database was copied or moved: it is not where it was when it last ran."
    _pull(live, holds.COPY, "there", moved)
    told = "If this is the one that shall mail: perennial confirm-instance"
    assert call("tick").err == f"Sending is stopped: {moved} {told}\n"
    assert call("release").out.splitlines() == [f"1  copy  {moved}", f"    {told}"]
    refused = call("release", "--all")
    assert refused == Ended(
        1,
        "",
        "This database was copied or moved. If it is the one that shall mail, run: "
        "perennial confirm-instance. Nothing was released.\n",
    )
    assert _mailed(live) == []
    confirmed = call("confirm-instance")
    assert confirmed.out == "This instance is confirmed; it mails from now on.\n"
    assert call("tick").err == ""
    assert _mailed(live) == ["L-1", "L-2"]
    assert call("tasks", "--kind", "brake").out == "No open task.\n"
