"""The book that the pages for staff are measured on: every table that a page reads is full.

Rows are made by the server that keeps them, and indexes are laid when they are there: a million
licences with their past are ten million rows, which a client would send for an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy import Engine, text
from sqlalchemy.engine import Connection

from bench import book
from bench.engine import TEMPLATES
from worker.access.audit import NOBODY
from worker.cadence import flow
from worker.cadence.library import Library
from worker.db.engine import reading
from worker.kernel.clock import SystemClock, VirtualClock
from worker.templating import texts

PER_ACCOUNT = 5
SARA = "sara"
SILENT = 20
"""One account in so many has an open episode, with a task of its own."""

_TABLES = (
    *("accounts", "contacts", "licences", "terms", "walks", "steps", "messages", "tasks"),
    *(
        "stops",
        "orders",
        "order_days",
        "scores",
        "episodes",
        "episode_lines",
        "invitations",
        "responses",
    ),
    "response_themes",
)

# Terms of a year that end over the year to come, an account's some weeks apart; some are over.
_ENDS = ":today + (i * 323 % 365)::int - 20"
_ACCOUNT = f"(i - 1) / {PER_ACCOUNT} + 1"
_ZONES = "(ARRAY['Europe/London', 'Europe/Warsaw', 'Europe/Berlin'])[a % 4 + 1]"
_LANE = "(ARRAY['gone-quiet', 'just-overdue', 'buying-less'])[a % 3 + 1]"
_SEGMENT = "(ARRAY['smb', 'mid', 'large', 'key', 'public'])[a % 5 + 1]"
_ROLE = "(ARRAY['decision-maker', 'procurement', 'technical', 'end-user'])[n % 4 + 1]"
_REASONS = """'[{"code": "silent", "days": 90, "usual": 30}]'"""
_LINE_OF = "'Line ' || (a + 7 * n) % 40"

_BOOK = (
    f"""INSERT INTO accounts (id, key, name, segment, country, timezone, account_manager,
        cost_to_serve, updated_at)
    SELECT a, 'A' || a, 'Firm ' || a, {_SEGMENT},
        (ARRAY['GB', 'PL', 'DE'])[a % 4 + 1], {_ZONES},
        CASE a % 199 WHEN 7 THEN '{SARA}' ELSE 'm' || a % 199 END, 100 + a % 900, :now
    FROM generate_series(1, :accounts) a""",
    """INSERT INTO contacts (id, key, account_id, email, name, role, updated_at)
    SELECT a, 'C' || a, a, 'anna' || a || '@example.com', 'Anna ' || a, 'decision-maker', :now
    FROM generate_series(1, :accounts) a""",
    f"""INSERT INTO licences (id, key, account_id, product, vendor, quantity, amount, currency,
        auto_renew, term, starts_on, expires_on, updated_at)
    SELECT i, 'L' || i, {_ACCOUNT}, 'Product ' || i % 40, 'Vendor ' || i % 7, i % 50 + 1,
        100 + i % 900, 'EUR', i % 4 = 0 AND {_ENDS} > :today, 2, {_ENDS} - 365, {_ENDS}, :now
    FROM generate_series(1, :licences) i""",
    """INSERT INTO terms (licence_id, number, origin, starts_on, expires_on, closed_on, seen_at)
    SELECT l.id, n, (ARRAY['first', 'renewal'])[n], l.expires_on - 365 * (3 - n),
        l.expires_on - 365 * (2 - n), CASE WHEN n = 2 AND l.id % 2 = 1
        THEN l.starts_on - (l.id * 31 % 26)::int + 5 END, :now
    FROM licences l CROSS JOIN generate_series(1, 2) n""",
)

# The walk of the term that runs; that of the one before, which was mailed about, is over.
_NEXT = """(SELECT min(l.expires_on + back) FROM unnest(ARRAY[-90, -60, -30, -14, -7, -1, 0, 3, 7,
    30]) back WHERE l.expires_on + back > :today)"""
_MAIL_KEY = "md5(w.id::text)"
_PAST = (
    """INSERT INTO stops (scope, subject_id, reason, made_at)
    SELECT 'licence', id, 'The client asked for it', :now FROM licences WHERE id % 100 = 50""",
    f"""INSERT INTO walks (id, schedule, subject_id, cycle, anchor_on, first_act_at, next_at, state)
    SELECT l.id, 'ten', l.id, 2, l.expires_on, l.starts_on, {_NEXT} + time '09:00', 'active'
    FROM licences l""",
    """INSERT INTO walks (id, schedule, subject_id, cycle, anchor_on, first_act_at, state, reason)
    SELECT :licences + l.id, 'ten', l.id, 1, l.starts_on, l.starts_on - 365, 'ended', 'renewed'
    FROM licences l""",
    f"""INSERT INTO steps (walk_id, step, kind, decision, due_on, at, decided_at, version_id,
        mail_key)
    SELECT w.id, 'step-' || n, 'email', (ARRAY['superseded', 'waiting'])[n + 1],
        w.anchor_on - 90 + 30 * n, w.anchor_on - 60 + time '09:00', w.anchor_on - 60 + time '09:00',
        :version, CASE n WHEN 1 THEN {_MAIL_KEY} END
    FROM walks w CROSS JOIN generate_series(0, 1) n WHERE w.anchor_on <= :today + 60""",
    f"""INSERT INTO messages (mail_key, address, contact_id, schedule, step, version_id, template,
        kind, day, state, valid_until, accepted_at, created_at, subject)
    SELECT {_MAIL_KEY}, 'anna' || l.account_id || '@example.com', l.account_id, 'ten', 'step-1',
        :version, 'renewal/heads-up', 'commercial', w.anchor_on - 60, 'accepted',
        w.anchor_on - 53, w.anchor_on - 60 + time '09:00', w.anchor_on - 60 + time '09:00',
        'Your licence ' || l.key
    FROM walks w JOIN licences l ON l.id = w.subject_id WHERE w.anchor_on <= :today + 60
    ORDER BY w.cycle, w.id""",
)

_SALES = (
    f"""INSERT INTO orders (key, account_id, product_line, ordered_on, amount, currency, updated_at)
    SELECT 'O' || a || '-' || n, a, {_LINE_OF}, :today - (a % 60)::int - 60 * n, 50 + a % 900,
        'EUR', :now
    FROM generate_series(1, :accounts) a CROSS JOIN generate_series(1, 12) n""",
    """INSERT INTO order_days (account_id, day, product_line, currency, net, sold, orders)
    SELECT account_id, ordered_on, product_line, currency, sum(amount), sum(amount), count(*)
    FROM orders GROUP BY account_id, ordered_on, product_line, currency""",
    """INSERT INTO score_runs (as_of, scored_at, clients, slope, intercept, fitted)
    VALUES (:today - 1, :now, :accounts, 1, 0, 0)""",
    f"""INSERT INTO scores (as_of, account_id, place, score, at_stake, currency, lane,
        last_order_on, usual_gap_days, drop_share, product_lines, reasons)
    SELECT :today - 1, a, a, (a % 97) / 97.0, 100 + a * 7919 % 90000, 'EUR',
        CASE a % {SILENT} WHEN 7 THEN {_LANE} END, :today - 60, 30, 0.2, '[]', '[]'
    FROM generate_series(1, :accounts) a""",
    f"""INSERT INTO episodes (id, schedule, account_id, number, flagged_on, as_of, lane, score,
        at_stake, currency, reasons, facts, relative_stake, urgency, entered)
    SELECT a, 'reactivation', a, 1, :today, :today - 1, {_LANE}, 0.8, 100 + a * 7919 % 90000,
        'EUR', {_REASONS}, json_build_object('evidence', ARRAY[35, 31],
            'last_order_on', :today - 90,
            'usual_gap_days', 30, 'drop', 0.6, 'product_lines', json_build_array(
            json_build_object('product_line', 'Line ' || a % 40, 'drop', 0.6),
            json_build_object('product_line', 'Line ' || (a + 7) % 40, 'drop', 0.6))),
        (100 + a * 7919 % 90000) / 45000.0, (100 + a * 7919 % 90000) / 45000.0 * (a % 97) / 97,
        true
    FROM generate_series(7, :accounts, {SILENT}) a""",
    f"""INSERT INTO episode_lines (product_line, episode_id)
    SELECT 'Line ' || (a + n) % 40, a FROM generate_series(7, :accounts, {SILENT}) a,
        unnest(ARRAY[0, 7]) n""",
)

_ANSWERS = (
    f"""INSERT INTO invitations (id, schedule, survey, contact_id, account_id, promise, role,
        segment, product, asked_on, asked_at, answered)
    SELECT (a - 1) * 5 + n, 'surveys', 'renewal', a, a, 'named', {_ROLE}, {_SEGMENT},
        'Product ' || a % 40, :today - ((a * 5 + n) * 37 % 365)::int, :now, n % 2 = 0
    FROM generate_series(1, :accounts) a CROSS JOIN generate_series(1, 5) n""",
    """INSERT INTO responses (id, schedule, survey, promise, invitation_id, account_id, contact_id,
        score, vote, comment, role, segment, product, answered_on, source)
    SELECT id << 8, schedule, survey, promise, id, account_id, contact_id, id % 11,
        CASE WHEN id % 11 >= 9 THEN 1 WHEN id % 11 <= 6 THEN -1 ELSE 0 END,
        CASE id % 4 WHEN 0 THEN 'The price went up' END, role, segment, product, asked_on, 'page'
    FROM invitations WHERE answered""",
    """INSERT INTO response_themes (response_id, theme, answered_on)
    SELECT id, 'price', answered_on FROM responses WHERE comment IS NOT NULL""",
)

# What was counted beside the work and remembered: the coming days, and how many walks there are.
_COUNTED = (
    """INSERT INTO forecast_days (schedule, day, mails, tasks, one_in, at)
    SELECT 'ten', :today + d, count(w.id), 0, 1, :now FROM generate_series(0, 89) d
    LEFT JOIN walks w ON w.next_at >= :today + d AND w.next_at < :today + d + 1 GROUP BY d""",
    """INSERT INTO walk_counts (schedule, state, walks, at)
    SELECT schedule, state, count(*), :now FROM walks GROUP BY schedule, state""",
)

# One in fifty is Sara's, half of the others are their pool's; those about silent clients come last.
_WORK = (
    f"""INSERT INTO tasks (key, kind, title, account_id, assignee, pool, due_on, opened_at)
    SELECT 't:' || t, CASE t % 10 WHEN 0 THEN 'promise' ELSE 'step' END, 'Call',
        t % :accounts + 1, CASE WHEN t % 50 = 0 THEN '{SARA}' WHEN t % 2 = 1 THEN 'ann' END,
        'sales', :today + t % 30 - 5, :now
    FROM generate_series(0, :work - :silent - 1) t""",
    f"""INSERT INTO tasks (key, kind, title, account_id, assignee, pool, due_on, opened_at)
    SELECT 'step:reactivation:call:account-' || id || '\\:1', 'dormant', 'Call', id,
        CASE WHEN id % 50 = 7 THEN '{SARA}' WHEN id % 40 = 7 THEN 'ann' END, 'sales', :today, :now
    FROM episodes ORDER BY id LIMIT :silent""",
    f"""INSERT INTO staff (key, name, updated_at)
    SELECT 'm' || m, 'Manager ' || m, :now FROM generate_series(0, 198) m
    UNION ALL SELECT '{SARA}', 'Sara Lind', :now""",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How many licences and open tasks; half of the tasks at most are about silent clients."""

    licences: int
    tasks: int

    @property
    def accounts(self) -> int:
        return self.licences // PER_ACCOUNT

    @property
    def silent(self) -> int:
        return min(self.tasks // 2, self.accounts // SILENT)


def fill(engine: Engine, size: Size) -> None:
    """Fills an empty PostgreSQL database of today, and settles it as autovacuum would."""
    now = SystemClock().now()
    values = {
        "today": now.date(),
        "now": datetime.combine(now.date(), time(6), now.tzinfo),
        "version": _apply(engine, now),
        "licences": size.licences,
        "accounts": size.accounts,
        "work": size.tasks,
        "silent": size.silent,
    }
    with engine.begin() as conn:
        conn.exec_driver_sql("SET LOCAL statement_timeout = 0")
        conn.exec_driver_sql("SET LOCAL session_replication_role = replica")  # keys are right
        conn.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        conn.exec_driver_sql("SET LOCAL work_mem = '256MB'")
        laid = _without_indexes(conn)
        for statement in (*_BOOK, *_PAST, *_SALES, *_ANSWERS, *_WORK):
            conn.execute(text(statement), values)
        for one in laid:
            conn.exec_driver_sql(one)
        for statement in _COUNTED:
            conn.execute(text(statement), values)
        _number_on(conn)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("SET statement_timeout = 0")
        conn.exec_driver_sql("VACUUM ANALYZE")
        conn.exec_driver_sql("CHECKPOINT")


def _apply(engine: Engine, now: datetime) -> int:
    """The schedule of ten mails; the number of its version."""
    draft = book.ten_steps(texts.read_folder(TEMPLATES), mail_class="commercial")
    flow.apply(engine, VirtualClock(now - timedelta(days=400)), [draft], NOBODY)
    with reading(engine) as conn:
        (version,) = Library().active(conn).values()
    return version.version_id


def _without_indexes(conn: Connection) -> Sequence[str]:
    """Takes away the indexes that no constraint needs; the statements that lay them again."""
    query = text(
        """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        AND tablename = ANY(:tables) AND indexname NOT IN (SELECT conname FROM pg_constraint)"""
    )
    found = conn.execute(query, {"tables": list(_TABLES)}).all()
    for name, _ in found:
        conn.exec_driver_sql(f"DROP INDEX {name}")
    return [laid for _, laid in found]


def _number_on(conn: Connection) -> None:
    """Has the next rows get the next numbers."""
    for table in ("accounts", "contacts", "licences", "walks", "episodes", "invitations"):
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        last = f"(SELECT max(id) FROM {table})"
        conn.exec_driver_sql(f"SELECT setval({sequence}, {last})")
