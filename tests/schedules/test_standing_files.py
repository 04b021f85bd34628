"""The schedules in an instance's files, as pages that are opened often read them."""

from __future__ import annotations

import os
from pathlib import Path

from worker.schedules.standing_files import StandingFiles

SCHEDULE = """
name = "Renewal"
trigger = "licence-expiry"
class = "contractual"

[[steps]]
id = "one"
when = "30 days before"
email = "renewal/one"
"""


def instance(root: Path) -> StandingFiles:
    """An instance with one schedule and its mail in English."""
    mail = root / "templates/renewal/one/en"
    mail.mkdir(parents=True)
    for part in ("subject.txt", "body.txt", "body.html"):
        (mail / part).write_text("Hello")
    (root / "schedules").mkdir()
    (root / "schedules/renewal.toml").write_text(SCHEDULE)
    return StandingFiles(root)


def test_files_that_did_not_change_are_read_once(tmp_path: Path) -> None:
    files = instance(tmp_path)
    assert files.drafts() is files.drafts()
    assert [draft.schedule.stem for draft in files.drafts()] == ["renewal"]


def test_whatever_changes_in_a_schedule_or_a_template_is_seen_at_once(tmp_path: Path) -> None:
    files, seen = instance(tmp_path), set()
    seen.add(files.drafts()[0].digest)
    body = tmp_path / "templates/renewal/one/en/body.txt"
    body.write_text("Howdy")
    os.utime(body, ns=(1, 1))  # as old as a file unpacked from an archive
    seen.add(files.drafts()[0].digest)
    schedule = tmp_path / "schedules/renewal.toml"
    schedule.write_text(SCHEDULE.replace("30", "60"))
    seen.add(files.drafts()[0].digest)
    assert len(seen) == 3
    (tmp_path / "schedules/other.toml").write_text(SCHEDULE)
    assert len(files.drafts()) == 2
    (tmp_path / "schedules/other.toml").unlink()
    schedule.write_text("name = ")
    assert files.drafts() == []


def test_without_a_folder_there_is_no_schedule(tmp_path: Path) -> None:
    assert StandingFiles(tmp_path / "none").drafts() == []
