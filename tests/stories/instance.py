"""An instance in a folder: a book in CSV files, a schedule whose steps are due now, and its mails.

The schedule's zone is one where it is about noon at the moment, and every day is open: so what is
due today is due now, at any hour of any day.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, select

from tests.processes import free_port
from worker.channels.contract import Envelope
from worker.channels.folder import FolderChannel
from worker.cli.main import run
from worker.db.engine import reading
from worker.kernel.clock import SystemClock
from worker.outbox.records import messages

TEMPLATES = Path(__file__).parents[2] / "templates"
_ZONES = (
    "Pacific/Honolulu",
    "America/Phoenix",
    "America/Bogota",
    "America/Sao_Paulo",
    "Africa/Abidjan",
    "Africa/Nairobi",
    "Asia/Dubai",
    "Asia/Bangkok",
    "Asia/Tokyo",
    "Pacific/Auckland",
)
_KEY = re.compile(r"^\s*(?:Licence number|Numer licencji|Номер лицензии): +(\S+)\s*$", re.M)

SCHEDULE = """
name = "Licence renewal"
trigger = "licence-expiry"
class = "contractual"

[[audience]]
"licence.auto_renew" = false

[calendar]
timezone = "{zone}"
hours = "01:00-23:59"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
holidays = "none"

[limits]
late = "latest"
valid_for = "3 days"

[[steps]]
id = "heads-up"
when = "30 days before"
email = "renewal/heads-up"
to = ["decision-maker", "any"]

[[steps]]
id = "call"
when = "14 days before"
task = "Call about the renewal"
assign_to = "renewal-manager"
due_in = "2 business days"

[[steps]]
id = "grace"
when = "3 days after"
email = "renewal/grace"
"""

CONFIG = """
[database]
url = "{database}"
[book]
timezone = "{zone}"
[jobs]
broker = "{broker}"
[web]
port = {port}
[beat]
every = "1 second"
[mail]
lease = "{lease}"

[sources.licences]
kind = "csv"
path = "licences.csv"
date_format = "%Y-%m-%d"

[[sources.licences.load]]
entity = "account"
key = "{{account}}"
name = "{{name}}"
language = "{{language}}"
renewal_manager = "Rita Renewals"
account_manager = "Max Manager"

[[sources.licences.load]]
entity = "licence"
key = "{{licence}}"
account = "{{account}}"
product = "{{product}}"
starts_on = "{{start}}"
expires_on = "{{end}}"
status = "{{status}}"
auto_renew = "{{auto}}"

[sources.people]
kind = "csv"
path = "people.csv"

[[sources.people.load]]
entity = "contact"
key = "{{contact}}"
account = "{{account}}"
email = "{{email}}"
name = "{{person}}"
role = "{{role}}"
language = "{{language}}"
"""

_SHORT = {
    "subject.txt": "Licence {{ licence.key }}",
    "body.txt": "Licence number: {{ licence.key }}",
    "body.html": "<p>{{ licence.key }}</p>",
}

Rows = Iterable[Mapping[str, str]]


def noon_zone() -> ZoneInfo:
    """A zone where it is about noon now."""
    now = SystemClock().now()
    noon = 12 * 60 + 30

    def distance(zone: ZoneInfo) -> int:
        local = now.astimezone(zone)
        return abs(local.hour * 60 + local.minute - noon)

    return min((ZoneInfo(name) for name in _ZONES), key=distance)


@dataclass(frozen=True)
class Sent:
    """One .eml of the folder, read by the standard library's parser."""

    path: Path
    licence: str
    step: str
    address: str
    subject: str
    text: str
    language: str

    @property
    def mail_key(self) -> str:
        return self.path.stem.rpartition("_")[2]


class Instance:
    """An instance under ``root`` with the licences and contacts given, imported and applied."""

    def __init__(
        self,
        root: Path,
        *,
        database: str = "sqlite:///var/perennial.db",
        broker: str = "memory",
        lease: str = "60 seconds",
        short_mails: bool = False,
    ) -> None:
        self.root = root
        self.zone = noon_zone()
        self.today = SystemClock().now().astimezone(self.zone).date()
        if short_mails:
            short_templates(root / "templates")
        else:
            shutil.copytree(TEMPLATES, root / "templates")
        (root / "schedules").mkdir()
        text = SCHEDULE.format(zone=self.zone.key)
        (root / "schedules/renewal.toml").write_text(text, encoding="utf-8")
        config = CONFIG.format(
            database=database, broker=broker, port=free_port(), lease=lease, zone=self.zone.key
        )
        (root / "config.toml").write_text(config, encoding="utf-8")

    def day(self, days: int) -> str:
        """The civil date so many days from today, as text."""
        return self.date(days).isoformat()

    def date(self, days: int) -> date:
        return self.today + timedelta(days=days)

    def command(self, *words: str) -> None:
        """A command that must succeed; run in this process, which saves a start of Python."""
        assert run(["--root", str(self.root), *words], dict(os.environ)) == 0, words

    def load(self, licences: Rows, people: Rows) -> None:
        """Writes both files and imports them, then puts the schedule in force."""
        for name, rows in (("licences", licences), ("people", people)):
            write_csv(self.root / f"{name}.csv", rows)
            self.command("import", name)
        self.command("apply", "--yes")

    @property
    def folder(self) -> Path:
        return self.root / "var/outbox"

    def files(self) -> list[Path]:
        """Every mail in the folder; drafts that a dead process left behind are none."""
        return sorted(self.folder.glob("*/*.eml"))

    def mails(self) -> list[Sent]:
        return [_read(path) for path in self.files()]


def short_templates(folder: Path) -> None:
    """Mails of one line: where hundreds are sent, what they say is not the point."""
    for mail in ("heads-up", "grace"):
        place = folder / "renewal" / mail / "en"
        place.mkdir(parents=True)
        for name, text in _SHORT.items():
            (place / name).write_text(text, encoding="utf-8")


def write_csv(path: Path, rows: Rows) -> None:
    """Rows as CSV; all have the keys of the first."""
    listed = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)


def _read(path: Path) -> Sent:
    parsed = message_from_bytes(path.read_bytes(), policy=default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects, path
    body = parsed.get_body(("plain",))
    assert body is not None, path
    text = body.get_content()
    keys = _KEY.findall(text)
    assert len(keys) == 1, f"{path}: {text}"
    step = path.name.partition("_")[0]
    return Sent(
        path,
        keys[0],
        step,
        parsed["To"].addresses[0].addr_spec,
        parsed["Subject"],
        text,
        parsed["Content-Language"],
    )


def many(instance: Instance, count: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """``count`` licences of as many accounts, each with one contact and a heads-up due today."""
    licences = [
        licence_row(instance, f"L-{number:04}", account=f"A-{number:04}", ends_in=30)
        for number in range(count)
    ]
    people = [
        person_row(f"A-{number:04}", f"client{number:04}@example.com") for number in range(count)
    ]
    return licences, people


def licence_row(
    instance: Instance, key: str, *, account: str, ends_in: int, **more: str
) -> dict[str, str]:
    """A row of ``licences.csv``; the term is a year that ends ``ends_in`` days from today."""
    return {
        "licence": key,
        "account": account,
        "name": f"Client {account}",
        "language": "en",
        "product": f"Product {key}",
        "start": instance.day(ends_in - 365),
        "end": instance.day(ends_in),
        "status": "active",
        "auto": "no",
    } | more


def person_row(account: str, email: str, **more: str) -> dict[str, str]:
    """A row of ``people.csv``."""
    return {
        "contact": f"{account}/{email.partition('@')[0]}",
        "account": account,
        "email": email,
        "person": "Anna Example",
        "role": "decision-maker",
        "language": "",
    } | more


@dataclass(frozen=True)
class Ledger:
    """The rows of the ledger, next to the folder that is the evidence."""

    rows: list[Any]

    @classmethod
    def of(cls, engine: Engine) -> Ledger:
        with reading(engine) as conn:
            return cls(list(conn.execute(select(messages).order_by(messages.c.id))))

    def states(self) -> dict[str, int]:
        """Messages by state."""
        found: dict[str, int] = {}
        for row in self.rows:
            found[row.state] = found.get(row.state, 0) + 1
        return found

    def paths(self, folder: Path, state: str = "accepted") -> Iterator[Path]:
        """Where the files of the messages in this state must lie."""
        channel = FolderChannel(folder)
        for row in self.rows:
            if row.state == state:
                envelope = Envelope(row.mail_key, row.address, row.day, row.schedule, row.step)
                yield channel.path(envelope)


def account_for(engine: Engine, instance: Instance, expected: set[tuple[str, str]]) -> None:
    """Fails unless every expected (licence, step) left exactly once and the ledger says so."""
    mails = instance.mails()
    found = [(mail.licence, mail.step) for mail in mails]
    ledger = Ledger.of(engine)
    recorded = sorted(ledger.paths(instance.folder))
    told = f"ledger {ledger.states()}, files {len(mails)}"
    assert sorted(expected - set(found)) == [], f"lost; {told}"
    assert sorted({one for one in found if found.count(one) > 1}) == [], f"doubled; {told}"
    assert sorted(set(found) - expected) == [], f"phantom; {told}"
    assert sorted(set(recorded) - {mail.path for mail in mails}) == [], f"a lie; {told}"
    assert sorted({mail.path for mail in mails} - set(recorded)) == [], f"unrecorded; {told}"
    assert ledger.states() == {"accepted": len(expected)}, told
