"""From files to the version that runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from worker.kernel.errors import Problem
from worker.kernel.keys import digest
from worker.schedules import loader, store
from worker.schedules.model import Schedule
from worker.templating import texts as templates


@dataclass(frozen=True, slots=True)
class Draft:
    """A schedule as it stands in its file, with the template texts that it would pin."""

    schedule: Schedule
    text: str
    templates: Mapping[str, str]  # path under templates/ -> text

    @property
    def digest(self) -> str:
        """The fingerprint of everything an application would pin."""
        parts = [self.text, *(f"{path}\n{text}" for path, text in sorted(self.templates.items()))]
        return digest("\0".join(parts))

    @property
    def pinned(self) -> dict[str, str]:
        """The fingerprint of each template text, by its path."""
        return {path: digest(text) for path, text in self.templates.items()}


def read_drafts(root: Path) -> tuple[list[Draft], list[Problem]]:
    """The schedules in ``root/schedules`` with their templates, and every problem found.

    A schedule with problems has no draft; the others have.
    """
    loaded = loader.load_folder(root / "schedules", root / "templates")
    texts = templates.read_folder(root / "templates")
    drafts = []
    for stem, schedule in sorted(loaded.schedules.items()):
        pinned: dict[str, str] = {}
        for mail in sorted(schedule.templates):
            pinned |= templates.needed(texts, mail)
        drafts.append(Draft(schedule, loaded.texts[stem], pinned))
    return drafts, list(loaded.problems)


def running_drafts(conn: Connection) -> list[Draft]:
    """The versions that run, as drafts that change nothing."""
    found = []
    for version_id in store.active_ids(conn):
        row = store.version(conn, version_id)
        schedule = loader.load_text(row.text.encode(), f"{row.schedule}.toml", templates=None)
        found.append(Draft(schedule, row.text, store.pinned_texts(conn, version_id)))
    return found


@dataclass(frozen=True, slots=True)
class Changes:
    """What an application would change, by stem."""

    added: tuple[str, ...]
    edited: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.edited or self.removed)

    def only(self, stem: str) -> Changes:
        """Those of one schedule."""
        sides = (self.added, self.edited, self.removed)
        return Changes(*(tuple(one for one in side if one == stem) for side in sides))


NO_CHANGES = Changes((), (), ())


def changes(conn: Connection, drafts: Sequence[Draft]) -> Changes:
    """Compares drafts with the versions that run."""
    running = {row.schedule: row.digest for row in store.active(conn)}
    stems = {draft.schedule.stem: draft for draft in drafts}
    return Changes(
        added=tuple(sorted(stems.keys() - running.keys())),
        edited=tuple(sorted(s for s, d in stems.items() if running.get(s, d.digest) != d.digest)),
        removed=tuple(sorted(running.keys() - stems.keys())),
    )


def put_in_force(conn: Connection, drafts: Iterable[Draft], now: datetime) -> list[int]:
    """Makes each draft the version that runs; the ids of the versions made."""
    since = {row.schedule: row.steps_since for row in store.active(conn)}
    return [
        store.add_version(
            conn,
            _version(draft, since.get(draft.schedule.stem), now),
            {digest(text): text for text in draft.templates.values()},
        )
        for draft in drafts
    ]


def steps_since(
    draft: Draft, before: Mapping[str, str] | None, now: datetime
) -> dict[str, datetime]:
    """Since when each step of ``draft`` has been part of the schedule without a break."""
    kept = before or {}
    return {
        step.id: datetime.fromisoformat(kept[step.id]) if step.id in kept else now
        for step in draft.schedule.steps
    }


def _version(draft: Draft, before: Mapping[str, str] | None, now: datetime) -> dict[str, Any]:
    since = steps_since(draft, before, now)
    return {
        "schedule": draft.schedule.stem,
        "digest": draft.digest,
        "text": draft.text,
        "templates": draft.pinned,
        "steps_since": {step: moment.isoformat() for step, moment in since.items()},
        "applied_at": now,
    }
