"""A year lived through day by day: nightly imports renew, correct, cancel and add, the engine plans
and sends, and the independent judge goes over every licence afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.oracle import book as books
from tests.oracle.cadences import schedules
from tests.oracle.judge import judge
from tests.oracle.live import files, live
from tests.oracle.script import read as read_script
from tests.staff import OFFICE
from worker.cadence import flow, machine, rehearse, report
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.catalogue.flow import Options, import_source
from worker.channels.rehearsal import RehearsalChannel
from worker.config.loading import load
from worker.db.engine import make_engine
from worker.db.types import metadata
from worker.kernel.clock import VirtualClock
from worker.kernel.dates import Period
from worker.schedules.flow import Draft
from worker.schedules.loader import load_text

BEGINS = datetime(2024, 1, 1, tzinfo=UTC)
LAST = date(2024, 12, 31)


@pytest.mark.parametrize("stem", ["ten", "business", "later", "mixed"])
def test_nightly_imports_never_lead_the_engine_astray(stem: str, tmp_path: Path) -> None:
    whole = books.generate(seed=23, licences=400)
    base, events = live(whole, BEGINS, LAST)
    (tmp_path / "config.toml").write_text(books.SOURCES, encoding="utf-8")
    (tmp_path / "contacts.csv").write_text(books.contacts_csv(whole), encoding="utf-8")
    sources = load(tmp_path, {}).settings.sources
    engine = make_engine(f"sqlite:///{tmp_path}/perennial.db", durable=False)
    metadata.create_all(engine)
    clock = VirtualClock(BEGINS)

    def importing(name: str, text: str) -> Callable[[], None]:
        def run() -> None:
            file = tmp_path / f"{name}.csv"
            file.write_text(text, encoding="utf-8")
            import_source(engine, name, sources[name], clock, tmp_path, Options(file=file))

        return run

    text = schedules()[stem]
    draft = Draft(load_text(text.encode(), f"schedules/{stem}.toml", templates=None), text, {})
    works = machine.build(
        engine,
        clock,
        RehearsalChannel(tmp_path / "mails", BEGINS, per_step=0),
        defaults=Defaults(),
        letterhead=Letterhead("Jo <jo@example.com>"),
        lease=timedelta(days=1),
    )
    importing("licences", books.licences_csv(base))()
    importing("contacts", books.contacts_csv(whole))()
    flow.apply(engine, clock, [draft], OFFICE)
    agenda = [(moment, importing("licences", file)) for moment, file in files(whole, events)]
    # Contacts of an account that joins the book with a licence come in after it.
    people = importing("contacts", books.contacts_csv(whole))
    agenda += [(moment, people) for moment, kind, _ in events if kind == "add"]
    agenda.sort(key=lambda event: event[0])
    end = datetime(2025, 1, 2, 12, tzinfo=UTC)
    rehearse.live_through(works, clock, agenda, end)

    asked = rehearse.Asked(
        Period(BEGINS.date(), LAST),
        [draft],
        Defaults(),
        Letterhead("Jo <jo@example.com>"),
        clock.now(),
        tmp_path,
    )
    done = rehearse.Rehearsal(engine, works.sending.channel, asked)  # type: ignore[arg-type]
    rows = [record.json() for record in report.records(done)]
    engine.dispose()
    found = judge(
        base,
        read_script(text, stem),
        rows,
        BEGINS.date(),
        LAST,
        events,
        begins=BEGINS,
    )
    assert "\n".join(str(one) for one in found[:60]) == ""
    assert sum(row["decision"] == "sent" for row in rows) > 300
