"""What a verdict says to sales, in the reader's language, with plurals that are right."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

from worker.reactivation.calibration import Evidence
from worker.reactivation.rules import Reason
from worker.templating.formats import Formats

LANGUAGES = ("en", "pl", "ru")
LAST_LANGUAGE = "en"
"""The language of whoever reads none of them."""
MOST_NAMES = 3
"""So many product lines are named; the rest is counted."""


class Sentences:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        text = (files("worker.reactivation") / "words" / f"{language}.toml").read_text("utf-8")
        words = tomllib.loads(text)
        self._reasons: Mapping[str, str] = words["reason"]
        self._others: Mapping[str, str] = words["other"]
        self._plurals: Mapping[str, list[str]] = words["plural"]
        self._formats = Formats(language)

    def whole(
        self,
        reasons: Sequence[Reason],
        at_stake: float,
        currency: str,
        evidence: Evidence | None = None,
    ) -> str:
        """All that is to be said of a client, as one text."""
        said = [self.reason(one) for one in reasons]
        said.append(self._others["stake"].format(amount=self._amount(at_stake, currency)))
        if evidence is not None:
            said.append(self.evidence(evidence))
        return " ".join(said)

    def reason(self, reason: Reason) -> str:
        """One reason as a sentence."""
        values = {name: self._value(name, reason) for name in reason if name != "code"}
        return self._reasons[reason["code"]].format(**values)

    def evidence(self, evidence: Evidence) -> str:
        """What became of those in a similar state three months ago."""
        return self._others["evidence"].format(
            clients=self._counted("clients", evidence.clients),
            share=round(100 * evidence.fell / evidence.clients),
        )

    def _value(self, name: str, reason: Reason) -> Any:
        value = reason[name]
        if name in ("net", "usual") and "currency" in reason:
            return self._amount(value, reason["currency"])
        if name == "days" or (name == "usual" and "days" in reason):
            return self._formats.days(value)
        if name == "lines":
            return self._names(value)
        if name == "due":
            return self._formats.date(date.fromisoformat(value))
        return self._counted(name, value) if name in self._plurals else value

    def _counted(self, name: str, count: int) -> str:
        form = self._formats.plural(count, tuple(self._plurals[name]))
        return f"{self._formats.number(count)} {form}"

    def _amount(self, value: float, currency: str) -> str:
        """Whole units: nobody calls a client about cents."""
        return f"{self._formats.number(round(value))} {currency}".strip()

    def _names(self, lines: Sequence[str]) -> str:
        named = ", ".join(lines[:MOST_NAMES])
        rest = len(lines) - MOST_NAMES
        return self._others["more"].format(named=named, count=rest) if rest > 0 else named


@lru_cache(maxsize=len(LANGUAGES))
def sentences(language: str) -> Sentences:
    """The words of ``language``, or of the last one where there are none of it."""
    return Sentences(language if language in LANGUAGES else LAST_LANGUAGE)
