"""The lists of the outbox are read along an index, however many mails there are."""

from __future__ import annotations

import re
from datetime import date

import pytest
from sqlalchemy import Engine, text

from worker.desk.outbox_store import HELD, TO_LEAVE, Filters, Mark, query_of

DAY = date(2026, 11, 20)
FILLED = """
INSERT INTO messages (mail_key, address, schedule, step, version_id, template, kind, day, state,
                      next_at, valid_until, created_at, accepted_at)
SELECT 'k' || n, 'a' || n % 20000 || '@example.com', 's' || n % 4, 't' || n % 12, 1, 'x',
       'contractual', DATE '2020-01-01' + n / 50,
       CASE WHEN n % 5000 = 1 THEN 'unknown' WHEN n > 99900 THEN 'due' ELSE 'accepted' END,
       CASE WHEN n % 5000 = 1 OR n > 99950 THEN now() END, now(), now(), now()
FROM generate_series(1, 100000) n
"""
VERSION = """
INSERT INTO schedule_versions
  (id, schedule, number, digest, text, templates, steps_since, active, applied_at)
VALUES (1, 's0', 1, '', '', '{}', '{}', true, now())
"""
ASKED = (
    (Filters(), "ix_messages_day"),
    (Filters("accepted"), "ix_messages_day"),
    (Filters("due"), "ix_messages_held"),
    (Filters("sending"), "ix_messages_next_at"),
    (Filters("unknown"), "ix_messages_odd"),
    (Filters("failed"), "ix_messages_odd"),
    (Filters(TO_LEAVE), "ix_messages_next_at"),
    (Filters(HELD), "ix_messages_held"),
    (Filters(schedule="s1"), "ix_messages_(day|schedule)"),  # a fourth of all: either is quick
    (Filters(schedule="none"), "ix_messages_(schedule|step)"),
    (Filters(schedule="s1", step="t1"), "ix_messages_(day|step)"),
    (Filters(schedule="s1", step="none"), "ix_messages_step"),
    (Filters(address="a5@example.com"), "ix_messages_address_day"),
    (Filters(first=DAY, last=DAY), "ix_messages_day"),
    (Filters(last=date(2021, 1, 1)), "ix_messages_day"),
    (Filters(schedule="s1", step="t1", last=date(2021, 1, 1)), "ix_messages_(day|step)"),
)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    if engine.dialect.name != "postgresql":
        pytest.skip("PostgreSQL says how it would read")
    with engine.begin() as conn:
        conn.execute(text(VERSION))
        conn.execute(text(FILLED))
        conn.execute(text("ANALYZE messages"))
    return engine


def test_no_filter_reads_or_sorts_the_whole_ledger(filled: Engine) -> None:
    for asked, index in ASKED:
        for after in (None, Mark(DAY, 50)) if asked.state != TO_LEAVE else (None,):
            with filled.connect() as conn:
                told = query_of(asked, after).compile(conn, compile_kwargs={"literal_binds": True})
                rows = conn.execute(text(f"EXPLAIN {told}".replace(":", r"\:"))).scalars()
                plan = "\n".join(rows)
            assert re.search(rf"{index}\b", plan), (asked, plan)
            assert "Seq Scan on messages" not in plan, (asked, plan)
