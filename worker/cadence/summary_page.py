"""The page that a rehearsal leaves for a person: ``index.html``, whole in itself.

No script, no font, no picture from elsewhere: it opens from a folder, years later, offline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from worker.cadence import picture
from worker.cadence.picture import DayCount
from worker.kernel.clock import require_aware
from worker.kernel.dates import Period
from worker.outbox.words import REASONS

__all__ = [
    "DayCount",
    "ReasonCount",
    "ReasonTotal",
    "Sample",
    "StepCount",
    "Summary",
    "in_plain_words",
    "write",
]

# The decisions that mean: this went out, or will. All others mean that it did not.
DONE = frozenset({"sent", "planned", "waiting", "unknown"})
_ORDER = ("sent", "planned", "waiting", "unknown", "put-off", "superseded", "skipped", "suppressed")
_SHOWN_SAMPLES = 100
_SHOWN_EXAMPLES = 5

_WORDS = {
    "not-in-audience": "The schedule does not speak to this licence or its account.",
    "renewed": "The licence was renewed before the step came.",
    "cancelled": "The licence was cancelled.",
    "ended": "The licence has ended.",
    "history": "The term had already expired when it was first seen; the past mails nobody.",
    "before-term": "The step would have come on or before the first day of the term.",
    "no-open-moment": "No open day was left on the right side of the expiry date.",
    "too-late": "The step stayed undone for longer than its validity.",
    "late": "The moment had passed, and the schedule skips late steps.",
    "later-step": "The step was late, and a later one took its place.",
    "same-day": "A later step of the same licence went out on the same day.",
    "new-step": "The step was added when its moment had already passed.",
    "declined": "The client said that it will not renew.",
    "answered": "The client had answered: the question of the mail, or with a wish that was open.",
    "quiet-time": "The person or the company had been asked something not long before.",
    "open-feedback": "People still had to deal with an answer of this client.",
    "closed": "The survey was over.",
    "stopped": "Staff had stopped it.",
    "opt-out": "Everybody who could be written to has opted out of this kind of mail.",
    "paused": "Everybody who could be written to asked for a pause.",
    "given-up": "Nobody knows whether the mail left, and it was not worth a second copy.",
    "completed": "Every step of this term was decided.",
    "deadline-past": "The last day for a notice was over when the licence was first seen.",
    "no-notice-deadline": "There is no day until which notice can be given.",
    "schedule-removed": "The schedule has ended.",
    "bounced": "Mail to its address comes back.",
    "complained": "Its reader called a mail of ours spam.",
    "condition": "The step's own condition (unless, only if) did not hold.",
    "no-reachable-contact": "No contact of the account can be reached by mail.",
    "held-by-person": "A person held the mail back; afterwards it goes if it still fits.",
    "taken-over": "A person writes to the client instead; a task is open for it.",
    "no-schedule": "No schedule looks after this licence.",
    "no-expiry": "The licence has no expiry date.",
    "done": "Every step of this term was decided before the period, or is still to come after it.",
}


@dataclass(frozen=True, slots=True)
class StepCount:
    """What became of one step over the period: ``counts`` from decision to number of rows."""

    schedule: str
    step: str
    when: str
    kind: str
    counts: Mapping[str, int]

    @property
    def done(self) -> int:
        return sum(number for decision, number in self.counts.items() if decision in DONE)

    @property
    def undone(self) -> int:
        return sum(self.counts.values()) - self.done


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Licences in the horizon that got nothing for one reason, with the keys of a few."""

    reason: str
    licences: int
    examples: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReasonTotal:
    """How many steps ended with ``decision`` for ``reason``; without words, the code's own."""

    decision: str
    reason: str | None
    count: int
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail as files; both paths are relative to the folder, an empty one is not linked."""

    file_html: str
    file_eml: str
    subject: str
    to: str
    at: datetime
    licence: str
    step: str
    language: str


@dataclass(frozen=True, slots=True)
class Summary:
    """All that the page says.

    ``first_day`` to ``last_day`` are civil days, both included; ``days`` may leave out days with
    nothing. ``closed_days`` counts the due dates that fell on a closed day and moved. ``seconds``
    is the time the rehearsal took. Datetimes carry an offset; a naive one is a ``ValueError``.
    """

    title: str
    licences: int
    accounts: int
    first_day: date
    last_day: date
    made_at: datetime
    schedules: Sequence[str]
    decisions: int
    mails: int
    tasks: int
    licences_reached: int
    seconds: float
    closed_days: int = 0
    days: Sequence[DayCount] = ()
    steps: Sequence[StepCount] = ()
    nothing: Sequence[ReasonCount] = ()
    reasons: Sequence[ReasonTotal] = ()
    samples: Sequence[Sample] = ()
    notes: Sequence[str] = ()


def in_plain_words(reason: str) -> str:
    """A sentence for a reason code, of a decision or of the ledger; an unknown code comes back with
    its hyphens as spaces, and what a way out said itself stands as it is."""
    known = _WORDS.get(reason) or REASONS.get(reason)
    if known or " " in reason:
        return known or reason
    return f"{reason.replace('-', ' ').capitalize()}."


def write(folder: Path, summary: Summary) -> Path:
    """Writes ``index.html`` into ``folder``, made if need be, and returns its path.

    Beside it stands ``calendar.svg``, the calendar alone, to be shown elsewhere. An old page stays
    until the new one is whole. Raises ``OSError`` when the folder cannot be written to.
    """
    days = _by_day(summary.days)
    page = _environment().get_template("rehearsal.html").render(_values(summary, days))
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "calendar.svg", picture.standalone(days, _period(summary, days)))
    return _replace(folder / "index.html", page)


def _replace(target: Path, text: str) -> Path:
    part = target.with_name(f"{target.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    return part.replace(target)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("worker.cadence", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=lambda value: f"{value:,}",
        words=in_plain_words,
        day=picture.day_name,
        volume=picture.volume,
        moment=_moment,
        # A name may hold any sign, `?`, `#` and `:` among them; the link must still find its file.
        path=lambda value: quote(value, safe="/"),
    )
    return environment


def _values(summary: Summary, days: Mapping[date, DayCount]) -> dict[str, object]:
    period = _period(summary, days)
    busiest = max(
        days.values(), key=lambda count: (count.total, -count.day.toordinal()), default=None
    )
    silent = sum(row.licences for row in summary.nothing)
    return {
        "summary": summary,
        "style": picture.STYLE,
        "lead": _lead(summary, silent),
        "busiest": busiest if busiest and busiest.total else None,
        "calendar": picture.calendar(days, period),
        "months": list(_months(days, period)),
        "schedules": _bars(summary.steps),
        "silent": silent,
        "nothing": sorted(summary.nothing, key=lambda row: (-row.licences, row.reason)),
        "reasons": sorted(
            (row for row in summary.reasons if row.decision not in (*DONE, "nothing")),
            key=lambda row: (-row.count, row.decision, row.reason or ""),
        ),
        "samples": summary.samples[:_SHOWN_SAMPLES],
        "more_samples": max(0, len(summary.samples) - _SHOWN_SAMPLES),
        "examples_shown": _SHOWN_EXAMPLES,
    }


def _by_day(counts: Sequence[DayCount]) -> dict[date, DayCount]:
    days: dict[date, DayCount] = {}
    for count in counts:
        so_far = days.get(count.day, DayCount(count.day, 0, 0))
        days[count.day] = DayCount(
            count.day, so_far.mails + count.mails, so_far.tasks + count.tasks
        )
    return days


def _period(summary: Summary, days: Mapping[date, DayCount]) -> Period:
    """The days to draw. A zone far from UTC may put a mail on the day beside the period: shown."""
    return Period(min([summary.first_day, *days]), max([summary.last_day, *days]))


def _lead(summary: Summary, silent: int) -> str:
    """What was rehearsed and what came out, in one sentence."""
    names = _listed(summary.schedules) if summary.schedules else "No schedule"
    verb = "were" if len(summary.schedules) > 1 else "was"
    book = picture.counted(summary.licences, "licence")
    holders = picture.counted(summary.accounts, "account")
    out = [
        picture.counted(number, noun)
        for number, noun in ((summary.mails, "mail"), (summary.tasks, "task"))
        if number
    ]
    if out:
        reached = picture.counted(summary.licences_reached, "licence")
        came = f"it came to {' and '.join(out)} for {reached}"
    else:
        came = "no mail and no task came of it"
    if silent:
        came += f"; {picture.counted(silent, 'licence')} got nothing, and the reasons stand below"
    return (
        f"{names} {verb} rehearsed from {picture.day_name(summary.first_day)} to "
        f"{picture.day_name(summary.last_day)} on a book of {book} and {holders}: {came}."
    )


def _listed(names: Sequence[str]) -> str:
    *head, last = names
    return f"{', '.join(head)} and {last}" if head else last


def _months(days: Mapping[date, DayCount], period: Period) -> Iterator[dict[str, object]]:
    """A row for each month of the period: what goes out, on how many days, and the busiest."""
    by_month = groupby(picture.every_day(period), key=lambda day: (day.year, day.month))
    for (year, month), month_days in by_month:
        counts = [days[day] for day in month_days if day in days and days[day].total]
        yield {
            "name": f"{picture.MONTHS[month - 1]} {year}",
            "mails": sum(count.mails for count in counts),
            "tasks": sum(count.tasks for count in counts),
            "days": len(counts),
            "busiest": max(counts, key=lambda count: count.total, default=None),
        }


def _bars(steps: Sequence[StepCount]) -> list[dict[str, object]]:
    """Schedules in the order given, each with its steps; all bars share one scale."""
    longest = max((step.done + step.undone for step in steps), default=0)
    rows: dict[str, list[dict[str, object]]] = {}
    for step in steps:
        drawn = picture.bar(step.done, step.undone, longest)
        rows.setdefault(step.schedule, []).append(
            {"step": step, "bar": drawn, "counts": _in_order(step.counts)}
        )
    return [{"name": name, "steps": found} for name, found in rows.items()]


def _in_order(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The decisions that occur, what went out first."""
    place = {decision: at for at, decision in enumerate(_ORDER)}
    found = [(decision, number) for decision, number in counts.items() if number]
    return sorted(found, key=lambda pair: (place.get(pair[0], len(place)), pair[0]))


def _moment(at: datetime) -> str:
    """``Tue 14 Mar 2006, 09:20 UTC-06:00``, in the offset that ``at`` carries."""
    offset = require_aware(at).strftime("%z")
    zone = "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{picture.day_name(at.date())}, {at:%H:%M} {zone}"
