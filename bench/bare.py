"""What a mail costs without any ledger: rendered by Jinja2 alone, posted by httpx, forgotten.

``python -m bench.bare URL FIRST LAST`` is one of the processes of the floor. Its mails say the same
as ours, calendar entry included.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
from jinja2 import DictLoader, Environment, Template

from worker.templating import texts
from worker.templating.context import AccountView, ContactView, LicenceView, MailContext, SenderView

FOLDER = Path(__file__).parent.parent / "templates"
MAIL = "renewal/heads-up"
LANGUAGES = ("en", "pl", "ru")
IN_DAYS = 30
_PARTS = ("subject.txt", "body.txt", "body.html", "hold.txt")
_ENTRY = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//bare//EN\r
METHOD:PUBLISH\r
BEGIN:VEVENT\r
UID:{uid}\r
DTSTAMP:{day}T090000Z\r
DTSTART;VALUE=DATE:{day}\r
SUMMARY:{summary}\r
END:VEVENT\r
END:VCALENDAR\r
"""


def client(number: int, today: date) -> dict[str, str]:
    """The row of the book about one client, whose licence ends in thirty days."""
    return {
        "licence": f"L-{number:06}",
        "account": f"A-{number:06}",
        "name": f"Client {number} & Sons",
        "language": LANGUAGES[number % 3],
        "product": f"Antivirus Business {number % 50}",
        "start": (today - timedelta(days=335)).isoformat(),
        "end": (today + timedelta(days=IN_DAYS)).isoformat(),
        "status": "active",
        "auto": "no",
        "contact": f"C-{number:06}",
        "email": f"anna{number}@example.com",
        "person": f"Anna Nowak {number}",
        "role": "decision-maker",
    }


class Writer:
    """Jinja2 with filters that do next to nothing."""

    def __init__(self) -> None:
        found = texts.read_folder(FOLDER)
        environment = Environment(
            loader=DictLoader(found),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters.update(
            date=lambda day: day.isoformat(), money=lambda amount, currency: f"{currency} {amount}"
        )
        environment.filters.update(days=lambda count: f"{count} days", number=str)
        environment.filters.update(plural=lambda count, *forms: forms[count != 1])
        self._parts: dict[str, list[Template]] = {
            language: [environment.get_template(f"{MAIL}/{language}/{part}") for part in _PARTS]
            for language in LANGUAGES
        }

    def payload(self, row: Mapping[str, str], today: date) -> dict[str, Any]:
        """The request about one client, as a careful person would write it by hand."""
        subject, text, html, summary = self.rendered(row, today)
        day = row["end"].replace("-", "")
        entry = _ENTRY.format(uid=row["licence"], day=day, summary=summary.strip())
        file = {"type": "text/calendar; method=PUBLISH", "filename": "licence.ics"}
        return {
            "from": {"email": "renewals@example.com", "name": "Renewals"},
            "subject": subject.strip(),
            "personalizations": [
                {
                    "to": [{"email": row["email"], "name": row["person"]}],
                    "custom_args": {"mail": row["licence"], "copy": row["contact"]},
                }
            ],
            "headers": {"Message-ID": f"<{row['licence']}@example.com>"},
            "content": [
                {"type": "text/plain", "value": text},
                {"type": "text/html", "value": html},
            ],
            "attachments": [file | {"content": b64encode(entry.encode()).decode()}],
        }

    def rendered(self, row: Mapping[str, str], today: date) -> list[str]:
        """Subject, text, HTML and the line in the calendar."""
        end = date.fromisoformat(row["end"])
        licence = LicenceView.from_row(_columns(row, end), today)
        made = MailContext(
            today,
            AccountView(row["name"], row["account"]),
            ContactView(row["person"], row["email"], row["role"]),
            (licence,),
            SenderView("Renewals", "renewals@example.com"),
            "heads-up",
        )
        names = ("today", "account", "contact", "licence", "sender", "step", "mail_class")
        values = {name: getattr(made, name) for name in names} | {
            "licences": made.listed,
            "licence_count": 1,
            "more": 0,
            "auto_renewing": 0,
            "expired": 0,
            "first_on": end,
            "last_on": end,
            "renew_url": made.renew_url,
            "sums": made.totals(),
            "language": row["language"],
        }
        return [part.render(values) for part in self._parts[row["language"]]]


def _columns(row: Mapping[str, str], end: date) -> dict[str, Any]:
    """A client's row as the columns of the book."""
    empty = ("vendor", "quantity", "amount", "next_amount", "currency", "renew_url")
    return dict.fromkeys(empty) | {
        "key": row["licence"],
        "product": row["product"],
        "starts_on": date.fromisoformat(row["start"]),
        "expires_on": end,
        "auto_renew": False,
    }


def main(url: str, first: str, last: str, day: str) -> None:
    """Writes and posts the mails of some clients."""
    today, writer = date.fromisoformat(day), Writer()
    headers = {"Authorization": "Bearer SG.bench", "Content-Type": "application/json"}
    with httpx.Client(timeout=30, trust_env=False, headers=headers) as http:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(first), int(last)):
            body = json.dumps(writer.payload(client(number, today), today)).encode()
            answer = http.post(f"{url}/v3/mail/send", content=body)
            assert answer.status_code == 202


if __name__ == "__main__":
    main(*sys.argv[1:])
