"""The words of clients' pages in one language, and values in its own way."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from typing import Any

from worker.clients.flow import Page
from worker.clients.rules import STOPPING, Fault, Given, Item
from worker.kernel.forms import Fields, first
from worker.templating.formats import Formats

FOLDER = files("worker.clients")


class Language:
    """The words of one language, and values in its own way."""

    def __init__(self, language: str) -> None:
        text = (FOLDER / "words" / f"{language}.toml").read_text(encoding="utf-8")
        self.words: Mapping[str, Mapping[str, str]] = tomllib.loads(text)
        self._formats = Formats(language)

    def day(self, day: date) -> str:
        """A day as this language writes it."""
        return self._formats.date(day)

    def item(self, item: Item, page: Page, filled: Fields) -> dict[str, Any]:
        """One licence as a page shows it."""
        words, today = self.words["answer"], page.letter.today
        name = item.product or words["licence"].format(key=item.key)
        named = filled.get("licence")
        typed = first(filled, f"quantity:{item.key}")
        return {
            "key": item.key,
            "name": name,
            "facts": self._facts(item, today),
            "over": item.over,
            "state": self._state(item, page),
            "chosen": item.key in named if named is not None else True,
            "quantity_label": words["quantity_of"].format(name=f"{name}, {item.key}"),
            "new_quantity": typed or (item.quantity or ""),
        }

    def _facts(self, item: Item, today: date) -> str:
        words = self.words["answer"]
        facts = [words["licence"].format(key=item.key)] if item.product else []
        if item.quantity is not None:
            number = self._formats.number(item.quantity)
            facts.append(words["quantity_now"].format(quantity=number))
        word = "expired" if item.expires_on < today else "expires"
        facts.append(words[word].format(date=self._formats.date(item.expires_on)))
        if item.notice_on is not None and item.notice_on >= today:
            facts.append(words["notice"].format(date=self._formats.date(item.notice_on)))
        return " · ".join(facts)

    def _state(self, item: Item, page: Page) -> str:
        words = self.words["answer"]
        if item.over:
            return words.get(item.over, words["ended"])
        if item.given is None:
            return ""
        mine = item.given.contact_id == page.letter.row.contact_id
        told = words["given" if mine else "given_by_other"]
        day = self._formats.date(item.given.at.date())
        return told.format(date=day, answer=self.answered(item.given))

    def answered(self, given: Given) -> str:
        """An answer in a few words."""
        words, detail = self.words["thanks"], given.detail
        if given.kind == "quantity":
            number = self._formats.number(detail["quantity"])
            return words["quantity_to"].format(quantity=number)
        if given.kind == "remind":
            day = self._formats.date(date.fromisoformat(detail["until"]))
            return words["remind_on"].format(date=day)
        return self.words["answer"][given.kind]

    def to_come(self, given: Sequence[Given], manager: str | None) -> list[str]:
        """What happens next, once each."""
        words, kinds = self.words["thanks"], {one.kind for one in given}
        lines = []
        if kinds & (STOPPING | {"colleague"}):
            lines.append(words["soon"].format(name=manager) if manager else words["soon_nobody"])
        days = sorted({one.detail["until"] for one in given if one.kind == "remind"})
        for day in days:
            told = self._formats.date(date.fromisoformat(day))
            lines.append(words["reminded"].format(date=told))
        if "decline" in kinds:
            lines.append(words["declined"])
        return lines

    def faults(self, faults: Sequence[Fault]) -> list[dict[str, str]]:
        """What is wrong with a form, in words."""
        return [{"name": fault.name, "text": self._fault(fault)} for fault in faults]

    def _fault(self, fault: Fault) -> str:
        told = {
            name: self._formats.date(value) if isinstance(value, date) else value
            for name, value in fault.values.items()
        }
        return self.words["fault"][fault.word].format(**told)

    def span(self, text: str, first_day: date, last_day: date) -> str:
        """``text`` with two days."""
        told = self._formats.date(first_day), self._formats.date(last_day)
        return text.format(first=told[0], last=told[1])
