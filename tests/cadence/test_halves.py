"""A book rehearsed in two halves, side by side, against the same book rehearsed in one piece."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from bench.book import WORLD, fill, ten_steps
from worker.cadence import halves, rehearse
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import contacts, licences
from worker.channels.rehearsal import RehearsalChannel
from worker.db.engine import make_engine, reading
from worker.db.types import metadata
from worker.kernel.dates import Period
from worker.outbox.records import messages
from worker.templating.texts import read_folder
from worker.worklist.records import tasks

TEMPLATES = Path(__file__).parents[2] / "templates"
Way = Callable[[Engine, rehearse.Asked, rehearse.Progress], RehearsalChannel]


def in_one(engine: Engine, asked: rehearse.Asked, progress: rehearse.Progress) -> RehearsalChannel:
    return rehearse.lived(engine, asked, progress)


def in_halves(
    engine: Engine, asked: rehearse.Asked, progress: rehearse.Progress
) -> RehearsalChannel:
    return halves.side_by_side(engine, asked, progress, rehearse.lived)


@pytest.fixture
def live(tmp_path: Path) -> Engine:
    """Forty licences with a renewal each; one account has nobody to write to."""
    engine = make_engine(f"sqlite:///{tmp_path}/live.db", durable=False)
    metadata.create_all(engine)
    draw = random.Random(5)
    first = date(2026, 2, 1)
    fill(engine, [first + timedelta(days=draw.randrange(60)) for _ in range(40)], WORLD)
    with engine.begin() as conn:
        conn.execute(contacts.delete().where(contacts.c.account_id == 7))
    return engine


def rehearsed(live: Engine, folder: Path, way: Way) -> tuple[Engine, RehearsalChannel]:
    folder.mkdir()
    copy = make_engine(f"sqlite:///{folder}/copy.db", durable=False)
    asked = rehearse.Asked(
        Period(date(2025, 2, 1), date(2025, 3, 31)),
        [ten_steps(read_folder(TEMPLATES))],
        Defaults(),
        Letterhead("Maria Lind <maria.lind@example.com>"),
        datetime(2026, 11, 1, tzinfo=UTC),
        folder,
        samples=3,
    )
    rehearse.prepare(live, copy, asked)
    return copy, way(copy, asked, lambda _: None)


def told(engine: Engine) -> list[Any]:
    """Everything that came of it, without ids and mail keys, which differ from run to run."""
    decided = (
        select(licences.c.key, walks.c.cycle, walks.c.state, steps.c.step, steps.c.decision)
        .add_columns(steps.c.reason, steps.c.due_on, steps.c.at, messages.c.address)
        .add_columns(messages.c.state, messages.c.accepted_at)
        .select_from(walks)
        .join(licences, of_licence)
        .join(steps, steps.c.walk_id == walks.c.id)
        .outerjoin(messages, messages.c.mail_key == steps.c.mail_key)
    )
    stands = select(licences.c.key, licences.c.term, licences.c.expires_on, licences.c.changed)
    opened = select(tasks.c.key, tasks.c.kind, tasks.c.account_id, tasks.c.opened_at)
    with reading(engine) as conn:
        found = [conn.execute(query).all() for query in (decided, stands, opened)]
    return [sorted(map(repr, rows)) for rows in found]


def test_two_halves_come_to_what_one_piece_comes_to(live: Engine, tmp_path: Path) -> None:
    one, _ = rehearsed(live, tmp_path / "one", in_one)
    two, _ = rehearsed(live, tmp_path / "two", in_halves)
    decided, _, opened = told(one)
    assert len(decided) >= 400
    assert opened
    assert told(two) == told(one)


def test_of_each_step_the_halves_keep_the_first_mails_and_no_other_files(
    live: Engine, tmp_path: Path
) -> None:
    _, whole = rehearsed(live, tmp_path / "one", in_one)
    _, halved = rehearsed(live, tmp_path / "two", in_halves)
    moments = sorted((mail.envelope.step, mail.at) for mail in halved.kept)
    assert moments == sorted((mail.envelope.step, mail.at) for mail in whole.kept)
    names = {name for mail in halved.kept for name in (mail.eml, mail.html)}
    assert {file.name for file in halved.folder.iterdir()} == names


def test_a_small_book_is_not_worth_two_processes(live: Engine) -> None:
    assert not halves.worth_it(live, [])
