"""Small books and records, written by hand in tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from tests.oracle.compare import Disagreement
from tests.oracle.judge import judge
from tests.oracle.life import Event
from tests.oracle.script import Script, read

Row = dict[str, Any]
YEAR = (date(2024, 1, 1), date(2024, 12, 31))


def script(
    *steps: str, limits: str = "", calendar: str = "", audience: str = "", **more: str
) -> Script:
    """A schedule of mails, or tasks (``task:`` in front); a step's id is its offset with dashes."""
    text = f'class = "{more.get("mail_class", "contractual")}"\n{audience}\n'
    text += f"[calendar]\n{calendar}\n[limits]\n{limits}\n"
    for step in steps:
        when = step.removeprefix("task:")
        does = 'task = "Call"' if step != when else 'email = "renewal/heads-up"'
        text += f'[[steps]]\nid = "{when.replace(" ", "-")}"\nwhen = "{when}"\n{does}\n'
        text += more.get("step", "") + "\n"
    return read(text, "renewal")


def term(expires: str, starts: str | None = "2020-01-01", closed: str | None = None) -> Row:
    """One term of a licence."""
    return {"starts_on": starts, "expires_on": expires, "closed_on": closed}


def book(*terms: Row, zone: str = "UTC", country: str | None = None, **licence: Any) -> Row:
    """One account with one licence, ``L``."""
    return {
        "accounts": [{"key": "A", "timezone": zone, "country": country, "segment": "smb"}],
        "licences": [{"key": "L", "account": "A", "status": "active", **licence}],
        "terms": [{"licence": "L", "number": n, **row} for n, row in enumerate(terms, 1)],
    }


def row(
    step: str | None,
    at: str,
    due: str,
    decision: str = "sent",
    reason: str | None = None,
    **more: Any,
) -> Row:
    """One decision; ``at`` without an offset is UTC."""
    moment = datetime.fromisoformat(at)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    found: Row = {
        "at": moment.isoformat(),
        "due_on": due,
        "schedule": "renewal",
        "step": step and step.replace(" ", "-"),
    }
    found |= {"kind": "email", "subject": "L", "licence": "L", "account": "A", "cycle": 1}
    return found | {"decision": decision, "reason": reason, "to": [], "message": None} | more


def kinds(
    the_book: Row,
    schedule: Script,
    rows: Sequence[Row],
    days: tuple[date, date] = YEAR,
    events: Sequence[Event] = (),
    begins: datetime | None = None,
) -> list[str]:
    """The kinds of all disagreements, sorted."""
    return sorted(found.kind for found in heard(the_book, schedule, rows, days, events, begins))


def heard(
    the_book: Row,
    schedule: Script,
    rows: Sequence[Row],
    days: tuple[date, date] = YEAR,
    events: Sequence[Event] = (),
    begins: datetime | None = None,
) -> list[Disagreement]:
    """All disagreements."""
    return judge(the_book, schedule, rows, *days, events, begins=begins)


def moment(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
