"""TOML in, a checked schedule out. Every problem is told at once, in the file's order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from worker.config.validation import UnfitError, in_order, problem_at, problems_of
from worker.kernel.errors import ConfigError, Misfit, Problem
from worker.kernel.toml import Document, TomlError, parse
from worker.schedules import conditions, crosschecks, words
from worker.schedules.fields import Shape
from worker.schedules.kinds.table import KINDS
from worker.schedules.model import CalendarSpec, Condition, Dormancy, Limits, Schedule, Step
from worker.schedules.shape import ScheduleShape
from worker.templating.texts import mails, paths


class SchedulesError(ConfigError):
    """Schedules that cannot run as they are; ``problems`` says where and why."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder of schedules holds. ``schedules`` and ``texts`` go by file stem, and have only
    the schedules without a problem; ``notes`` are accepted but worth knowing."""

    schedules: dict[str, Schedule] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def or_raise(self) -> Loaded:
        """Itself; raises ``SchedulesError`` when there is any problem."""
        if self.problems:
            count = len(self.problems)
            said = "1 problem" if count == 1 else f"{count} problems"
            raise SchedulesError(f"{said} in the schedules", self.problems)
        return self


def load_text(raw: bytes, name: str, *, templates: Collection[str] | None) -> Schedule:
    """The schedule in ``raw``; ``name`` is its file, whose stem is the schedule's identity.

    ``templates`` are the mails there are (``renewal/heads-up``), or ``None`` to leave them
    unchecked. Raises ``SchedulesError`` with every problem there is.
    """
    return load_with_notes(raw, name, templates=templates)[0]


def load_with_notes(
    raw: bytes, name: str, *, templates: Collection[str] | None
) -> tuple[Schedule, list[Problem]]:
    """As ``load_text``, with the notes on what is accepted but does not act yet."""
    stem = PurePosixPath(name).stem
    try:
        words.identifier(stem)
        document = parse(raw, name)
    except UnfitError:
        problem = Misfit(name, 0, 0, "", "name", _STEM, repr(stem), "rename it, e.g. renewal.toml")
        raise SchedulesError(f"{name} cannot be used", [problem]) from None
    except TomlError as error:
        raise SchedulesError(error.message, error.problems) from None
    checks = crosschecks.check(document.data, templates)
    problems: list[Problem] = [problem_at(document, path, finding) for path, finding in checks]
    try:
        shape = ScheduleShape.model_validate(document.data, by_alias=True, by_name=False)
    except ValidationError as error:
        problems.extend(problems_of(error, document, ScheduleShape))
    if problems:
        raise SchedulesError(f"{name} cannot be used", in_order(problems, document))
    return _schedule(stem, shape), _notes(document)


_STEM = "a file name of lower-case letters, digits and dashes"


def load_folder(folder: Path, templates_folder: Path) -> Loaded:
    """Every ``*.toml`` of ``folder``, in the order of names; problems are collected, not raised."""
    loaded = Loaded()
    if not folder.is_dir():
        hint = "make it, or start in another folder with --root"
        said = "the folder of schedules is not there"
        loaded.problems.append(
            Misfit(f"{folder.name}/", 0, 0, "", "missing-folder", said, "", hint)
        )
        return loaded
    names = template_names(templates_folder)
    for path in sorted(folder.glob("*.toml")):
        if path.name.startswith("."):
            continue
        _load_file(loaded, path, f"{folder.name}/{path.name}", names)
    return loaded


def template_names(folder: Path) -> set[str]:
    """The mails that a folder of templates holds, such as ``renewal/heads-up``; nothing is read."""
    return mails({path.relative_to(folder).as_posix(): "" for path in paths(folder)})


def _load_file(loaded: Loaded, path: Path, name: str, templates: Collection[str]) -> None:
    try:
        raw = path.read_bytes()
        schedule, notes = load_with_notes(raw, name, templates=templates)
    except OSError as error:
        said = f"cannot be read: {error.strerror}"
        loaded.problems.append(Misfit(name, 0, 0, "", "unreadable", said, ""))
    except SchedulesError as error:
        loaded.problems.extend(error.problems)
    else:
        loaded.schedules[schedule.stem] = schedule
        loaded.texts[schedule.stem] = raw.decode("utf-8")
        loaded.notes.extend(notes)


def _notes(document: Document) -> list[Problem]:
    found = [problem_at(document, path, said) for path, said in crosschecks.notes(document.data)]
    return in_order(found, document)


def _schedule(stem: str, shape: ScheduleShape) -> Schedule:
    opens, closes = shape.calendar.hours
    calendar, limits = shape.calendar, shape.limits
    return Schedule(
        stem=stem,
        name=shape.name,
        trigger=shape.trigger,
        mail_class=shape.mail_class,
        audience=tuple(_conditions(table) for table in shape.audience),
        calendar=CalendarSpec(
            timezone=calendar.timezone,
            opens=opens,
            closes=closes,
            days=calendar.days,
            holidays=calendar.holidays,
            extra_holidays=frozenset(calendar.extra_holidays),
            when_closed=calendar.when_closed,
        ),
        limits=Limits(
            group_by=limits.group_by,
            gather_days=limits.gather.count if limits.gather else 0,
            late=limits.late,
            valid_days=limits.valid_for.count,
            approve=limits.approve,
        ),
        steps=tuple(_step(step) for step in shape.steps),
        dormancy=Dormancy(
            shape.at_least_score,
            shape.at_least_stake,
            shape.lanes,
            shape.per_week,
            shape.pause.count,
        ),
        every_months=shape.every or 0,
    )


def _conditions(table: Shape) -> tuple[Condition, ...]:
    found: list[Condition] = []
    for name in conditions.FIELDS:
        given: Any = getattr(table, name.replace(".", "_"))
        if given is not None:
            found.extend(replace(condition, field=name) for condition in given.conditions)
    return tuple(found)


def _step(shape: Any) -> Step:
    kind = next(kind for kind in KINDS.values() if getattr(shape, kind.name) is not None)
    given = {name: getattr(shape, name) for name in kind.keys.model_fields}
    keys = kind.keys.model_construct(**{k: v for k, v in given.items() if v is not None})
    return Step(
        id=shape.id,
        when=shape.when,
        kind=kind.name,
        keys=keys,
        unless=frozenset(shape.unless),
        only_if=frozenset(shape.only_if),
    )
