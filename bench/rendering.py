"""Rendering mails on one core, against Jinja2 alone on the same templates and the same data.

The floor is a plain ``Environment`` with filters that do next to nothing; ours is all that a mail
needs: the context from rows, the choice of language, the three parts, and the checks on them. A
mail about thousands of licences lists fifty of them: its floor is given these fifty, in order, and
the sums.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

from jinja2 import DictLoader, Environment

from worker.templating import mime, texts
from worker.templating.context import (
    AccountView,
    ContactView,
    LicenceView,
    MailContext,
    SenderView,
)
from worker.templating.render import Rendered, Renderer

FOLDER = Path(__file__).parent.parent / "templates"
MAIL = "renewal/heads-up"
LANGUAGES = ("en", "pl", "ru")
TODAY = date(2027, 1, 30)
REACH = 3.0
MANY, MANY_REACH = 5_000, 30.0


def rows(count: int) -> list[Mapping[str, Any]]:
    """Licence rows, with the columns of the book and those of their account and contact."""
    return [
        {
            "key": f"L-{number:07}",
            "product": f"Antivirus Business {number % 50}",
            "vendor": "Contoso Security",
            "quantity": 1 + number % 300,
            "amount": Decimal(1000 + number) / 4,
            "next_amount": Decimal(1100 + number) / 4,
            "currency": ("USD", "EUR", "PLN")[number % 3],
            "starts_on": TODAY - timedelta(days=335),
            "expires_on": TODAY + timedelta(days=number % 60),
            "renew_url": f"https://renew.example.com/{number}",
            "auto_renew": False,
            "account": f"Łąka & Sons {number}",
            "account_key": f"A-{number}",
            "contact": f"Anna Nowak {number}",
            "email": f"anna{number}@example.com",
            "language": LANGUAGES[number % 3],
        }
        for number in range(count)
    ]


def context(row: Mapping[str, Any], *others: Mapping[str, Any]) -> MailContext:
    """What a mail about ``row``, and ``others`` of its account, is written from."""
    return MailContext(
        TODAY,
        AccountView(row["account"], row["account_key"]),
        ContactView(row["contact"], row["email"], "decision-maker"),
        tuple(LicenceView.from_row(one, TODAY) for one in (row, *others)),
        SenderView("Maria Lind", "maria.lind@example.com"),
        "heads-up",
    )


def floor(found: Mapping[str, str], book: list[Mapping[str, Any]]) -> Callable[[], int]:
    """Jinja2 alone: contexts are made beforehand."""
    return alone(found, [(row["language"], variables(context(row))) for row in book])


def alone(found: Mapping[str, str], mails: list[tuple[str, dict[str, Any]]]) -> Callable[[], int]:
    """Writes ``mails``, each in its language from its variables, with Jinja2 and nothing else."""
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
    templates = {
        language: [environment.get_template(f"{MAIL}/{language}/{part}") for part in texts.PARTS]
        for language in LANGUAGES
    }
    work = [(templates[language], {**values, "language": language}) for language, values in mails]

    def run() -> int:
        return sum(len(part.render(values)) for parts, values in work for part in parts)

    return run


def variables(made: MailContext) -> dict[str, Any]:
    """A context as Jinja takes it."""
    names = ("today", "account", "contact", "licence", "sender", "step", "mail_class")
    ends = [licence.expires_on for licence in made.licences]
    return {name: getattr(made, name) for name in names} | {
        "licences": made.listed,
        "licence_count": len(made.licences),
        "more": len(made.licences) - len(made.listed),
        "auto_renewing": 0,
        "expired": 0,
        "first_on": min(ends),
        "last_on": max(ends),
        "renew_url": made.renew_url,
        "sums": made.totals(),
    }


def ours(renderer: Renderer, book: list[Mapping[str, Any]]) -> Iterator[Rendered]:
    """The mails of ``book``, from rows."""
    for row in book:
        yield renderer.render(MAIL, [row["language"], "en"], context(row))


def best(*works: Callable[[], object], rounds: int = 7) -> list[float]:
    """The least processor time of several rounds for each work, in turns; seconds."""
    took: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, times in zip(works, took, strict=True):
            gc.collect()
            begun = process_time()
            work()
            times.append(process_time() - begun)
    return [min(times) for times in took]


def run(count: int = 2000) -> list[tuple[str, float, float, float]]:
    """One row of the table: (what, floor in s, ours in s, ratio reached for); prints details."""
    found = texts.read_folder(FOLDER)
    book = rows(count)
    renderer = Renderer(found)
    plain = floor(found, book)
    mails = list(ours(renderer, book))
    plain()
    base, spent = best(plain, lambda: list(ours(renderer, book)))
    moment = datetime(2027, 1, 30, 9, tzinfo=UTC)

    def composed() -> int:
        return sum(len(message(number, mail, moment)) for number, mail in enumerate(mails))

    (packed,) = best(composed, rounds=2)
    print(f"rendering {count:,} mails, one core")
    for what, took in (("floor, Jinja2 alone", base), ("ours", spent), ("MIME on top", packed)):
        print(f"  {what:20} {took / count * 1e6:6.0f} us a mail {count / took:9,.0f} mails/s")
    print(f"  ratio {spent / base:.2f}, at most {REACH:g}")
    least, took = many(found, renderer, MANY)
    print(f"  one mail about {MANY:,} licences: {took * 1e3:.1f} ms, floor {least * 1e3:.1f} ms")
    return [
        (f"render {count:,} mails", base, spent, REACH),
        (f"render 1 mail, {MANY:,} licences", least, took, MANY_REACH),
    ]


def many(found: Mapping[str, str], renderer: Renderer, count: int) -> tuple[float, float]:
    """One mail about ``count`` licences: the floor and ours, in seconds."""
    book = rows(count)
    known = context(*book)
    plain = alone(found, [("pl", variables(known))])
    write = lambda: renderer.render(MAIL, "pl", context(*book))  # noqa: E731
    plain()
    mail = write()
    assert f"{count - len(known.listed):,}".replace(",", "") in mail.text.replace("\u00a0", "")
    least, took = best(plain, write)
    return least, took


def message(number: int, mail: Rendered, moment: datetime) -> bytes:
    """The bytes of one mail."""
    return mime.compose(
        f"{number:016}",
        sender="Maria Lind <maria.lind@example.com>",
        recipient=f"Anna Nowak <anna{number}@example.com>",
        reply_to=None,
        rendered=mail,
        domain="example.com",
        date=moment,
    )


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
