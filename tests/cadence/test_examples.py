"""Who gets which mail, told as a manager would tell it: books, what happens, what goes out.

Each example is lived through by the machine itself. Without other words it is noon on Friday
20 November 2026, offices are open from 9 to 17 on weekdays, and mails are grouped by account with a
window of five days. Maple, Quartz and Stark write in the first minutes of the hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from tests.cadence.conftest import EVERY_DAY, WEEKDAYS, Book, schedule_text
from tests.cadence.telling import GUARDED, at, heard, tell, to_do
from worker.kernel.dates import USUAL_ALLOWANCE, Allowance, parse_allowance

OFFICE = f'hours = "09:00-17:00"\n{WEEKDAYS}'
ALL_WEEK = f'hours = "09:00-17:00"\n{EVERY_DAY}'
TOGETHER = 'group_by = "contact"\ngather = "5 days"'
ONE = parse_allowance("1 per 7 days")
DAY = timedelta(days=1)


def cadence(
    *steps: str,
    limits: str = TOGETHER,
    calendar: str = OFFICE,
    trigger: str = "licence-expiry",
    mail_class: str = "contractual",
    audience: str = "",
) -> str:
    """A schedule in few words."""
    return schedule_text(
        *steps,
        limits=limits,
        calendar=calendar,
        trigger=trigger,
        mail_class=mail_class,
        audience=audience,
    )


@dataclass(frozen=True)
class Example:
    """``gets`` is all that was decided until ``until``, in the clients' own time; ``then`` what
    happens meanwhile (UTC | what); ``to_do`` the tasks that people have by then."""

    sentence: str
    book: tuple[str, ...]
    schedules: str | Mapping[str, str]
    gets: tuple[str, ...]
    then: tuple[str, ...] = ()
    to_do: tuple[str, ...] = ()
    today: str = "Fri 2026-11-20 12:00"
    until: str = "2028-01-01"
    budget: Allowance = USUAL_ALLOWANCE
    beat: bool = False  # looks once an hour, with the guards of production


ANN = "contact ann@maple.example of Maple"
BOB = "contact bob@quartz.example of Quartz"


def ends(*days: str, of: str = "Maple", more: str = "") -> tuple[str, ...]:
    """Licences L-1, L-2 … of one account that end on these days."""
    return tuple(
        f"licence L-{n} of {of} ends={day} {more}".strip() for n, day in enumerate(days, 1)
    )


def forty(first: date) -> tuple[str, ...]:
    return ends(*((first + n * DAY).isoformat() for n in range(40)))


def offer(*steps: str, **said: str) -> str:
    return cadence(*steps, mail_class="commercial", **said)


def poll(*steps: str, **said: str) -> str:
    return cadence(*steps, mail_class="survey", **said)


LONG = TOGETHER + '\nvalid_for = "9 days"'

EXAMPLES = [
    # --- the three that product.md works through ---
    Example(
        "forty licences that end on forty days in a row give seven mails a step",
        (*forty(date(2027, 3, 1)), ANN),
        cadence("30 days before", calendar=ALL_WEEK),
        (
            "Sat 2027-01-30 09:00 30-days-before: L-1 L-2 L-3 L-4 L-5 L-6 to ann@maple.example",
            "Fri 2027-02-05 09:00 30-days-before: L-7 L-8 L-9 L-10 L-11 L-12 to ann@maple.example",
            "Thu 2027-02-11 09:00 30-days-before: L-13 L-14 L-15 L-16 L-17 L-18"
            " to ann@maple.example",
            "Wed 2027-02-17 09:00 30-days-before: L-19 L-20 L-21 L-22 L-23 L-24"
            " to ann@maple.example",
            "Tue 2027-02-23 09:00 30-days-before: L-25 L-26 L-27 L-28 L-29 L-30"
            " to ann@maple.example",
            "Mon 2027-03-01 09:00 30-days-before: L-31 L-32 L-33 L-34 L-35 L-36"
            " to ann@maple.example",
            "Sun 2027-03-07 09:00 30-days-before: L-37 L-38 L-39 L-40 to ann@maple.example",
        ),
    ),
    Example(
        "an expiry on a Sunday, a step the day before and one on the day: one mail, on Friday",
        (*ends("2027-02-28"), ANN),
        cadence("1 day before", "on the day"),
        (
            "Fri 2027-02-26 1-day-before: L-1 superseded same-day",
            "Fri 2027-02-26 09:00 on-the-day: L-1 to ann@maple.example",
        ),
    ),
    Example(
        "an expiry on the Friday before a holiday Monday: three days after is Tuesday",
        ("account Maple country=US", *ends("2027-05-28"), ANN),
        cadence("3 days after"),
        ("Tue 2027-06-01 09:00 3-days-after: L-1 to ann@maple.example",),
    ),
    # --- one mail for many licences ---
    Example(
        "the window spans unshifted due dates: it opens on Friday for a Saturday's licence and"
        " ends five days after that Saturday",
        (*ends("2027-03-06", "2027-03-11", "2027-03-12"), ANN),
        cadence("on the day"),
        (
            "Fri 2027-03-05 09:00 on-the-day: L-1 L-2 to ann@maple.example",
            "Fri 2027-03-12 09:00 on-the-day: L-3 to ann@maple.example",
        ),
    ),
    Example(
        "the window never chains: what a licence pulled in opens none of its own",
        (*ends("2027-03-01", "2027-03-05", "2027-03-09"), ANN),
        cadence("on the day", calendar=ALL_WEEK),
        (
            "Mon 2027-03-01 09:00 on-the-day: L-1 L-2 to ann@maple.example",
            "Tue 2027-03-09 09:00 on-the-day: L-3 to ann@maple.example",
        ),
    ),
    Example(
        "licences of Easter Monday and of the holidays around it go on Maundy Thursday at the"
        " latest, in one mail",
        ("account Maple country=GB", *ends("2027-03-26", "2027-03-29", "2027-03-30"), ANN),
        cadence("on the day"),
        ("Thu 2027-03-25 09:00 on-the-day: L-1 L-2 L-3 to ann@maple.example",),
    ),
    Example(
        "with `later` a weekend's licences wait for Monday and take the week along",
        (*ends("2027-04-05", "2027-04-06", "2027-04-08"), ANN),
        cadence("30 days before", calendar=OFFICE + '\nwhen_closed = "later"'),
        ("Mon 2027-03-08 09:00 30-days-before: L-1 L-2 L-3 to ann@maple.example",),
    ),
    Example(
        "month ends: three licences that end from the 28th to the 31st are one mail a month before",
        (*ends("2027-03-28", "2027-03-30", "2027-03-31"), ANN),
        cadence("1 month before", calendar=ALL_WEEK),
        ("Sun 2027-02-28 09:00 1-month-before: L-1 L-2 L-3 to ann@maple.example",),
    ),
    Example(
        "the night on which summer time begins: the mail leaves at nine on the client's wall",
        ("account Maple zone=America/Chicago", *ends("2027-03-14", "2027-03-15"), ANN),
        cadence("on the day", calendar=ALL_WEEK),
        ("Sun 2027-03-14 09:00 on-the-day: L-1 L-2 to ann@maple.example",),
    ),
    Example(
        "nothing is pulled across its expiry: a reminder after the end waits for the end",
        (*ends("2027-03-01", "2027-03-03"), ANN),
        cadence("1 day after", calendar=ALL_WEEK),
        (
            "Tue 2027-03-02 09:00 1-day-after: L-1 to ann@maple.example",
            "Thu 2027-03-04 09:00 1-day-after: L-2 to ann@maple.example",
        ),
    ),
    Example(
        "nor to the first day of its own term",
        (
            "licence L-1 of Maple ends=2027-03-31 starts=2026-04-01",
            "licence L-2 of Maple ends=2027-04-03 starts=2027-03-03",
            ANN,
        ),
        cadence("30 days before", calendar=ALL_WEEK),
        (
            "Mon 2027-03-01 09:00 30-days-before: L-1 to ann@maple.example",
            "Thu 2027-03-04 09:00 30-days-before: L-2 to ann@maple.example",
        ),
    ),
    Example(
        "nor past a step of its own that is still to come",
        (*ends("2027-03-20", "2027-03-22"), ANN),
        cadence("12 days before", "10 days before", calendar=ALL_WEEK, limits=TOGETHER),
        (
            "Mon 2027-03-08 09:00 12-days-before: L-1 L-2 to ann@maple.example",
            "Wed 2027-03-10 09:00 10-days-before: L-1 L-2 to ann@maple.example",
        ),
    ),
    Example(
        "nor onto a day on which it is written to anyway",
        (
            "licence L-1 of Maple starts=2027-03-08 ends=2027-03-20",
            "licence L-2 of Maple ends=2027-03-22",
            ANN,
        ),
        cadence("12 days before", "10 days before", calendar=ALL_WEEK),
        (
            "Mon 2027-03-08 12-days-before: L-1 skipped before-term",
            "Wed 2027-03-10 09:00 10-days-before: L-1 to ann@maple.example",
            "Wed 2027-03-10 09:00 12-days-before: L-2 to ann@maple.example",
            "Fri 2027-03-12 09:00 10-days-before: L-2 to ann@maple.example",
        ),
    ),
    Example(
        "with one mail per licence nobody waits for anybody, and nobody goes along",
        (*ends("2027-03-01", "2027-03-01"), ANN),
        cadence("on the day", limits='group_by = "licence"'),
        (
            "Mon 2027-03-01 09:00 on-the-day: L-1 to ann@maple.example",
            "Mon 2027-03-01 09:00 on-the-day: L-2 to ann@maple.example",
        ),
    ),
    Example(
        "two accounts never share a mail, not even when one person looks after both",
        (
            "licence L-1 of Maple ends=2027-03-01",
            "licence L-2 of Quartz ends=2027-03-01",
            ANN,
            "contact ann-too of Quartz email=ann@maple.example",
        ),
        cadence("on the day"),
        (
            "Mon 2027-03-01 09:00 on-the-day: L-1 to ann@maple.example",
            "Mon 2027-03-01 09:00 on-the-day: L-2 to ann@maple.example",
        ),
    ),
    Example(
        "a group that is imported late hears the step that fits each, in one mail a step",
        (*ends("2026-12-03", "2026-12-04", "2026-12-07"), ANN),
        cadence("30 days before", "14 days before"),
        (
            "Tue 2026-11-03 30-days-before: L-1 superseded later-step",
            "Wed 2026-11-04 30-days-before: L-2 superseded later-step",
            "Fri 2026-11-20 12:00 14-days-before: L-1 L-2 to ann@maple.example",
            "Fri 2026-11-20 12:00 30-days-before: L-3 to ann@maple.example",
            "Mon 2026-11-23 09:00 14-days-before: L-3 to ann@maple.example",
        ),
    ),
    Example(
        "a licence of the group that is renewed before the mail leaves is not spoken of",
        (*ends("2027-03-01", "2027-03-03"), ANN),
        cadence("14 days before"),
        (
            "Mon 2027-02-15 09:00 14-days-before: L-1 to ann@maple.example",
            "Wed 2027-02-17 14-days-before: L-2 cancelled renewed",
        ),
        then=("Fri 2027-02-12 09:00 | licence L-2 of Maple starts=2027-03-03 ends=2028-03-03",),
        until="2027-12-01",
    ),
    Example(
        "renewed after its mail left, a licence hears nothing more; the others go on",
        (*ends("2027-03-01", "2027-03-03"), ANN),
        cadence("14 days before", "3 days after"),
        (
            "Mon 2027-02-15 09:00 14-days-before: L-1 L-2 to ann@maple.example",
            "Thu 2027-03-04 3-days-after: L-1 cancelled renewed",
            "Fri 2027-03-05 09:00 3-days-after: L-2 to ann@maple.example",
        ),
        then=("Tue 2027-03-02 09:00 | licence L-1 of Maple starts=2027-03-01 ends=2028-03-01",),
        until="2027-12-01",
    ),
    Example(
        "renewals before the end: what the renewed licence would have pulled in comes on its day",
        (*ends("2027-03-01", "2027-03-03"), ANN),
        cadence("14 days before"),
        (
            "Mon 2027-02-15 14-days-before: L-1 cancelled renewed",
            "Wed 2027-02-17 09:00 14-days-before: L-2 to ann@maple.example",
        ),
        then=("Fri 2027-02-12 09:00 | licence L-1 of Maple starts=2027-03-01 ends=2028-03-01",),
        until="2027-12-01",
    ),
    # --- who ---
    Example(
        "two people on the first rung get one mail each, the same one",
        (
            *ends("2027-03-01", "2027-03-03"),
            f"{ANN} role=procurement",
            "contact tom@maple.example of Maple role=procurement",
            "contact joe@maple.example of Maple role=technical",
        ),
        cadence('on the day | to = ["decision-maker", "procurement", "any"]'),
        ("Mon 2027-03-01 09:00 on-the-day: L-1 L-2 to ann@maple.example tom@maple.example",),
    ),
    Example(
        "where nobody at the client is known, the reseller is written to",
        (
            "account Maple reseller=Gold",
            *ends("2027-03-01"),
            "account Gold",
            "contact sales@gold.example of Gold",
        ),
        cadence('on the day | to = ["decision-maker", "reseller"]'),
        ("Mon 2027-03-01 09:00 on-the-day: L-1 to sales@gold.example",),
    ),
    Example(
        "an opt-out moves an offer to the next rung",
        (
            *ends("2027-03-01"),
            f"{ANN} role=decision-maker opt_out=yes",
            "contact tom@maple.example of Maple role=procurement",
        ),
        offer('on the day | to = ["decision-maker", "procurement"]'),
        ("Mon 2027-03-01 09:00 on-the-day: L-1 to tom@maple.example",),
    ),
    Example(
        "where everybody has opted out an offer is silent, and nobody is asked to find a contact",
        (*ends("2027-03-01"), f"{ANN} opt_out=yes"),
        offer("on the day"),
        ("Mon 2027-03-01 on-the-day: L-1 suppressed opt-out",),
    ),
    Example(
        "an opt-out never silences a notice about a contract",
        (*ends("2027-03-01"), f"{ANN} opt_out=yes"),
        cadence("on the day"),
        ("Mon 2027-03-01 09:00 on-the-day: L-1 to ann@maple.example",),
    ),
    Example(
        "an opt-out silences a survey",
        (*ends("2027-03-01"), f"{ANN} opt_out=yes"),
        poll("on the day"),
        ("Mon 2027-03-01 on-the-day: L-1 suppressed opt-out",),
    ),
    Example(
        "a contact who is stopped moves even a notice to the next rung",
        (
            *ends("2027-03-01"),
            f"{ANN} role=decision-maker",
            "contact tom@maple.example of Maple role=procurement",
        ),
        cadence('on the day | to = ["decision-maker", "procurement"]'),
        ("Mon 2027-03-01 09:00 on-the-day: L-1 to tom@maple.example",),
        then=("Wed 2027-02-10 09:00 | stop contact ann@maple.example",),
    ),
    Example(
        "nobody left: the account manager is told once for the account",
        ends("2027-03-01", "2027-03-03"),
        cadence("on the day"),
        ("Mon 2027-03-01 on-the-day: L-1 L-2 blocked no-reachable-contact",),
        to_do=("no-contact",),
    ),
    # --- the budget ---
    Example(
        "two offers with room for one: the second waits for the first open day with room",
        (*ends("2027-03-01"), ANN),
        {
            "offer": offer("first = on the day", limits=LONG),
            "other": offer("second = 3 days after", limits=LONG),
        },
        (
            "Mon 2027-03-01 09:00 first: L-1 to ann@maple.example",
            "Mon 2027-03-08 09:00 second: L-1 to ann@maple.example",
        ),
        budget=ONE,
    ),
    Example(
        "a notice counts, and an offer waits for it",
        (*ends("2027-03-01"), ANN),
        {
            "renewal": cadence("notice = on the day"),
            "offer": offer("offer = 2 days after", limits=LONG),
        },
        (
            "Mon 2027-03-01 09:00 notice: L-1 to ann@maple.example",
            "Mon 2027-03-08 09:00 offer: L-1 to ann@maple.example",
        ),
        budget=ONE,
    ),
    Example(
        "a notice never waits, however much an address got",
        (*ends("2027-03-01"), ANN),
        cadence("3 days before", "2 days after", "4 days after", calendar=ALL_WEEK),
        (
            "Fri 2027-02-26 09:00 3-days-before: L-1 to ann@maple.example",
            "Wed 2027-03-03 09:00 2-days-after: L-1 to ann@maple.example",
            "Fri 2027-03-05 09:00 4-days-after: L-1 to ann@maple.example",
        ),
        budget=ONE,
    ),
    Example(
        "an offer and a survey on one day with room for one: the survey waits",
        (*ends("2027-03-01"), ANN),
        {
            "asking": poll("ask = 1 day after", limits=LONG),
            "offer": offer("offer = 1 day after", limits=LONG),
        },
        (
            "Tue 2027-03-02 09:00 offer: L-1 to ann@maple.example",
            "Tue 2027-03-09 09:00 ask: L-1 to ann@maple.example",
        ),
        budget=ONE,
    ),
    Example(
        "two accounts with one address share its budget",
        (
            "licence L-1 of Maple ends=2027-03-01",
            "licence L-2 of Quartz ends=2027-03-01",
            ANN,
            "contact ann-too of Quartz email=ann@maple.example",
        ),
        offer("1 day after", limits=LONG),
        (
            "Tue 2027-03-02 09:00 1-day-after: L-1 to ann@maple.example",
            "Tue 2027-03-09 09:00 1-day-after: L-2 to ann@maple.example",
        ),
        budget=ONE,
    ),
    Example(
        "a mail to two people waits until both have room",
        (
            "licence L-1 of Maple ends=2027-03-01",
            "licence L-2 of Quartz ends=2027-03-03",
            "contact tom@both.example of Maple",
            "contact tom-too of Quartz email=tom@both.example",
            BOB,
        ),
        offer("1 day after", limits=LONG),
        (
            "Tue 2027-03-02 09:00 1-day-after: L-1 to tom@both.example",
            "Tue 2027-03-09 09:00 1-day-after: L-2 to bob@quartz.example tom@both.example",
        ),
        budget=ONE,
    ),
    Example(
        "put off past what it is worth sending for, a step is skipped",
        (*ends("2027-03-01"), ANN),
        {"offer": offer("first = on the day"), "other": offer("second = 1 day after")},
        (
            "Mon 2027-03-01 09:00 first: L-1 to ann@maple.example",
            "Tue 2027-03-02 second: L-1 skipped budget",
        ),
        budget=ONE,
    ),
    Example(
        "put off beyond its expiry, a step before it is skipped",
        (*ends("2027-03-05"), ANN),
        {
            "offer": offer("first = 4 days before", limits=LONG),
            "other": offer("second = 2 days before", limits=LONG),
        },
        (
            "Mon 2027-03-01 09:00 first: L-1 to ann@maple.example",
            "Wed 2027-03-03 second: L-1 skipped budget",
        ),
        budget=ONE,
    ),
    Example(
        "put off and renewed meanwhile: the mail does not come",
        (*ends("2027-03-01"), ANN),
        {
            "offer": offer("first = on the day", limits=LONG),
            "other": offer("second = 1 day after", limits=LONG),
        },
        (
            "Mon 2027-03-01 09:00 first: L-1 to ann@maple.example",
            "Mon 2027-03-08 second: L-1 cancelled renewed",
        ),
        then=("Thu 2027-03-04 09:00 | licence L-1 of Maple starts=2027-03-01 ends=2028-03-01",),
        budget=ONE,
        until="2027-12-01",
    ),
    Example(
        "a mail that had to wait and was overtaken by a later one of its walk does not come",
        (
            *ends("2027-03-15"),
            f"{ANN} role=technical",
            "contact tom@maple.example of Maple role=procurement",
        ),
        {
            "renewal": cadence('notice = 15 days before | to = ["technical"]'),
            "offer": offer(
                'tell = 13 days before | to = ["technical"]',
                'buy = 11 days before | to = ["procurement"]',
                limits=LONG,
            ),
        },
        (
            "Fri 2027-02-26 09:00 notice: L-1 to ann@maple.example",
            "Thu 2027-03-04 09:00 buy: L-1 to tom@maple.example",
            "Fri 2027-03-05 tell: L-1 superseded later-step",
        ),
        budget=ONE,
    ),
    Example(
        "a correction while a mail waits brings it back to its own day",
        (*ends("2027-03-01"), ANN),
        {
            "offer": offer("first = on the day", limits=LONG),
            "other": offer("second = 1 day after", limits=LONG),
        },
        (
            "Mon 2027-03-01 09:00 first: L-1 to ann@maple.example",
            "Fri 2027-04-30 09:00 second: L-1 to ann@maple.example",
        ),
        then=("Thu 2027-03-04 09:00 | licence L-1 of Maple starts=2026-03-01 ends=2027-04-29",),
        budget=ONE,
        until="2027-12-01",
    ),
    Example(
        "a correction to an earlier expiry never lets a waiting mail come after it",
        (*ends("2027-03-20"), ANN),
        {
            "offer": offer("first = 19 days before", limits=LONG),
            "other": offer("second = 17 days before", limits=LONG),
        },
        (
            "Mon 2027-03-01 09:00 first: L-1 to ann@maple.example",
            "Mon 2027-03-08 second: L-1 skipped no-open-moment",
        ),
        then=("Thu 2027-03-04 09:00 | licence L-1 of Maple starts=2026-03-20 ends=2027-03-05",),
        budget=ONE,
        until="2027-12-01",
    ),
    # --- what clients say ---
    Example(
        "a step that is not meant for those who clicked is left out for the licence they looked at",
        (*ends("2027-03-15", "2027-03-16"), ANN),
        cadence("14 days before", '7 days before | unless = ["clicked", "answered"]'),
        (
            "Mon 2027-03-01 09:00 14-days-before: L-1 L-2 to ann@maple.example",
            "Mon 2027-03-08 7-days-before: L-1 skipped condition",
            "Tue 2027-03-09 09:00 7-days-before: L-2 to ann@maple.example",
        ),
        then=("Tue 2027-03-02 09:00 | hears clicked L-1",),
    ),
    Example(
        "a step only for those who asked for a quote goes to them alone",
        (*ends("2027-03-15", "2027-03-16"), ANN),
        cadence("14 days before", '7 days before | only_if = ["quote-asked"]'),
        (
            "Mon 2027-03-01 09:00 14-days-before: L-1 L-2 to ann@maple.example",
            "Mon 2027-03-08 7-days-before: L-1 skipped condition",
            "Tue 2027-03-09 09:00 7-days-before: L-2 to ann@maple.example",
        ),
        then=("Tue 2027-03-02 09:00 | hears quote-asked L-2",),
    ),
    Example(
        "while the task about an answer is open nothing is sent for that licence; closed, later"
        " steps come",
        (*ends("2027-03-15", "2027-03-16"), ANN),
        cadence("30 days before", "14 days before", "7 days before"),
        (
            "Fri 2027-02-12 09:00 30-days-before: L-1 L-2 to ann@maple.example",
            "Mon 2027-03-01 14-days-before: L-1 suppressed answered",
            "Tue 2027-03-02 09:00 14-days-before: L-2 to ann@maple.example",
            "Mon 2027-03-08 09:00 7-days-before: L-1 L-2 to ann@maple.example",
        ),
        then=(
            "Tue 2027-02-16 10:00 | answers L-1",
            "Wed 2027-03-03 10:00 | done L-1",
        ),
    ),
    Example(
        "an answer is about its term: renewed, the licence is written about as before, task or not",
        (*ends("2027-03-15"), ANN),
        cadence("14 days before"),
        (
            "Mon 2027-03-01 14-days-before: L-1 suppressed answered",
            "Wed 2028-03-01 09:00 14-days-before: L-1 to ann@maple.example",
        ),
        then=(
            "Tue 2027-02-16 10:00 | answers L-1",
            "Tue 2027-03-02 10:00 | licence L-1 of Maple starts=2027-03-15 ends=2028-03-15",
        ),
        until="2028-12-01",
        to_do=("answer",),
    ),
    Example(
        "a stop of staff outlasts the task about the client's answer",
        (*ends("2027-03-15"), ANN),
        cadence("14 days before", "7 days before"),
        (
            "Mon 2027-03-01 14-days-before: L-1 suppressed stopped",
            "Mon 2027-03-08 7-days-before: L-1 suppressed stopped",
        ),
        then=(
            "Tue 2027-02-16 10:00 | answers L-1",
            "Tue 2027-02-16 11:00 | stop licence L-1",
            "Wed 2027-03-03 10:00 | done L-1",
        ),
    ),
    Example(
        "remind me on a date: mails rest until then, when the one that fits goes out",
        (*ends("2027-03-15"), ANN),
        cadence("30 days before", "21 days before", "14 days before", "3 days before"),
        (
            "Fri 2027-02-12 09:00 30-days-before: L-1 to ann@maple.example",
            "Thu 2027-03-04 21-days-before: L-1 superseded same-day",
            "Thu 2027-03-04 09:00 14-days-before: L-1 to ann@maple.example",
            "Fri 2027-03-12 09:00 3-days-before: L-1 to ann@maple.example",
        ),
        then=("Tue 2027-02-16 10:00 | rests L-1 until=2027-03-04",),
    ),
    Example(
        "remind me on a Sunday: on Monday; a task for a colleague does not rest",
        (*ends("2027-03-31"), ANN),
        cadence(
            "21 days before",
            'task 20 days before | assign_to = "account-manager"',
            "3 days after",
        ),
        (
            "Thu 2027-03-11 09:00 20-days-before: L-1 to account-manager",
            "Mon 2027-03-15 09:00 21-days-before: L-1 to ann@maple.example",
            "Fri 2027-04-02 09:00 3-days-after: L-1 to ann@maple.example",
        ),
        then=("Tue 2027-03-02 10:00 | rests L-1 until=2027-03-14",),
    ),
    Example(
        "remind me after the end: what belongs before the end still comes before it",
        (*ends("2027-03-31"), ANN),
        cadence("21 days before", "3 days after", "10 days after"),
        (
            "Wed 2027-03-31 09:00 21-days-before: L-1 to ann@maple.example",
            "Thu 2027-04-08 09:00 3-days-after: L-1 to ann@maple.example",
            "Fri 2027-04-09 09:00 10-days-after: L-1 to ann@maple.example",
        ),
        then=("Tue 2027-03-02 10:00 | rests L-1 until=2027-04-08",),
    ),
    Example(
        "the client will not renew: nothing more is sent, unless they change their mind",
        (*ends("2027-03-15", "2027-03-16"), ANN),
        cadence("14 days before", "3 days before", "3 days after"),
        (
            "Mon 2027-03-01 09:00 14-days-before: L-1 L-2 to ann@maple.example",
            "Fri 2027-03-12 3-days-before: L-1 cancelled declined",
            "Fri 2027-03-12 09:00 3-days-before: L-2 to ann@maple.example",
            "Thu 2027-03-18 3-days-after: L-1 cancelled declined",
            "Fri 2027-03-19 09:00 3-days-after: L-2 to ann@maple.example",
        ),
        then=(
            "Tue 2027-03-02 10:00 | declines L-1",
            "Tue 2027-03-02 10:05 | declines L-2",
            "Wed 2027-03-03 10:05 | declines L-2 not",
        ),
    ),
    Example(
        "a client that said no to a contract which renews by itself gets no next term",
        (*ends("2027-03-15", more="auto_renew=yes"), ANN),
        cadence("14 days before", "3 days after"),
        (
            "Mon 2027-03-01 09:00 14-days-before: L-1 to ann@maple.example",
            "Thu 2027-03-18 3-days-after: L-1 cancelled declined",
        ),
        then=("Tue 2027-03-02 10:00 | declines L-1",),
    ),
    Example(
        "an address that bounced is silent: the next rung of the ladder gets the mail",
        (
            *ends("2027-03-15"),
            f"{ANN} role=decision-maker",
            "contact tom@maple.example of Maple role=procurement",
        ),
        cadence(
            '14 days before | to = ["decision-maker", "procurement"]',
            '7 days before | to = ["decision-maker", "procurement"]',
        ),
        (
            "Mon 2027-03-01 09:00 14-days-before: L-1 to ann@maple.example",
            "Mon 2027-03-08 09:00 7-days-before: L-1 to tom@maple.example",
        ),
        then=("Mon 2027-03-01 09:10 | silent ann@maple.example why=bounced",),
    ),
    Example(
        "whoever called our mail spam gets none, not even about the contract: somebody has to call",
        (*ends("2027-03-15"), ANN),
        cadence("14 days before"),
        ("Mon 2027-03-01 14-days-before: L-1 blocked no-reachable-contact",),
        to_do=("no-contact",),
        then=("Mon 2027-02-22 09:10 | silent ann@maple.example why=complained",),
    ),
    Example(
        "a pause that a person asked for holds offers back, never a notice about the contract",
        (*ends("2027-03-15"), ANN),
        {
            "offer": offer("advert = 15 days before"),
            "renewal": cadence("notice = 14 days before"),
        },
        (
            "Fri 2027-02-26 advert: L-1 suppressed paused",
            "Mon 2027-03-01 09:00 notice: L-1 to ann@maple.example",
        ),
        then=("Mon 2027-02-22 09:10 | prefers ann@maple.example paused=2027-03-31",),
    ),
    Example(
        "no offers, but questions are welcome: each kind of mail is chosen apart",
        (*ends("2027-03-15"), ANN),
        {
            "offer": offer("advert = 15 days before"),
            "question": poll("asked = 14 days before"),
        },
        (
            "Fri 2027-02-26 advert: L-1 suppressed opt-out",
            "Mon 2027-03-01 09:00 asked: L-1 to ann@maple.example",
        ),
        then=("Mon 2027-02-22 09:10 | prefers ann@maple.example no_commercial=yes",),
    ),
    # --- stops ---
    Example(
        "what falls due while an account is stopped is not made up for; later steps come",
        (*ends("2027-03-15", "2027-03-17"), ANN),
        cadence("14 days before", "7 days before"),
        (
            "Mon 2027-03-01 14-days-before: L-1 suppressed stopped",
            "Wed 2027-03-03 14-days-before: L-2 suppressed stopped",
            "Mon 2027-03-08 09:00 7-days-before: L-1 L-2 to ann@maple.example",
        ),
        then=("Mon 2027-02-22 09:00 | stop account Maple until=2027-03-05",),
    ),
    Example(
        "a stopped licence leaves the mail; its neighbour goes alone",
        (*ends("2027-03-15", "2027-03-16"), ANN),
        cadence("14 days before"),
        (
            "Mon 2027-03-01 09:00 14-days-before: L-1 to ann@maple.example",
            "Tue 2027-03-02 14-days-before: L-2 suppressed stopped",
        ),
        then=("Mon 2027-02-22 09:00 | stop licence L-2",),
    ),
    Example(
        "a stop that is lifted before the day changes nothing",
        (*ends("2027-03-15"), ANN),
        cadence("14 days before"),
        ("Mon 2027-03-01 09:00 14-days-before: L-1 to ann@maple.example",),
        then=(
            "Mon 2027-02-22 09:00 | stop licence L-1",
            "Wed 2027-02-24 09:00 | lift licence L-1",
        ),
    ),
    Example(
        "a contact stopped until a date is written to again afterwards",
        (*ends("2027-03-15"), ANN),
        cadence("14 days before", "7 days before"),
        (
            "Mon 2027-03-01 14-days-before: L-1 suppressed stopped",
            "Mon 2027-03-08 09:00 7-days-before: L-1 to ann@maple.example",
        ),
        then=("Mon 2027-02-22 09:00 | stop contact ann@maple.example until=2027-03-01",),
    ),
    # --- holds and take-overs of one planned mail ---
    Example(
        "a mail that is held until a day goes out on the next one",
        (*ends("2027-03-15"), ANN),
        cadence("14 days before", "3 days before"),
        (
            "Thu 2027-03-04 09:00 14-days-before: L-1 to ann@maple.example",
            "Fri 2027-03-12 09:00 3-days-before: L-1 to ann@maple.example",
        ),
        then=("Mon 2027-02-22 09:00 | hold L-1 14-days-before until=2027-03-03",),
    ),
    Example(
        "a mail that is held beyond its expiry comes to nothing, and says so",
        (*ends("2027-03-15"), ANN),
        cadence("14 days before"),
        ("Tue 2027-03-16 14-days-before: L-1 skipped held-by-person",),
        then=("Mon 2027-02-22 09:00 | hold L-1 14-days-before until=2027-03-20",),
        to_do=("held-mail",),
    ),
    Example(
        "who takes a mail over has it as a task; the next one goes out by itself",
        (*ends("2027-03-15"), ANN),
        cadence("14 days before", "7 days before"),
        (
            "Mon 2027-03-01 14-days-before: L-1 suppressed taken-over",
            "Mon 2027-03-08 09:00 7-days-before: L-1 to ann@maple.example",
        ),
        then=("Mon 2027-02-22 09:00 | take-over L-1 14-days-before",),
        to_do=("taken-over",),
    ),
    # --- triggers ---
    Example(
        "the last day on which notice can be given is the expiry less the days of notice",
        (*ends("2027-06-30", more="auto=yes notice=90"), ANN),
        cadence("30 days before", "on the day", trigger="notice-deadline"),
        (
            "Tue 2027-03-02 09:00 30-days-before: L-1 to ann@maple.example",
            "Thu 2027-04-01 09:00 on-the-day: L-1 to ann@maple.example",
        ),
        until="2027-06-01",
    ),
    Example(
        "a notice deadline already past when the licence is first seen: one task, no steps",
        (*ends("2027-01-15", more="auto=yes notice=90"), ANN),
        cadence("30 days before", "14 days after", trigger="notice-deadline"),
        (),
        to_do=("deadline-past",),
        until="2027-01-10",
    ),
    Example(
        "a notice deadline of today is not past",
        (*ends("2027-02-18", more="auto=yes notice=90"), ANN),
        cadence("on the day", trigger="notice-deadline"),
        ("Fri 2026-11-20 12:00 on-the-day: L-1 to ann@maple.example",),
        until="2027-01-10",
    ),
    Example(
        "without days of notice there is no deadline until they are known",
        (*ends("2027-06-30", more="auto=yes"), ANN),
        cadence("30 days before", trigger="notice-deadline"),
        ("Tue 2027-03-02 09:00 30-days-before: L-1 to ann@maple.example",),
        then=("Mon 2027-01-11 09:00 | licence L-1 of Maple ends=2027-06-30 auto=yes notice=90",),
        until="2027-06-01",
    ),
    Example(
        "other days of notice move what is still to come",
        (*ends("2027-06-30", more="auto=yes notice=90"), ANN),
        cadence("30 days before", trigger="notice-deadline"),
        ("Thu 2027-04-01 09:00 30-days-before: L-1 to ann@maple.example",),
        then=("Mon 2027-01-11 09:00 | licence L-1 of Maple ends=2027-06-30 auto=yes notice=60",),
        until="2027-06-01",
    ),
    Example(
        "a renewal that was agreed today is spoken of from the day on which it is seen",
        (*ends("2027-03-01"), ANN),
        cadence("7 days after", trigger="licence-renewed"),
        ("Thu 2027-03-04 09:00 7-days-after: L-1 to ann@maple.example",),
        then=(
            "Thu 2027-02-25 10:00 | licence L-1 of Maple starts=2027-03-01 ends=2028-03-01"
            " closed=2027-02-24",
        ),
        until="2027-12-01",
    ),
    Example(
        "a renewal that was agreed long before it is seen is not spoken of",
        (*ends("2027-03-01"), ANN),
        cadence("7 days after", trigger="licence-renewed"),
        (),
        then=(
            "Thu 2027-02-25 10:00 | licence L-1 of Maple starts=2027-03-01 ends=2028-03-01"
            " closed=2027-02-18",
        ),
        until="2027-12-01",
    ),
    # --- renewals by themselves ---
    Example(
        "who renews by itself walks every year",
        ("licence L-1 of Maple starts=2026-03-01 ends=2027-03-01 auto=yes", ANN),
        cadence("30 days before", calendar=ALL_WEEK),
        (
            "Sat 2027-01-30 09:00 30-days-before: L-1 to ann@maple.example",
            "Mon 2028-01-31 09:00 30-days-before: L-1 to ann@maple.example",
        ),
        until="2028-03-01",
    ),
    Example(
        "the term that opened by itself arrives with other dates: a correction, nobody hears twice",
        ("licence L-1 of Maple starts=2026-03-01 ends=2027-03-01 auto=yes", ANN),
        cadence("360 days before", "30 days before", calendar=ALL_WEEK),
        (
            "Fri 2026-11-20 12:00 360-days-before: L-1 to ann@maple.example",
            "Sat 2027-01-30 09:00 30-days-before: L-1 to ann@maple.example",
            "Sun 2027-03-07 09:00 360-days-before: L-1 to ann@maple.example",
            "Wed 2028-03-01 09:00 30-days-before: L-1 to ann@maple.example",
        ),
        then=(
            "Wed 2027-03-10 09:00 | licence L-1 of Maple starts=2027-03-01 ends=2028-03-31"
            " auto=yes",
        ),
        until="2028-03-15",
    ),
    # --- approvals, brakes, mails off ---
    Example(
        "the first day of a version waits for a yes, the next does not",
        (*ends("2027-03-03", "2027-03-15"), ANN),
        cadence("on the day", limits=TOGETHER + '\napprove = "first-day"'),
        (
            "Wed 2027-03-03 11:00 on-the-day: L-1 to ann@maple.example",
            "Mon 2027-03-15 09:00 on-the-day: L-2 to ann@maple.example",
        ),
        then=("Wed 2027-03-03 11:00 | approve renewal",),
        today="Mon 2027-03-01 08:00",
        until="2027-03-16",
        beat=True,
    ),
    Example(
        "with `always` every day waits for a yes; without one a mail is not sent late",
        (*ends("2027-03-03", "2027-03-15"), ANN),
        cadence("on the day", limits=TOGETHER + '\napprove = "always"'),
        (
            "Wed 2027-03-03 11:00 on-the-day: L-1 to ann@maple.example",
            "Mon 2027-03-15 on-the-day: L-2 skipped no-open-moment",
        ),
        then=(
            "Wed 2027-03-03 11:00 | approve renewal",
            "Tue 2027-03-16 11:00 | approve renewal",
        ),
        today="Mon 2027-03-01 08:00",
        until="2027-03-17",
        beat=True,
    ),
    Example(
        "a mail that waited for a yes and was overtaken by a later one does not come",
        (*ends("2027-03-15"), ANN),
        cadence("13 days before", "11 days before", limits=TOGETHER + '\napprove = "always"'),
        (
            "Tue 2027-03-02 13-days-before: L-1 superseded later-step",
            "Thu 2027-03-04 11:00 11-days-before: L-1 to ann@maple.example",
        ),
        then=("Thu 2027-03-04 11:00 | approve renewal",),
        today="Mon 2027-03-01 08:00",
        until="2027-03-06",
        beat=True,
    ),
    Example(
        "a mail that had to wait for room is not late, whatever the schedule does with late ones",
        (*ends("2027-03-01"), ANN),
        {
            "first": offer("on the day", limits='late = "skip"\nvalid_for = "9 days"'),
            "second": offer("3 days after", limits='late = "skip"\nvalid_for = "9 days"'),
        },
        (
            "Mon 2027-03-01 09:00 on-the-day: L-1 to ann@maple.example",
            "Mon 2027-03-08 09:00 3-days-after: L-1 to ann@maple.example",
        ),
        budget=ONE,
    ),
    Example(
        "a mail that had to wait for a yes is not late, and leaves when the office opens",
        (*ends("2027-03-15"), ANN),
        cadence("13 days before", limits=TOGETHER + '\nlate = "skip"\napprove = "always"'),
        ("Thu 2027-03-04 09:00 13-days-before: L-1 to ann@maple.example",),
        then=("Wed 2027-03-03 20:00 | approve renewal",),
        today="Mon 2027-03-01 08:00",
        until="2027-03-05",
        beat=True,
    ),
    Example(
        "while mails are off nothing leaves; on again, what is still worth sending does",
        (*ends("2027-03-02", "2027-03-15"), ANN),
        cadence("1 day after", limits=TOGETHER),
        (
            "Thu 2027-03-04 11:00 1-day-after: L-1 to ann@maple.example",
            "Tue 2027-03-16 09:00 1-day-after: L-2 to ann@maple.example",
        ),
        then=("Mon 2027-03-01 09:00 | mails off", "Thu 2027-03-04 11:00 | mails on"),
        today="Mon 2027-03-01 08:00",
        until="2027-03-17",
        beat=True,
    ),
    Example(
        "off for longer than a step is worth sending, it is skipped",
        (*ends("2027-03-02"), ANN),
        cadence("1 day after", limits=TOGETHER),
        ("Wed 2027-03-03 1-day-after: L-1 skipped too-late",),
        then=("Mon 2027-03-01 09:00 | mails off", "Tue 2027-03-09 11:00 | mails on"),
        today="Mon 2027-03-01 08:00",
        until="2027-03-10",
        beat=True,
    ),
    Example(
        "a brake stops deciding and sending; released, the one step that fits goes",
        (*ends("2027-03-10"), ANN),
        cadence("8 days before", "7 days before", limits=TOGETHER),
        (
            "Tue 2027-03-02 8-days-before: L-1 superseded later-step",
            "Thu 2027-03-04 11:00 7-days-before: L-1 to ann@maple.example",
        ),
        then=("Mon 2027-03-01 09:00 | brake clock", "Thu 2027-03-04 11:00 | release"),
        today="Mon 2027-03-01 08:00",
        until="2027-03-06",
        beat=True,
    ),
]


def lived(book: Book, example: Example) -> None:
    """Lives through an example."""
    book.start_at(at(example.today))
    book.allowance = example.budget
    if example.beat:
        book.guards = GUARDED
    for line in example.book:
        tell(book, line)
    named = example.schedules
    book.apply_all({"renewal": named} if isinstance(named, str) else named)
    live = book.look_hourly_until if example.beat else book.live_to
    for event in example.then:
        when, _, line = event.partition(" | ")
        live(at(when))
        tell(book, line)
    live(at(f"{example.until} 00:00"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.sentence)
def test_what_goes_out(book: Book, example: Example) -> None:
    lived(book, example)
    assert heard(book) == list(example.gets)
    assert to_do(book) == list(example.to_do)
