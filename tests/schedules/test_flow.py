"""From files to the version that runs: what is pinned, what counts as a change, and since when a
step has been there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from worker.kernel.keys import digest
from worker.schedules import flow, store
from worker.schedules.flow import Changes, Draft
from worker.schedules.records import template_texts, versions

TEMPLATES = Path(__file__).parents[2] / "templates"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
SCHEDULE = """
name = "Licence renewal"
trigger = "licence-expiry"
class = "contractual"

[calendar]
holidays = "none"

[[steps]]
id = "heads-up"
when = "30 days before"
email = "renewal/heads-up"
"""
GRACE = '[[steps]]\nid = "grace"\nwhen = "3 days after"\nemail = "renewal/grace"\n'
CALL = '[[steps]]\nid = "call"\nwhen = "14 days before"\ntask = "Call"\n'


class Files:
    """The folder that people edit, and the database that remembers what runs."""

    def __init__(self, root: Path, engine: Engine) -> None:
        self.root, self.engine = root, engine
        shutil.copytree(TEMPLATES, root / "templates")
        (root / "schedules").mkdir()

    def write(self, stem: str, text: str) -> None:
        (self.root / f"schedules/{stem}.toml").write_text(text, encoding="utf-8")

    def remove(self, stem: str) -> None:
        (self.root / f"schedules/{stem}.toml").unlink()

    def reword(self, path: str, text: str) -> None:
        (self.root / "templates" / path).write_text(text, encoding="utf-8")

    def drafts(self) -> list[Draft]:
        drafts, problems = flow.read_drafts(self.root)
        assert problems == []
        return drafts

    def apply(self, now: datetime = NOW) -> list[int]:
        with self.engine.begin() as conn:
            return flow.put_in_force(conn, self.drafts(), now)

    def changes(self) -> Changes:
        with self.engine.begin() as conn:
            return flow.changes(conn, self.drafts())

    def since(self) -> dict[str, datetime]:
        with self.engine.begin() as conn:
            (row,) = store.active(conn)
            return {step: datetime.fromisoformat(at) for step, at in row.steps_since.items()}

    def running(self) -> Sequence[tuple[str, int]]:
        with self.engine.begin() as conn:
            return [(row.schedule, row.number) for row in store.active(conn)]


@pytest.fixture
def files(root: Path, engine: Engine) -> Files:
    made = Files(root, engine)
    made.write("renewal", SCHEDULE)
    return made


def test_nothing_runs_before_it_was_applied_and_all_of_it_is_a_change(files: Files) -> None:
    assert files.changes() == Changes(("renewal",), (), ())
    files.apply()
    assert not files.changes()
    assert files.running() == [("renewal", 1)]


def test_an_edited_schedule_a_new_one_and_a_missing_one_are_changes(files: Files) -> None:
    files.write("second", SCHEDULE)
    files.apply()
    files.write("renewal", SCHEDULE + CALL)
    files.remove("second")
    files.write("third", SCHEDULE)
    assert files.changes() == Changes(("third",), ("renewal",), ("second",))


def test_a_comment_is_an_edit_too_because_a_version_is_its_pinned_text(files: Files) -> None:
    files.apply()
    files.write("renewal", f"# as agreed in May\n{SCHEDULE}")
    assert files.changes() == Changes((), ("renewal",), ())


@pytest.mark.parametrize(
    ("path", "edited"),
    [
        ("renewal/heads-up/en/subject.txt", True),
        ("renewal/heads-up/ru/body.html", True),
        ("renewal/heads-up/pl/body.txt", True),
        ("renewal/grace/en/subject.txt", False),  # this schedule sends no such mail
    ],
)
def test_an_edited_template_is_a_change_of_the_schedules_that_send_it(
    files: Files, path: str, edited: bool
) -> None:
    files.apply()
    files.reword(path, "New words")
    assert files.changes().edited == (("renewal",) if edited else ())


def test_a_version_pins_its_texts_whatever_becomes_of_the_files(files: Files) -> None:
    (first,) = files.apply()
    files.reword("renewal/heads-up/en/subject.txt", "New words")
    files.write("renewal", SCHEDULE + CALL)
    (second,) = files.apply(LATER)
    with files.engine.begin() as conn:
        old, new = (store.pinned_texts(conn, one) for one in (first, second))
        assert store.version(conn, first).text == SCHEDULE
        assert store.version(conn, second).text == SCHEDULE + CALL
    differing = {path for path in old if old[path] != new.get(path)}
    # The new words take in no shared file, so the second version does not pin the one they did.
    assert differing == {"renewal/heads-up/en/subject.txt", "shared/en/subject.txt"}
    assert new["renewal/heads-up/en/subject.txt"] == "New words"
    assert files.running() == [("renewal", 2)]


def test_texts_that_many_versions_share_are_kept_once(files: Files) -> None:
    files.apply()
    with files.engine.begin() as conn:
        before = conn.execute(select(func.count()).select_from(template_texts)).scalar_one()
    files.write("renewal", SCHEDULE + CALL)
    files.apply(LATER)
    with files.engine.begin() as conn:
        rows = conn.execute(select(template_texts)).all()
        kept = conn.execute(select(func.count()).select_from(versions)).scalar_one()
    assert (len(rows), kept) == (before, 2)
    assert all(digest(row.text) == row.digest for row in rows)


def test_a_step_has_been_there_since_it_was_first_applied_without_a_break(files: Files) -> None:
    files.apply()
    files.write("renewal", SCHEDULE + CALL)
    files.apply(LATER)
    assert files.since() == {"heads-up": NOW, "call": LATER}
    files.write("renewal", SCHEDULE.replace("30 days", "45 days") + CALL)
    files.apply(LATER + timedelta(days=1))
    assert files.since() == {"heads-up": NOW, "call": LATER}


def test_a_step_that_was_taken_out_and_put_back_is_new(files: Files) -> None:
    files.write("renewal", SCHEDULE + CALL)
    files.apply()
    files.write("renewal", SCHEDULE)
    files.apply(NOW + timedelta(hours=1))
    files.write("renewal", SCHEDULE + CALL)
    files.apply(LATER)
    assert files.since() == {"heads-up": NOW, "call": LATER}


def test_a_renamed_step_is_a_new_one(files: Files) -> None:
    files.apply()
    files.write("renewal", SCHEDULE.replace('"heads-up"', '"notice"', 1))
    files.apply(LATER)
    assert files.since() == {"notice": LATER}


def test_a_retired_schedule_runs_no_more_and_may_come_back_as_a_new_version(files: Files) -> None:
    files.apply()
    with files.engine.begin() as conn:
        store.retire(conn, ["renewal"])
    assert files.running() == []
    assert files.changes() == Changes(("renewal",), (), ())
    files.apply(LATER)
    assert files.running() == [("renewal", 2)]
    with files.engine.begin() as conn:
        assert store.last_applied(conn) == LATER


def test_an_invalid_schedule_has_problems_and_no_draft_and_the_others_have_theirs(
    files: Files,
) -> None:
    files.write("grace", SCHEDULE + GRACE)
    files.write("broken", SCHEDULE.replace("30 days before", "7 daze"))
    drafts, problems = flow.read_drafts(files.root)
    assert [draft.schedule.stem for draft in drafts] == ["grace", "renewal"]
    assert [str(problem) for problem in problems] == [
        "schedules/broken.toml:11:8: steps[0].when: '7 daze' is not an offset; "
        "write e.g. '7 days before'"
    ]


def test_a_draft_carries_every_text_that_its_mails_need(files: Files) -> None:
    (draft,) = files.drafts()
    wanted = {f"renewal/heads-up/{lang}/subject.txt" for lang in ("en", "pl", "ru")}
    assert wanted <= draft.templates.keys()
    assert not any(path.startswith("renewal/grace/") for path in draft.templates)
