"""Schedules to try an engine with, as the TOML that a person would write."""

from __future__ import annotations

TEN = (
    "90 days before",
    "60 days before",
    "30 days before",
    "14 days before",
    "7 days before",
    "1 day before",
    "on the day",
    "3 days after",
    "7 days after",
    "30 days after",
)
BUSINESS = (
    "45 business days before",
    "20 business days before",
    "10 business days before",
    "5 business days before",
    "1 business day before",
    "on the day",
    "1 business day after",
    "5 business days after",
)
MONTHS = (
    "3 months before",
    "2 months before",
    "1 month before",
    "2 weeks before",
    "3 days before",
    "on the day",
    "1 month after",
)
DENSE = (
    "20 days before",
    "7 days before",
    "6 days before",
    "5 days before",
    "4 days before",
    "3 days before",
    "2 days before",
    "1 day before",
    "on the day",
    "1 day after",
    "2 days after",
    "3 days after",
)
_AIMED = """
[[audience]]
"licence.auto_renew" = false
"account.segment" = ["smb", "mid"]
"licence.amount" = { at_least = 100 }

[[audience]]
"licence.product" = { like = "Back*" }
"account.language" = { not = "ru" }

[[audience]]
"account.country" = "JP"
"licence.amount" = { at_most = 500 }

[[audience]]
"licence.owner" = { set = true }
"account.tags" = ["key"]
"""


def schedules() -> dict[str, str]:
    """Texts of schedules by file stem; each is valid on its own."""
    return {
        "ten": _schedule(TEN),
        "business": _schedule(BUSINESS),
        "months": _schedule(MONTHS, calendar='when_closed = "later"'),
        "later": _schedule(TEN, calendar='when_closed = "later"'),
        "skip": _schedule(TEN, limits='late = "skip"'),
        "every": _schedule(DENSE, limits='late = "all"\nvalid_for = "5 days"'),
        "dense": _schedule(DENSE, limits='valid_for = "1 day"'),
        "tight": _schedule(
            TEN,
            calendar='timezone = "Europe/Warsaw"\nhours = "10:00-11:00"\nholidays = "PL"\n'
            "extra_holidays = [2024-05-02, 2024-12-24, 2024-12-31]",
        ),
        "levant": _schedule(
            TEN,
            calendar='hours = "08:30-16:30"\ndays = ["sun", "mon", "tue", "wed", "thu"]\n'
            'holidays = "none"',
        ),
        "rare": _schedule(
            BUSINESS,
            calendar='days = ["wed"]\nwhen_closed = "later"',
            limits='valid_for = "2 weeks"',
        ),
        "mixed": _schedule(TEN, tasks={3, 5, 7}),
        "aimed": _schedule(TEN, audience=_AIMED),
    }


def _schedule(
    offsets: tuple[str, ...],
    *,
    calendar: str = "",
    limits: str = "",
    audience: str = "",
    tasks: frozenset[int] | set[int] = frozenset(),
) -> str:
    head = 'name = "Licence renewal"\ntrigger = "licence-expiry"\nclass = "contractual"\n'
    tables = [head, audience]
    if calendar:
        tables.append(f"[calendar]\n{calendar}\n")
    tables.append(f'[limits]\ngroup_by = "licence"\napprove = "never"\n{limits}\n')
    tables += [_step(when, place in tasks) for place, when in enumerate(offsets)]
    return "\n".join(tables)


def _step(when: str, task: bool) -> str:
    name = when.replace(" ", "-")
    if task:
        does = 'task = "Call about the renewal"\nassign_to = "renewal-manager"\n'
        does += 'due_in = "2 business days"\nunless = ["clicked", "answered"]'
    else:
        template = "grace" if when.endswith("after") else "heads-up"
        does = f'email = "renewal/{template}"\nto = ["decision-maker", "procurement", "any"]'
    return f'[[steps]]\nid = "{name}"\nwhen = "{when}"\n{does}\n'
