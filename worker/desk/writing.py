"""How pages for staff are written: templates, files that go with them, times and figures."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from worker.access.rules import Role
from worker.cadence.summary_page import in_plain_words
from worker.desk.told import with_pages
from worker.kernel.clock import require_aware
from worker.kernel.keys import digest

_FOLDER = files("worker.desk")
STATIC = {
    "style.css": "text/css; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "keys.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files that go with pages, each with its type."""

ROOMS = (
    # address, name, the key after "g", the least role that may enter
    ("/", "Today", "t", Role.VIEWER),
    ("/worklist", "Worklist", "w", Role.VIEWER),
    ("/queue", "Silent clients", "q", Role.SALES),
    ("/accounts", "Accounts", "a", Role.VIEWER),
    ("/licences", "Licences", "l", Role.VIEWER),
    ("/schedules", "Schedules", "s", Role.VIEWER),
    ("/outbox", "Outbox", "o", Role.VIEWER),
    ("/surveys", "Surveys", "v", Role.VIEWER),
    ("/reports", "Reports", "r", Role.VIEWER),
    ("/health", "Health", "h", Role.VIEWER),
    ("/audit", "Audit log", "u", Role.ADMIN),
    ("/users", "Users", "p", Role.ADMIN),
    ("/tokens", "Tokens", "k", Role.ADMIN),
)
"""What the side of every page lists."""


@cache
def static(name: str) -> bytes:
    """A file of ``STATIC``."""
    return (_FOLDER / "static" / name).read_bytes()


@cache
def static_url(name: str) -> str:
    """The address of a file, which changes with what is in it: it may be kept for ever."""
    return f"/static/{name}?{digest(static(name).decode('utf-8'))[:12]}"


class Writing:
    """Writes pages, with times as a clock on the wall of ``[book] timezone`` shows them."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._environment = Environment(
            loader=FileSystemLoader(str(_FOLDER / "html")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(static=static_url, zone=zone, rooms=ROOMS)
        self._environment.filters.update(
            moment=self.moment,
            hour=self.hour,
            clock=self.clock,
            there=self.there,
            words=in_plain_words,
            with_pages=with_pages,
            day=day,
            number=number,
            money=money,
            count=count,
            part=part,
            breakable=breakable,
        )
        self._environment.filters.update(browser=browser)

    def write(self, name: str, **values: Any) -> str:
        """The text of a template; a value that it names and does not get is an error."""
        return self._environment.get_template(name).render(**values)

    def local(self, moment: datetime) -> datetime:
        """A moment as the clock on the wall shows it."""
        return require_aware(moment).astimezone(self._zone)

    def moment(self, moment: datetime) -> str:
        """Day and time: ``Tue 24 Nov 2026, 09:10``."""
        return f"{self.local(moment):%a %-d %b %Y, %H:%M}"

    def there(self, moment: datetime, zone: ZoneInfo | None = None) -> str:
        """Day and time, and after it what the clock at the client's shows, by the name of its zone,
        where that differs: ``Tue 24 Nov 2026, 16:00 (09:00 America/Chicago)``. ``zone`` is that of
        the client; ``None``: the one that ``moment`` carries."""
        return self.moment(moment) + self._elsewhere(moment, zone)

    def clock(self, moment: datetime) -> str:
        """The same without the day: ``16:00 (09:00 America/Chicago)``."""
        return self.hour(moment) + self._elsewhere(moment, None)

    def _elsewhere(self, moment: datetime, zone: ZoneInfo | None) -> str:
        here, there = self.local(moment), moment.astimezone(zone) if zone else moment
        place = there.tzinfo
        if not isinstance(place, ZoneInfo) or there.utcoffset() == here.utcoffset():
            return ""  # a row's moment is in UTC, which is nobody's clock
        told = f"{there:%H:%M}" if there.date() == here.date() else f"{there:%a %-d %b, %H:%M}"
        return f" ({told} {place.key})"

    def hour(self, moment: datetime) -> str:
        """The time of day: ``09:10``."""
        return f"{self.local(moment):%H:%M}"


def day(value: date) -> str:
    """A civil day: ``Tue 24 Nov 2026``."""
    return f"{value:%a %-d %b %Y}"


def breakable(text: str) -> Markup:
    """Text in which a mail address breaks after its ``@``, not before its last letter."""
    return escape(text).replace("@", Markup("@<wbr>"))


def number(value: float) -> str:
    """A number with its thousands apart."""
    return f"{value:,}"


def money(amount: Decimal | None, currency: str | None) -> str:
    """An amount and its currency; a dash when there is none."""
    return "–" if amount is None else f"{amount:,.2f} {currency or ''}".strip()


def count(value: int, one: str, many: str = "") -> str:
    """``3 mails``, ``1 mail``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


_BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari")
_SYSTEMS = ("Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux")
_KNOWN_AS = {"Edg": "Edge", "OPR": "Opera"}


def browser(agent: str | None) -> str:
    """What a browser says of itself, in short: ``Firefox, Windows``; one that nobody knows as it
    is. Whoever claims to be several is the first of the list."""
    found = next((name for name in _BROWSERS if f"{name}/" in (agent or "")), None)
    if agent is None or found is None:
        return agent or "unknown"
    system = next((f", {name}" for name in _SYSTEMS if name in agent), "")
    return _KNOWN_AS.get(found, found) + system


def part(key: object) -> str:
    """A key as one part of an address, whatever stands in it: ``A/1`` becomes ``A%2F1``."""
    return quote(str(key), safe="")
