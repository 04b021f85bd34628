"""What `plan` and `apply` ask about an edit: renamed files and steps, missing languages, schedules
that crowd each other, steps before the client can act."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.cadence.conftest import Book, schedule_text
from worker.cadence import edits
from worker.cadence.findings import findings
from worker.cadence.library import Defaults
from worker.cli.main import run
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.schedules.flow import read_drafts

CADENCE = ("30 days before", "14 days before", "3 days after")


@pytest.fixture
def client(book: Book) -> Book:
    """One client whose licence ends on 20 December 2026; its first mail went out yesterday."""
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.run()
    book.later(days=1)
    return book


def _write(book: Book, text: str, stem: str = "renewal") -> None:
    (book.root / f"schedules/{stem}.toml").write_text(text, encoding="utf-8")


def _found(book: Book) -> list[str]:
    """What would be told about the files as they are, a line each."""
    drafts, problems = read_drafts(book.root)
    assert problems == []
    today = book.now.date()
    with reading(book.engine) as conn:
        period = Period(today, today + timedelta(days=60))
        view = edits.outlook(conn, drafts, book.asked(), period)
        return [str(one) for one in findings(conn, drafts, view, Defaults(), today)]


def test_files_that_are_as_they_should_be_are_no_finding(client: Book) -> None:
    assert _found(client) == []
    _write(client, schedule_text(*CADENCE, "7 days before | to = ['any']"))
    assert _found(client) == []


# --- (a) renamed files ----------------------------------------------------------------------------


def test_a_renamed_file_is_told_for_its_walks_would_start_anew(client: Book) -> None:
    old = client.root / "schedules/renewal.toml"
    old.rename(old.with_name("renewals.toml"))
    assert _found(client) == [
        "schedules/renewals.toml: expected a new schedule, with steps of its own, got the steps of "
        "renewal.toml, which is gone; if it was renamed, give it the name renewal.toml again: "
        "under another name every licence starts anew, and clients may get a mail twice"
    ]


def test_a_file_renamed_together_with_its_steps_is_told_too(client: Book) -> None:
    (client.root / "schedules/renewal.toml").unlink()
    _write(client, schedule_text("a = 30 days before", "b = 14 days before", "3 days after"), "new")
    (told,) = _found(client)
    assert told.startswith("schedules/new.toml: expected a new schedule")


def test_a_schedule_that_makes_room_for_a_different_one_is_no_finding(client: Book) -> None:
    (client.root / "schedules/renewal.toml").unlink()
    _write(client, schedule_text("45 days before", "on the day"), "second")
    assert _found(client) == []


# --- (b) renamed steps ----------------------------------------------------------------------------


def test_a_renamed_step_is_told_with_its_line(client: Book) -> None:
    text = schedule_text("notice = 30 days before", *CADENCE[1:])
    _write(client, text)
    line = text.splitlines().index('id = "notice"') + 1
    assert _found(client) == [
        f"schedules/renewal.toml:{line}:6: steps[0].id: expected a new step, got 'notice', which "
        "is 30 days before like '30-days-before', which is gone; if it was renamed, call it "
        "'30-days-before' again: who got the old step may get the new one"
    ]


def test_a_step_that_is_renamed_and_moved_is_known_by_its_mail(client: Book) -> None:
    _write(client, schedule_text("notice = 25 days before", *CADENCE[1:]))
    (told,) = _found(client)
    assert "got 'notice', which sends renewal/heads-up like '30-days-before'" in told


def test_each_step_that_is_gone_explains_one_new_step_only(client: Book) -> None:
    _write(client, schedule_text("a = 30 days before", "b = 14 days before", "3 days after"))
    first, second = _found(client)
    assert "'a', which is 30 days before like '30-days-before'" in first
    assert "'b', which is 14 days before like '14-days-before'" in second


def test_a_moved_step_a_removed_one_and_a_new_one_of_another_kind_are_no_finding(
    client: Book,
) -> None:
    _write(client, schedule_text("30-days-before = 25 days before", "3 days after"))
    assert _found(client) == []
    _write(client, schedule_text("30 days before", "call = task 14 days before", "3 days after"))
    assert _found(client) == []


# --- (c) languages --------------------------------------------------------------------------------


def test_contacts_who_read_a_language_that_a_mail_lacks_are_counted(client: Book) -> None:
    client.person("A-L-1", "hans@example.com", language="de")
    client.person("A-L-1", "greta@example.com", language="de-AT")
    client.person("A-L-1", "lena@example.com", language="de")
    client.person("A-L-1", "ola@example.com", language="pl")
    german, austrian = _found(client)
    assert german == (
        "templates/renewal/heads-up: expected the mail in 'de', which 2 contacts read, got none; "
        "it goes out in 'en'; write templates/renewal/heads-up/de/, or correct the language in "
        "your book"
    )
    assert austrian.startswith(
        "templates/renewal/heads-up: expected the mail in 'de-AT', which 1 contact reads, got none"
    )


def test_a_client_falls_back_to_the_language_of_the_account(client: Book) -> None:
    client.accounts([{"account": "A-L-1", "language": "pl"}])
    assert _found(client) == []
    client.person("A-L-1", "hans@example.com", language="de")
    (told,) = _found(client)
    assert "it goes out in 'pl'" in told


# --- (d) schedules that crowd each other ----------------------------------------------------------


def test_two_schedules_that_would_mail_a_licence_within_a_week_are_told(client: Book) -> None:
    client.licence("L-2")
    client.contact("C-2", licence="L-2")
    _write(client, schedule_text("8 days before"), "extra")
    assert _found(client) == [
        "schedules/extra.toml: expected no mail within 7 days of one of renewal.toml, got "
        "2 licences with mails of both, e.g. L-1: renewal/14-days-before on 2026-12-06 and "
        "extra/8-days-before on 2026-12-12; part them by their audience, or move a step"
    ]


def test_eight_days_apart_they_do_not_crowd_each_other(client: Book) -> None:
    _write(client, schedule_text("6 days before"), "extra")
    assert _found(client) == []


def test_tasks_crowd_nobody(client: Book) -> None:
    _write(client, schedule_text("call = task 12 days before"), "extra")
    assert _found(client) == []


# --- (e) before the client can act ----------------------------------------------------------------


def test_steps_before_the_term_begins_are_told_with_how_many_licences(client: Book) -> None:
    for key in ("M-2", "M-1"):
        client.licence(key, start="2026-11-19", end="2026-12-19")
        client.contact(f"C-{key}", licence=key)
    line = schedule_text(*CADENCE).splitlines().index('when = "30 days before"') + 1
    told = (
        f"schedules/renewal.toml:{line}:8: steps[0].when: expected a day inside the term, when the "
        "client can act, got '30 days before', on or before the first day of the term of "
        "2 licences, e.g. M-1, which will not get it; shorter terms need a later step, or a "
        "schedule of their own"
    )
    client.run()
    assert client.decisions("M-1")["30-days-before"] == ("skipped", "before-term")
    assert _found(client) == [told]
    client.later(days=40)
    assert _found(client) == []  # those terms are over


# --- at the door ----------------------------------------------------------------------------------


def test_plan_and_apply_tell_findings_beside_the_data_and_go_on(
    client: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    config = f'[database]\nurl = "{client.engine.url.render_as_string(hide_password=False)}"\n'
    (client.root / "config.toml").write_text(config, encoding="utf-8")
    old = client.root / "schedules/renewal.toml"
    old.rename(old.with_name("renewals.toml"))
    for words in (["plan", "--json"], ["apply", "--yes"]):
        capsys.readouterr()
        assert run(["--root", str(client.root), *words], {}) == 0
        said = capsys.readouterr()
        assert "schedules/renewals.toml: expected a new schedule, with steps" in said.err
        assert "expected a new schedule" not in said.out
