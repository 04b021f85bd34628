"""What a colleague would ask before an edit is applied: names that changed, languages that are
missing, schedules that crowd each other, steps that come before a client can act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from worker.cadence.decisions import Record
from worker.cadence.edits import Outlook
from worker.cadence.library import Defaults, library_of
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import accounts, contacts, licences
from worker.kernel import toml
from worker.kernel.errors import Problem
from worker.schedules.flow import Draft
from worker.schedules.model import Schedule, Step
from worker.templating.render import Renderer

APART = timedelta(days=7)
"""Two schedules that mail one licence within so many days are a finding."""


def findings(
    conn: Connection, drafts: Sequence[Draft], view: Outlook, defaults: Defaults, today: date
) -> list[Problem]:
    """Everything odd about the drafts and what they would do, as ``view`` foresees it."""
    running = {stem: known.schedule for stem, known in library_of(conn).active(conn).items()}
    comes = {draft.schedule.stem: draft for draft in drafts}
    return [
        *_renamed_schedules(running, comes, view),
        *_renamed_steps(running, comes, view),
        *_missing_languages(conn, drafts, defaults),
        *_crowded(view.records),
        *_before_term(conn, comes, view.records, today),
    ]


def _file(stem: str) -> str:
    return f"schedules/{stem}.toml"


def _does(step: Step) -> tuple[object, ...]:
    """What makes two steps look alike, whatever they are called."""
    return step.when, step.kind, step.template


# --- names ----------------------------------------------------------------------------------------


def _renamed_schedules(
    running: Mapping[str, Schedule], comes: Mapping[str, Draft], view: Outlook
) -> Iterator[Problem]:
    for added in view.changes.added:
        for removed in view.changes.removed:
            if removed in running and _look_alike(running[removed], comes[added].schedule):
                yield Problem(
                    _file(added),
                    0,
                    0,
                    "",
                    "renamed-schedule",
                    "a new schedule, with steps of its own",
                    f"the steps of {removed}.toml, which is gone",
                    f"if it was renamed, give it the name {removed}.toml again: under another "
                    "name every licence starts anew, and clients may get a mail twice",
                )


def _look_alike(one: Schedule, other: Schedule) -> bool:
    return {step.id for step in one.steps} == {step.id for step in other.steps} or Counter(
        map(_does, one.steps)
    ) == Counter(map(_does, other.steps))


def _renamed_steps(
    running: Mapping[str, Schedule], comes: Mapping[str, Draft], view: Outlook
) -> Iterator[Problem]:
    for stem in view.changes.edited:
        if stem not in running:
            continue
        draft = comes[stem]
        old, new = ({step.id for step in s.steps} for s in (running[stem], draft.schedule))
        gone = [step for step in running[stem].steps if step.id not in new]
        for place, step in enumerate(draft.schedule.steps):
            alike = [one for one in gone if _is_alike(one, step)]
            if step.id not in old and alike:
                gone.remove(alike[0])
                yield _renamed_step(draft, place, step, alike[0])


def _is_alike(one: Step, other: Step) -> bool:
    if one.kind != other.kind:
        return False
    return one.when == other.when or (one.template is not None and one.template == other.template)


def _renamed_step(draft: Draft, place: int, step: Step, was: Step) -> Problem:
    file = _file(draft.schedule.stem)
    at = toml.parse(draft.text.encode(), file).place(("steps", place, "id"))
    why = f"is {was.when}" if was.when == step.when else f"sends {was.template}"
    return Problem(
        file,
        at.line,
        at.column,
        f"steps[{place}].id",
        "renamed-step",
        "a new step",
        f"'{step.id}', which {why} like '{was.id}', which is gone",
        f"if it was renamed, call it '{was.id}' again: who got the old step may get the new one",
    )


# --- languages ------------------------------------------------------------------------------------


def _missing_languages(
    conn: Connection, drafts: Sequence[Draft], defaults: Defaults
) -> Iterator[Problem]:
    """Clients who read a language that a mail is not written in."""
    readers = _readers(conn)
    found: dict[tuple[str, str, str], int] = {}
    for mail, renderer in _mails(drafts).items():
        for (contact, account), count in readers.items():
            wanted = contact or account or defaults.language
            gets = renderer.choose(mail, [contact, account, defaults.language])
            if gets.partition("-")[0] != _base(wanted):
                key = mail, wanted, gets
                found[key] = found.get(key, 0) + count
    for (mail, wanted, gets), count in sorted(found.items()):
        reads = "1 contact reads" if count == 1 else f"{count:,} contacts read"
        yield Problem(
            f"templates/{mail}",
            0,
            0,
            "",
            "missing-language",
            f"the mail in '{wanted}', which {reads}",
            f"none; it goes out in '{gets}'",
            f"write templates/{mail}/{_base(wanted)}/, or correct the language in your book",
        )


def _base(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]


def _mails(drafts: Sequence[Draft]) -> dict[str, Renderer]:
    return {
        mail: Renderer(draft.templates)
        for draft in drafts
        for mail in sorted(draft.schedule.templates)
    }


def _readers(conn: Connection) -> dict[tuple[str | None, str | None], int]:
    """How many contacts with an address there are, by (own language, the account's language)."""
    query = (
        select(contacts.c.language, accounts.c.language.label("account"), func.count())
        .join(accounts, accounts.c.id == contacts.c.account_id)
        .where(contacts.c.email.is_not(None))
        .group_by(contacts.c.language, accounts.c.language)
    )
    return {(row[0] or None, row[1] or None): row[2] for row in conn.execute(query)}


# --- too many, too early --------------------------------------------------------------------------


def _crowded(records: Sequence[Record]) -> Iterator[Problem]:
    """Two schedules that would mail one licence within a week."""
    mails: dict[str, list[Record]] = {}
    for record in records:
        if record.licence and record.at and record.decision == "planned" and record.message:
            mails.setdefault(record.licence, []).append(record)
    pairs: dict[tuple[str, str], dict[str, tuple[Record, Record]]] = {}
    for licence, ones in mails.items():
        for one, other in _close(ones):
            names = sorted((str(one.schedule), str(other.schedule)))
            pairs.setdefault((names[0], names[1]), {}).setdefault(licence, (one, other))
    for (first, second), found in sorted(pairs.items()):
        licence = min(found)
        one, other = found[licence]
        yield Problem(
            _file(first),
            0,
            0,
            "",
            "crowded",
            f"no mail within {APART.days} days of one of {second}.toml",
            f"{_licences(len(found))} with mails of both, e.g. {licence}: "
            f"{_said(one)} and {_said(other)}",
            "part them by their audience, or move a step",
        )


def _close(records: Sequence[Record]) -> Iterator[tuple[Record, Record]]:
    """Neighbours in time, of two schedules, with less than a week between their days."""
    days: dict[tuple[date, str], Record] = {}
    for record in records:
        if record.at:
            days.setdefault((record.at.date(), str(record.schedule)), record)
    for (one_day, one), (other_day, other) in pairwise(sorted(days)):
        if one != other and other_day - one_day <= APART:
            yield days[one_day, one], days[other_day, other]


def _said(record: Record) -> str:
    return f"{record.schedule}/{record.step} on {record.at:%Y-%m-%d}"


def _licences(count: int) -> str:
    return "1 licence" if count == 1 else f"{count:,} licences"


def _before_term(
    conn: Connection, comes: Mapping[str, Draft], records: Sequence[Record], today: date
) -> Iterator[Problem]:
    """Steps that some licences never get, because their terms are too short."""
    found = {(row.schedule, row.step): (row.licences, row.key) for row in _skipped(conn, today)}
    for record in records:
        if record.reason == "before-term" and record.schedule and record.step and record.licence:
            count, example = found.get((record.schedule, record.step), (0, record.licence))
            found[record.schedule, record.step] = count + 1, min(example, record.licence)
    for (stem, id_), (count, example) in sorted(found.items()):
        draft = comes.get(stem)
        for place, step in enumerate(draft.schedule.steps if draft else ()):
            if draft and step.id == id_:
                yield _too_early(draft, place, count, example)


def _skipped(conn: Connection, today: date) -> Sequence[Any]:
    """For each step, the licences of terms that still run before which it came: how many, and
    the first key."""
    query = (
        select(
            walks.c.schedule,
            steps.c.step,
            func.count().label("licences"),
            func.min(licences.c.key).label("key"),
        )
        .join(steps, steps.c.walk_id == walks.c.id)
        .join(licences, of_licence)
        .where(
            steps.c.reason == "before-term",
            walks.c.cycle == licences.c.term,
            licences.c.status == "active",
            licences.c.expires_on >= today,
        )
        .group_by(walks.c.schedule, steps.c.step)
    )
    return conn.execute(query).all()


def _too_early(draft: Draft, place: int, count: int, example: str) -> Problem:
    file = _file(draft.schedule.stem)
    at = toml.parse(draft.text.encode(), file).place(("steps", place, "when"))
    step = draft.schedule.steps[place]
    return Problem(
        file,
        at.line,
        at.column,
        f"steps[{place}].when",
        "before-term",
        "a day inside the term, when the client can act",
        f"'{step.when}', on or before the first day of the term of {_licences(count)}, "
        f"e.g. {example}, which will not get it",
        "shorter terms need a later step, or a schedule of their own",
    )
