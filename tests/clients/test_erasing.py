"""A person's data out, and a person's data gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, select

from tests.clients.conftest import KEY, Site
from tests.waiting import until
from worker.cadence.records import interventions
from worker.catalogue import erasures, suppressions
from worker.catalogue.flow import import_source
from worker.catalogue.records import contacts
from worker.clients import erasing, people, sweeping
from worker.clients.records import visits
from worker.config.settings import SourceSettings
from worker.kernel.errors import FindingsError
from worker.outbox.records import messages
from worker.surveys.records import invitations, response_themes, responses, tellings
from worker.worklist.records import task_history, tasks

ADDRESS, NAME, KEY_OF, NOTE = (
    "zofia.kanarek@canary.example",
    "Zofia Kanarek",
    "PERSON-7Q4",
    "call me on 555-CANARY",
)
CANARIES = (ADDRESS, NAME, KEY_OF, NOTE, "kanarek")
FILE = f"key,mail,name\n{KEY_OF},{ADDRESS},{NAME}\n"


@pytest.fixture
def mailed(site: Site) -> Site:
    """One person who was mailed, answered, chose, complained, and whom others wrote about."""
    site.licence("L-1", account="A-1", name="Client One")
    _people(site)
    site.apply()
    site.run()
    site.answer(site.links()["a"], "quantity", **{"quantity:L-1": "30", "note": NOTE})
    site.client.get(site.links()["p"], headers={"User-Agent": f"Bot of {ADDRESS.upper()}"})
    until(lambda: len(site.rows(visits)) == 1)
    tables = MetaData()
    tables.reflect(site.engine)
    with site.engine.begin() as conn:
        suppressions.suppress(conn, ADDRESS, "bounced", f"no such user {ADDRESS}", site.clock.now())
        mail_key = conn.scalar(select(messages.c.mail_key))
        event = {"channel": "x", "key": "e1", "kind": "bounced", "mail_key": mail_key}
        event |= {"address": ADDRESS, "detail": f"<{ADDRESS.upper()}> gone", "machine": False}
        event |= {"raw": json.dumps({"email": ADDRESS, "name": NAME}), "orphan": False}
        event |= {"at": "2026-11-20 12:00:00+00", "received_at": "2026-11-20 12:00:00+00"}
        conn.execute(tables.tables["events"].insert().values(event))
        task = {"key": "t", "kind": "alarm", "title": f"Call {NAME}", "opened_at": site.clock.now()}
        account = conn.scalar(select(contacts.c.account_id))
        conn.execute(tasks.insert().values(task | {"account_id": account, "detail": ADDRESS}))
        number = conn.scalar(select(tasks.c.id).where(tasks.c.key == "t"))
        told = {"task_id": number, "at": site.clock.now(), "what": "noted"}
        conn.execute(task_history.insert().values(told | {"note": f"{NAME} rang, {ADDRESS}"}))
        edit = {"walk_id": 1, "step": "grace", "kind": "edit", "words": f"Dear {NAME},"}
        edit |= {"subject": NAME.upper(), "reason": f"{NAME} asked", "who": "ann"}
        conn.execute(interventions.insert().values(edit | {"made_at": site.clock.now()}))
        _survey(conn, conn.execute(select(contacts)).one(), site.clock.now())
    return site


def _survey(conn: Any, person: Any, now: Any) -> None:
    """The person was asked, answered in confidence, and had answered before we came."""
    both = {"schedule": "surveys", "survey": "renewal", "account_id": person.account_id}
    asked = both | {"contact_id": person.id, "promise": "confidential", "answered": True}
    asked |= {"asked_on": now.date(), "asked_at": now}
    conn.execute(invitations.insert().values(asked))
    said = both | {"score": 3, "vote": -1, "comment": NOTE, "answered_on": now.date()}
    said |= {"source": "page", "promise": "confidential", "follow_up": {"why": NAME}}
    conn.execute(responses.insert().values(said | {"id": 7, "invitation_id": 1}))
    before = {"id": 8, "contact_id": person.id, "promise": "named", "key": f"import:x:{KEY_OF}"}
    conn.execute(responses.insert().values(said | before))
    told = {"schedule": "surveys", "response_id": 7, "words": f"We rang {NAME}.", "letters": 0}
    conn.execute(tellings.insert().values(told | {"made_at": now, "made_by": "ann"}))
    conn.execute(response_themes.insert().values(response_id=8, theme="price"))


def _people(site: Site) -> Any:
    (site.root / "people.csv").write_text(FILE, encoding="utf-8")
    load = {"entity": "contact", "key": "{key}", "account": "A-1", "email": "{mail}"}
    load |= {"name": "{name}", "role": "decision-maker"}
    source = SourceSettings(kind="csv", path="people.csv", load=[load])
    return import_source(site.engine, "people", source, site.clock, site.root)


def dump(site: Site) -> str:
    """Every value of every table, as text."""
    tables = MetaData()
    tables.reflect(site.engine)
    with site.engine.connect() as conn:
        rows = [tuple(row) for one in tables.tables.values() for row in conn.execute(select(one))]
    return repr(rows).lower()


def erase(site: Site, name: str = ADDRESS) -> erasing.Gone:
    with site.engine.begin() as conn:
        return erasing.erase(conn, people.find(conn, name), site.clock.now())


def test_the_canaries_are_there_before(mailed: Site) -> None:
    assert all(canary.lower() in dump(mailed) for canary in CANARIES)


@pytest.mark.parametrize("name", [ADDRESS, KEY_OF, ADDRESS.upper()])
def test_no_byte_of_the_person_is_left_in_any_table(mailed: Site, name: str) -> None:
    gone = erase(mailed, name)
    assert (gone.contacts, gone.mails, gone.left) == (1, 1, ())
    said = dump(mailed)
    assert [canary for canary in CANARIES if canary.lower() in said] == []


def test_no_byte_of_the_person_is_left_in_the_file(sqlite_site: Site) -> None:
    site = sqlite_site
    site.licence("L-1", account="A-1", name="Client One")
    _people(site)
    site.apply()
    site.run()
    site.answer(site.links()["a"], "quote", note=NOTE)
    erase(site)
    assert sweeping.scour(site.engine)
    path = Path(str(site.engine.url.database))
    for file in path.parent.glob(f"{path.name}*"):
        content = file.read_bytes().lower()
        assert [canary for canary in CANARIES if canary.lower().encode() in content] == []


def test_what_was_asked_for_stays_and_who_asked_does_not(mailed: Site) -> None:
    erase(mailed)
    (task,) = [row for row in mailed.open_tasks() if row.kind == "answer"]
    assert "change the quantity" in task.detail
    assert len(mailed.standing()) == 1
    (message,) = mailed.rows(messages)
    assert (message.state, message.subject, message.contact_id) == ("accepted", None, None)


def test_an_import_does_not_bring_the_person_back_and_says_so(mailed: Site) -> None:
    erase(mailed)
    report = _people(mailed)
    assert (report.erased, report.rejected_rows) == (1, 0)
    assert report.notes == ["1 contact of the file was erased on request and left out"]
    assert mailed.rows(contacts) == []
    (mailed.root / "people.csv").write_text(FILE.replace(KEY_OF, "OTHER-KEY"), encoding="utf-8")
    with mailed.engine.connect() as conn:
        known = erasures.known(conn)
        assert known.holds("OTHER-KEY", ADDRESS)
        assert not known.holds("OTHER-KEY", "somebody@else.example")


def test_links_in_old_mails_open_nothing_any_more(mailed: Site) -> None:
    links = mailed.links()
    erase(mailed)
    for path in links.values():
        page = mailed.client.get(path)
        assert (page.status_code, ADDRESS in page.text) == (404, False)


def test_a_mail_that_was_still_to_go_goes_to_the_next_rung_instead(site: Site) -> None:
    site.licence("L-1", account="A-1", name="Client One")
    site._contact("C-1", "first@example.com")
    site.apply()
    site.decide()
    row = {"contact": "C-2", "account": "A-1", "email": "second@example.com"}
    site._load("people", row, {"entity": "contact", "key": "{contact}", "account": "{account}",
                               "email": "{email}", "role": "technical"})  # fmt: skip
    assert erase(site, "first@example.com").withdrawn == 1
    site.run()
    assert site.addresses() == ["second@example.com"]


def test_nobody_is_erased_while_a_mail_is_leaving(site: Site) -> None:
    site.mailed()
    site.set(messages, state="sending")
    before = site.business()
    with pytest.raises(FindingsError, match="leaving at this moment"):
        erase(site, "anna@example.com")
    assert site.business() == before


def test_visits_forget_what_program_came(mailed: Site) -> None:
    erase(mailed)
    assert {row.agent for row in mailed.rows(visits)} <= {None}


def cli(site: Site, *words: str) -> int:
    from worker.cli.main import run

    return run(["--root", str(site.root), *words], {"PERENNIAL_WEB__LINK_KEY": KEY})


def test_export_prints_all_of_it_as_json(mailed: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(mailed, "export", KEY_OF) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["contacts"][0]["name"] == NAME
    assert told["contacts"][0]["account"] == "A-1"
    assert told["mails"][0]["address"] == ADDRESS
    assert told["answers"][0]["detail"]["note"] == NOTE
    assert told["events"][0]["kind"] == "bounced"
    assert told["suppressions"][0]["reason"] == "bounced"
    assert any(NOTE in task["detail"] for task in told["tasks"])


def test_erase_asks_first_and_takes_the_mails_of_the_folder_along(
    mailed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    (mailed.root / "config.toml").write_text(
        (mailed.root / "config.toml").read_text() + '[mail.file]\nfolder = "mails"\n'
    )
    assert len(mailed.mails()) == 1
    assert cli(mailed, "erase", ADDRESS, "--yes") in (0, 1)  # 1: the pages use the SQLite file
    said = capsys.readouterr()
    assert "Erased: 1 contacts, 1 mails, 0 of them withdrawn." in said.out
    assert "the mail provider" in said.err
    assert ADDRESS not in said.out + said.err
    assert mailed.mails() == []
    assert cli(mailed, "erase", ADDRESS, "--yes") == 1
    assert "was erased already" in capsys.readouterr().err


def test_whom_nobody_knows_nobody_can_erase(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(site, "erase", "nobody@example.com", "--yes") == 1
    assert "No contact 'nobody@example.com' is in the book" in capsys.readouterr().err


def test_revoked_links_are_dead_and_new_mails_carry_new_ones(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    path = site.mailed()["a"]
    site.later(minutes=1)
    from worker.catalogue import preferences

    with site.engine.begin() as conn:
        person = people.find(conn, "C-1")
        preferences.put(conn, person.ids, site.clock.now(), links_from=site.clock.now())
    dead = site.client.get(path)
    assert dead.status_code == 410
    assert "taken back" in dead.text
    site.later(days=33)
    site.run()
    assert site.client.get(site.links()["a"]).status_code == 200
    assert cli(site, "links", "revoke", "anna@example.com") == 0
    assert "dead" in capsys.readouterr().out


def test_a_score_stays_with_its_account_when_its_person_is_erased(mailed: Site) -> None:
    with mailed.engine.begin() as conn:
        erasing.erase(conn, people.find(conn, KEY_OF), mailed.clock.now())
    assert [(row.score, row.comment, row.contact_id) for row in mailed.rows(responses)] == [
        (3, None, None),
        (3, None, None),
    ]
    assert [(row.answered, row.contact_id) for row in mailed.rows(invitations)] == [(True, None)]
    assert not mailed.rows(response_themes)
