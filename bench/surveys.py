"""Figures of surveys: many answers of many accounts, against one plain count of the same rows.

The floor counts answers by segment and vote. The figures add one vote for each account, the whole
beside the segments, who was asked, how many there are, and what must be left out; the board adds
revenue, roles, months, coverage, the change, who renews, themes and whom to ask next.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from time import perf_counter

from sqlalchemy import Engine, func, select, text

from bench import book
from worker.config.settings import ThemeSettings
from worker.db import bulk
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.surveys import board, figures
from worker.surveys.counting import Asked, counted
from worker.surveys.figures import Report
from worker.surveys.records import invitations, response_themes, responses
from worker.surveys.themes import reader_of

SECONDS = 2.0
"""All that the page of surveys shows of 1,000,000 answers of 50,000 accounts takes less."""
ANSWERS_OF_ACCOUNT = 20
PERIOD = Period(date(2025, 11, 3), date(2026, 11, 2))
SEGMENTS = ("smb", "mid", "large", "key", "public")
ROLES = ("decision-maker", "procurement", "technical", "end-user", None)
THEMES = reader_of({"price": ThemeSettings(name="Price", words={"en": ["price*"]})})
_CHUNK = 20_000


def fill(engine: Engine, answers: int) -> None:
    """``answers`` of a year, twenty of each account, a tenth of them confidential; of every second
    one we know the question, and every fourth has a comment that speaks of something."""
    draw = random.Random(7)
    accounts = max(answers // ANSWERS_OF_ACCOUNT, 1)
    ends = [date(2026, 1, 1) + timedelta(days=draw.randrange(600)) for _ in range(accounts)]
    book.fill(engine, ends, book.EUROPE)
    with engine.begin() as conn:
        kind = "NUMERIC" if engine.dialect.name == "postgresql" else "TEXT"
        amount = f"CAST(100 + id % 900 AS {kind})"
        conn.execute(text(f"UPDATE licences SET amount = {amount}, currency = 'EUR'"))
        for place, segment in enumerate(SEGMENTS):
            told = f"UPDATE accounts SET segment = '{segment}' WHERE id % {len(SEGMENTS)} = {place}"
            conn.execute(text(told))
    for ids in bulk.chunks(range(1, answers + 1), _CHUNK):
        _tell(engine, ids, accounts, draw)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("ANALYZE" if kind == "TEXT" else "VACUUM ANALYZE")


def _tell(engine: Engine, ids: range, accounts: int, draw: random.Random) -> None:
    asked, said, spoken = [], [], []
    for id_ in ids:
        account, on = id_ % accounts + 1, PERIOD.last - timedelta(days=draw.randrange(365))
        score = min(10, max(0, round(draw.gauss(7.5, 2.5))))
        vote = 1 if score >= 9 else -1 if score <= 6 else 0
        promise = "named" if id_ % 10 else "confidential"
        whose = (account, SEGMENTS[account % len(SEGMENTS)], draw.choice(ROLES))
        invitation = id_ if id_ % 2 else None
        if invitation:
            asked.append((id_, "surveys", "renewal", promise, *whose, on, book.NOW, True))
        same = ("surveys", "renewal", promise, invitation, *whose)
        said.append((id_ << 20, *same, score, vote, on, "page", None if id_ % 4 else "price"))
        if not id_ % 4:
            spoken.append((id_ << 20, "price", on))
    whose_names = ("account_id", "segment", "role")
    with engine.begin() as conn:
        names = ("id", "schedule", "survey", "promise", *whose_names, "asked_on", "asked_at")
        bulk.insert(conn, invitations, (*names, "answered"), asked)
        first = ("id", "schedule", "survey", "promise", "invitation_id", *whose_names)
        more = ("score", "vote", "answered_on", "source", "comment")
        bulk.insert(conn, responses, (*first, *more), said)
        bulk.insert(conn, response_themes, ("response_id", "theme", "answered_on"), spoken)


def by_segment(engine: Engine) -> float:
    """Reads the figures and their intervals, whole and by segment; seconds."""
    began = perf_counter()
    with reading(engine) as conn:
        found: Report = figures.read(conn, Asked(PERIOD, by="segment"))
        assert len(found.groups) == 2 * len(SEGMENTS)
    return perf_counter() - began


def whole_board(engine: Engine) -> float:
    """Reads all that the page of surveys shows; seconds."""
    began = perf_counter()
    with reading(engine) as conn:
        found = board.read(conn, Asked(PERIOD, by="segment"), PERIOD.last, THEMES)
        assert found.spoken
    return perf_counter() - began


def drawn_anew(engine: Engine) -> float:
    """Draws whole accounts anew, as the page does apart; seconds."""
    half = Period(PERIOD.first + timedelta(days=183), PERIOD.last)
    began = perf_counter()
    with reading(engine) as conn:
        assert figures.shared_change(conn, Asked(half)) is not None
    return perf_counter() - began


def count(engine: Engine) -> float:
    """One plain count of the same answers; seconds."""
    keys = (responses.c.segment, responses.c.vote)
    query = select(*keys, func.count()).where(*counted(Asked(PERIOD))).group_by(*keys)
    began = perf_counter()
    with reading(engine) as conn:
        assert len(conn.execute(query).all()) == 3 * len(SEGMENTS)
    return perf_counter() - began


def run(fresh: Callable[[], Engine], size: int, times: int = 3) -> tuple[float, ...]:
    """The best seconds of ``times``, in turns: the count, the figures, the board; and of one time:
    accounts drawn anew."""
    engine = fresh()
    fill(engine, size)
    best = [9e9, 9e9, 9e9]
    for _ in range(times):
        for place, work in enumerate((count, by_segment, whole_board)):
            best[place] = min(best[place], work(engine))
    found = (*best, drawn_anew(engine))
    engine.dispose()
    return found
