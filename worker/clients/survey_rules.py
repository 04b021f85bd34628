"""What a client can say on the page of a survey, and who may have sent it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worker.clients.rules import clean
from worker.clients.visiting import Preselection
from worker.events.rules import AT_ONCE, TOO_QUICK, Click, is_machine
from worker.kernel.forms import Fields, first
from worker.surveys.rules import HUMAN, MACHINE, POSSIBLE

SCORES = range(11)
LONGEST_NAME = 200
MOST_PASSED_ON = 3
"""To how many colleagues one person may pass a question on."""
NEARBY = AT_ONCE
"""How far apart two scores may be opened to be the work of one program."""

_SCORE = re.compile(r"[0-9]|10")


@dataclass(frozen=True, slots=True)
class Words:
    """What was written beside a score: ``further`` by the name of its question."""

    comment: str = ""
    further: Mapping[str, str] = field(default_factory=dict)


def read_score(values: Sequence[str]) -> int | None:
    """The score that a form or an address names; ``None`` for 11, -1, 9.5, two of them or none."""
    if len(values) != 1 or not _SCORE.fullmatch(values[0].strip()):
        return None
    return int(values[0])


def read_words(fields: Fields, asked: Collection[str]) -> Words:
    """What the form says in words; ``asked`` are the further questions that there were."""
    said = {name: clean(first(fields, name)) for name in asked}
    return Words(
        clean(first(fields, "comment")), {name: text for name, text in said.items() if text}
    )


def read_colleague(fields: Fields) -> str:
    """Whom the question is for: a name or an address, on one line; empty when nobody is named."""
    return " ".join(clean(first(fields, "colleague")).split())[:LONGEST_NAME]


def judge(at: datetime, delivered_at: datetime | None) -> str:
    """Whether a person sent a form: nobody reads a mail and answers it within ten seconds of its
    delivery. A mail that was not told to be delivered by then proves nothing."""
    too_quick = delivered_at is not None and at - delivered_at < TOO_QUICK
    return POSSIBLE if too_quick else HUMAN


def judge_opened(found: Mapping[int, Preselection]) -> dict[int, str]:
    """How scores that were opened from one mail are judged: ``machine`` by its name, its haste, or
    because it opened another one at the same time; else ``possible``. By the keys of ``found``."""
    clicks = [Click(id_, one.at, str(one.score), one.agent) for id_, one in found.items()]
    return {
        click.id: MACHINE if is_machine(click, clicks, found[click.id].delivered_at) else POSSIBLE
        for click in clicks
    }
