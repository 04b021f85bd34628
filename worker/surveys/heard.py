"""What other systems hear of answers to surveys: those that are given with a name.

A call has a moment. That of a confidential or an anonymous answer would tell, beside the times at
which pages were opened, who gave it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts
from worker.db import notices
from worker.db.notices import Notice
from worker.surveys import rules
from worker.surveys.numbers import group_of

ANSWERED = "survey.answered"


def note(conn: Connection, asked: Any, response_id: int, score: int, now: datetime) -> None:
    """Notes the score that was given to the invitation ``asked``; not who gave it, nor any word."""
    if asked.promise != rules.NAMED or not notices.is_heard(conn):
        return
    body = {
        "answer": response_id,
        "account": conn.scalar(select(accounts.c.key).where(accounts.c.id == asked.account_id)),
        "schedule": asked.schedule,
        "survey": asked.survey,
        "score": score,
        "group": group_of(score),
        "product": asked.product,
    }
    key = f"{ANSWERED}:{response_id}:{now.isoformat()}"
    notices.note(conn, [Notice(key, ANSWERED, body)], now)
