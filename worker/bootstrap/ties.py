"""What rooms that do not know each other have to tell each other, always in the caller's
transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from worker.cadence import mended
from worker.catalogue.report import Counts
from worker.catalogue.said import AnswerSaid
from worker.channels.contract import Result
from worker.config.settings import Settings
from worker.events import refusals
from worker.kernel.dates import civil_date, zone
from worker.outbox.sending import Refused
from worker.outbox.store import Message
from worker.reactivation import closing
from worker.surveys import feedback, importing
from worker.surveys.themes import Reader
from worker.worklist.rules import Ending


def refusals_heard_by(settings: Settings) -> Refused:
    """What follows when the channel refuses a mail for good."""
    mail = settings.mail

    def hear(conn: Connection, message: Message, result: Result, now: datetime) -> None:
        if mail.mode == "redirect":  # it says nothing about the client's address
            result = replace(result, bad_address=False)
        refusals.hear(conn, mail.channel, message, result, now)

    return hear


def hear_closed(
    conn: Connection, task: Row[Any], ending: Ending, who: str, now: datetime, timezone: str
) -> None:
    """A person closed a task: whoever opened it goes on."""
    mended.hear(conn, task, ending, now)
    closing.hear(conn, task, ending, who, now, civil_date(now, zone(timezone)))
    feedback.hear(conn, task, ending, who, now)


def take_answers(
    conn: Connection,
    said: Sequence[AnswerSaid],
    themes: Reader,
    now: datetime,
    *,
    dry_run: bool,
) -> Counts:
    """An import brings answers: they are laid beside those that were given to us."""
    return importing.lay(conn, said, themes, now, dry_run=dry_run)
