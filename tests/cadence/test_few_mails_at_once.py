"""Several processes at once: no mail is split, nothing is doubled, no address gets too much."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from sqlalchemy import func, select

from tests.cadence.conftest import Book, schedule_text
from worker.cadence.machine import Machine
from worker.cadence.records import steps
from worker.catalogue.store import mark_changed
from worker.db.engine import reading
from worker.kernel.dates import Allowance
from worker.outbox.records import messages

GROUPED = 'group_by = "contact"\ngather = "5 days"\nvalid_for = "9 days"'
CLIENTS, LICENCES = 24, 5


def _fill(book: Book, *, shared: str = "") -> None:
    """Clients with five licences each: two due today, three within the window."""
    lines = ["licence,account,name,product,start,end,status,auto,contact,email"]
    for client in range(CLIENTS):
        email = shared or f"client{client}@example.com"
        for number in range(LICENCES):
            end = f"2026-12-{20 + max(0, number - 1)}"
            sold = f"L-{client}-{number},A-{client},Client {client},Product,2025-12-01,{end}"
            lines.append(f"{sold},active,no,C-{client},{email}")
    book.load_all(lines)


def _at_once(book: Book, works: list[Callable[[Machine], int]]) -> list[BaseException]:
    """Each piece of work in a process of its own until there is nothing to do for it."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[Machine], int]) -> None:
        try:
            machine = book.machine()
            start.wait()
            idle = 0
            while idle < 4:
                idle = 0 if work(machine) else idle + 1
        except BaseException as error:  # noqa: BLE001 -- told by the tests
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return errors


def _plan(machine: Machine) -> int:
    return machine.plan_batch(limit=7)


def _send(machine: Machine) -> int:
    return machine.send_batch(5)


def _ring(book: Book) -> Callable[[Machine], int]:
    """Somebody who changes the whole book again and again meanwhile."""
    left = [6]

    def ring(machine: Machine) -> int:
        left[0] -= 1
        with book.engine.begin() as conn:
            mark_changed(conn, None)
        return max(0, left[0])

    return ring


def test_planners_side_by_side_never_split_a_mail(book: Book) -> None:
    _fill(book)
    book.apply(schedule_text("30 days before", limits=GROUPED))
    assert _at_once(book, [_plan, _plan, _plan, _plan, _ring(book)]) == []
    book.decide()
    with reading(book.engine) as conn:
        told = Counter(conn.execute(select(steps.c.mail_key)).scalars())
        mails = conn.execute(select(func.count()).select_from(messages)).scalar_one()
    assert sorted(told.values()) == [LICENCES] * CLIENTS
    assert mails == CLIENTS


def test_planners_and_senders_side_by_side_send_every_mail_once(book: Book) -> None:
    _fill(book)
    book.apply(schedule_text("30 days before", limits=GROUPED))
    assert _at_once(book, [_plan, _plan, _send, _send, _ring(book)]) == []
    book.run()
    assert book.speaks_of() == [LICENCES] * CLIENTS
    assert sorted(book.addresses()) == sorted({row.address for row in book.ledger()})


def test_clients_with_one_address_share_its_budget_even_when_judged_side_by_side(
    book: Book,
) -> None:
    book.allowance = Allowance(2, 3)
    _fill(book, shared="ann@example.com")
    book.apply(schedule_text("30 days before", limits=GROUPED, mail_class="commercial"))
    assert _at_once(book, [_plan, _plan, _plan, _send, _send]) == []
    book.run()
    assert len(book.sent()) == 2
    book.live_until("2026-11-30")
    days = Counter(line.split()[0] for line in book.sent())
    assert days == {"2026-11-20": 2, "2026-11-23": 2, "2026-11-26": 2, "2026-11-29": 2}
