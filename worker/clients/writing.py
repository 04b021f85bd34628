"""What clients' pages say: HTML in the reader's language, self-contained, with every value
escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from worker.clients.flow import Letter, Page
from worker.clients.language import FOLDER, Language
from worker.clients.rules import (
    KINDS,
    LONGEST_PAUSE,
    REASONS,
    Fault,
    reminders,
)
from worker.kernel.forms import Fields, first

LANGUAGES = {"en": "English", "pl": "Polski", "ru": "Русский"}
"""The languages of the pages, each by its own name."""
LAST_LANGUAGE = "en"
_DAY = timedelta(days=1)


class Writing:
    """Writes pages. Made once; may be used by several threads."""

    def __init__(self) -> None:
        self._style = (FOLDER / "html" / "style.css").read_text(encoding="utf-8").strip()
        self._environment = Environment(
            loader=FileSystemLoader(str(FOLDER / "html")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._in = {language: Language(language) for language in LANGUAGES}

    @cached_property
    def policy(self) -> str:
        """The Content-Security-Policy of every page: its own style, its own forms, nothing else."""
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        return (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )

    def answer(
        self,
        language: str,
        page: Page,
        preferences: str,
        fields: Fields | None = None,
        faults: Sequence[Fault] = (),
    ) -> str:
        """The answer page; ``fields`` and ``faults`` are those of a form that could not be used.

        ``preferences`` is the address of the preference page.
        """
        say = self._in[language]
        words = say.words["answer"]
        today, filled = page.letter.today, fields or _recorded(page)
        days = reminders(page.open_items, today)
        row = page.letter.row
        shown = [say.item(item, page, filled) for item in page.items]
        return self.write(
            "answer.html",
            language,
            words=words,
            to=words["to"].format(address=row.address, account=page.account),
            items=shown,
            open_items=[one for one in shown if not one["over"]],
            kinds=KINDS,
            chosen=first(filled, "answer"),
            filled={name: first(filled, name) for name in ("until", "reason", "colleague", "note")},
            reasons=[(code, words[f"reason_{code.replace('-', '_')}"]) for code in REASONS],
            first_day=days[0],
            last_day=days[1],
            until_hint=say.span(words["until_hint"], *days),
            reader=words["reader"].format(name=page.manager) if page.manager else "",
            faults=say.faults(faults),
            fault_title=say.words["fault"]["title"],
            preferences=preferences,
            preferences_link=say.words["preferences"]["link"],
        )

    def thanks(self, language: str, page: Page, change: str, preferences: str) -> str:
        """What was recorded, and what comes of it."""
        say = self._in[language]
        given = [item.given for item in page.answered if item.given]
        return self.write(
            "thanks.html",
            language,
            words=say.words["thanks"],
            items=[
                say.item(item, page, {}) | {"answer": say.answered(item.given)}
                for item in page.answered
                if item.given
            ],
            next=say.to_come(given, page.manager),
            change=change,
            preferences=preferences,
            preferences_link=say.words["preferences"]["link"],
        )

    def preferences(
        self,
        language: str,
        letter: Letter,
        action: str,
        *,
        saved: bool = False,
        fields: Fields | None = None,
        faults: Sequence[Fault] = (),
    ) -> str:
        """What a person wants to get; ``action`` is where the form goes."""
        say = self._in[language]
        words, chosen = say.words["preferences"], letter.preference
        wanted = {
            "offers": not (chosen.no_commercial or letter.row.opt_out),
            "questions": not (chosen.no_surveys or letter.row.opt_out),
        }
        if fields is not None:
            wanted = {topic: bool(first(fields, topic)) for topic in wanted}
        until = chosen.paused_until
        pause = until.isoformat() if until and until >= letter.today else ""
        return self.write(
            "preferences.html",
            language,
            words=words,
            lead=words["lead"].format(address=letter.row.address),
            wanted=wanted,
            book_says_no=letter.row.opt_out,
            pause=pause if fields is None else first(fields, "pause"),
            first_day=letter.today + _DAY,
            last_day=letter.today + LONGEST_PAUSE,
            languages=list(LANGUAGES.items()),
            chosen_language=chosen.language or "",
            action=action,
            saved=saved,
            faults=say.faults(faults),
            fault_title=say.words["fault"]["title"],
        )

    def unsubscribe(
        self, language: str, letter: Letter, preferences: str, *, done: bool = False
    ) -> str:
        """Asks once whether mails of this kind shall end, or says that they have."""
        say = self._in[language]
        words = say.words["unsubscribe"]
        kind = "survey" if letter.row.kind == "survey" else "commercial"
        text = words[f"done_{kind}" if done else kind].format(address=letter.row.address)
        return self.write(
            "unsubscribe.html",
            language,
            words=words,
            title=words["done" if done else "title"],
            text=text,
            done=done,
            preferences=preferences,
            preferences_link=say.words["preferences"]["link"],
        )

    def message(self, language: str, what: str, **days: date) -> str:
        """A page that says why there is nothing else: ``broken``, ``expired``, ``away`` …"""
        say = self.say(language)
        words = say.words["message"]
        told = {name: say.day(day) for name, day in days.items()}
        text = words[what].format(**told)
        return self.write("message.html", language, title=words[f"{what}_title"], text=text)

    def say(self, language: str) -> Language:
        """The words of one of ``LANGUAGES``."""
        return self._in[language]

    def write(self, name: str, language: str, **values: Any) -> str:
        """A page from the template ``name``."""
        template = self._environment.get_template(name)
        return template.render(language=language, style=Markup(self._style), **values)  # noqa: S704


def _recorded(page: Page) -> Fields:
    """The form as the last answer to this mail filled it in, so that it can be changed."""
    given = [item.given for item in page.answered if item.given and item.over is None]
    if not given:
        return {}
    last = max(given, key=lambda one: one.at)
    fields = {"answer": [last.kind], "note": [last.detail.get("note", "")]}
    fields |= {"until": [last.detail.get("until", "")], "reason": [last.detail.get("reason", "")]}
    fields["colleague"] = [last.detail.get("who", "")]
    same = [item for item in page.answered if item.given and item.given.at == last.at]
    fields["licence"] = [item.key for item in same]
    for item in page.answered:
        if item.given and item.given.kind == "quantity":
            fields[f"quantity:{item.key}"] = [str(item.given.detail["quantity"])]
    return fields
