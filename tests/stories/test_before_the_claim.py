"""Whatever a client or a colleague said before a mail was claimed is honoured (P6): said at every
point of the way of another mail, whether its process goes on or dies there.

The evidence is the provider's own log.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.engine import Connection

from tests.outbox.world import LEASE, SCHEDULE
from tests.stories.conftest import EVERYBODY, Open
from tests.stories.office import Office
from worker.cadence import heard
from worker.catalogue import preferences, stops, suppressions
from worker.catalogue.records import contacts, licences

LEFT = {"swept": 0, "claimed": 0, "started": 0, "sent": 1, "recorded": 1}
"""How many mails have left when the process of the first one dies at a label."""

KEYS = [f"L-{number}" for number in range(len(EVERYBODY))]

Change = Callable[[Office, Connection], None]
"""Something about every client, in a transaction that commits at once."""


class DiedError(BaseException):
    """The end of a process; nothing catches it."""


def _ids(conn: Connection, table: object = licences) -> list[int]:
    return list(conn.execute(select(table.c.id)).scalars())  # type: ignore[attr-defined]  # a table


def decline(office: Office, conn: Connection) -> None:
    for licence in _ids(conn):
        heard.decline(conn, licence, 1)


def answer(office: Office, conn: Connection) -> None:
    now = office.clock.now()
    stops.put(conn, "licence", _ids(conn), "renews", None, now, made_by=stops.CLIENT)


def bounce(office: Office, conn: Connection) -> None:
    for address in EVERYBODY:
        suppressions.suppress(conn, address, suppressions.BOUNCED, None, office.clock.now())


def complain(office: Office, conn: Connection) -> None:
    for address in EVERYBODY:
        suppressions.suppress(conn, address, suppressions.COMPLAINED, None, office.clock.now())


def opt_out(office: Office, conn: Connection) -> None:
    preferences.put(conn, _ids(conn, contacts), office.clock.now(), no_commercial=True)


def renew(office: Office, conn: Connection) -> None:
    _say(office, "2026-12-20", "2027-12-20")


def cancel(office: Office, conn: Connection) -> None:
    _say(office, "2025-12-20", "2026-12-20", "cancelled")


def _say(office: Office, start: str, end: str, status: str = "active") -> None:
    lines = ["licence,account,name,product,start,end,status,auto,contact,email"]
    lines += [
        f"{key},A-{key},Client,Product,{start},{end},{status},no,C-{number},{EVERYBODY[number]}"
        for number, key in enumerate(KEYS)
    ]
    office.load_all(lines)


CHANGES: list[Change] = [renew, cancel, decline, answer, bounce, complain, opt_out]


def _change(office: Office, change: Change) -> None:
    if change in (renew, cancel):  # an import commits by itself
        with office.engine.connect() as conn:
            change(office, conn)
    else:
        with office.engine.begin() as conn:
            change(office, conn)


def _one_by_one(office: Office, pause: Callable[[str], None]) -> None:
    channel = office.channel()
    built = office.machine_on(office.engine, office.clock, channel, pause, LEASE)
    try:
        built.sweep()
        while built.send_batch(1):
            pass
    except DiedError:
        pass
    finally:
        channel.close()


@pytest.mark.parametrize("dies", [False, True], ids=["goes on", "dies"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("label", LEFT)
def test_what_was_said_before_the_claim_means_no_mail(
    opened: Open, label: str, change: Change, dies: bool
) -> None:
    office = opened()
    if change is opt_out:
        office.apply(SCHEDULE.replace("contractual", "commercial"))
    said: list[str] = []

    def pause(now: str) -> None:
        if now == label and not said:
            said.append(now)
            _change(office, change)
            if dies:
                raise DiedError

    _one_by_one(office, pause)
    assert said
    office.live_on()
    # The one that was claimed already cannot be called back.
    assert len(office.taken()) == (LEFT[label] if dies else label != "swept")
