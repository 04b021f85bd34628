"""What people do to tasks: of two at once one wins, nothing is lost, nobody overwrites unseen."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from tests.worklist.conftest import CAPACITY, NOW, TODAY, Office, hand, on
from worker.access.rules import Role
from worker.catalogue import stops
from worker.db.engine import reading
from worker.db.records import endpoints, notices
from worker.kernel.errors import FindingsError
from worker.worklist import flow, store
from worker.worklist.flow import ChangedError, Wanted


def listen(engine: Engine) -> None:
    row = {"name": "crm", "url": "https://crm.example.com", "types": [], "changed_at": NOW}
    with engine.begin() as conn:
        conn.execute(insert(endpoints).values(row))


def noticed(engine: Engine) -> list[tuple[str, dict[str, Any]]]:
    with reading(engine) as conn:
        rows = conn.execute(select(notices).order_by(notices.c.id)).all()
    return [(row.type, row.body) for row in rows]


def test_a_task_without_an_assignee_is_for_the_pool_of_its_kind(office: Office) -> None:
    assert office.task(office.open("a", "answer")).pool == "renewals"
    assert office.task(office.open("b", assignee="SARA")).pool is None
    role = office.task(office.open("c", assignee="renewal-manager"))
    assert (role.assignee, role.pool) == (None, "sales"), "a role that nobody fills is nobody"


def test_opening_twice_is_told_once(office: Office) -> None:
    listen(office.engine)
    number = office.open("a", account_id=office.account)
    with office.engine.begin() as conn:
        again = store.NewTask("a", "step", "Again")
        assert store.open_tasks(conn, [again], NOW) == []
    ((type_, body),) = noticed(office.engine)
    assert type_ == "task.opened"
    assert (body["task"], body["account"], body["title"]) == (number, "A/1 x", "Task a")


def test_of_two_who_claim_at_once_one_gets_it_and_the_other_is_told_who(office: Office) -> None:
    number = office.open()
    gate, said = threading.Barrier(2), []

    def claim(who: str) -> None:
        gate.wait()
        try:
            flow.claim(office.engine, hand(who), number, 1, NOW, CAPACITY)
        except ChangedError as error:
            said.append((who, error))

    both = [threading.Thread(target=claim, args=[who]) for who in ("SARA", "TOM")]
    for each in both:
        each.start()
    for each in both:
        each.join()
    ((loser, error),) = said
    winner = {"SARA": "TOM", "TOM": "SARA"}[loser]
    assert office.task(number).assignee == winner
    assert error.task.assignee == winner
    assert f"{winner} has it now" in str(error)
    assert [what for _, what, _ in office.history(number)] == ["claimed"]


def test_a_task_goes_from_hand_to_hand_and_each_step_is_written_down_twice(
    office: Office,
) -> None:
    number = office.open(account_id=office.account)
    sara, boss = hand("SARA"), hand("ANN", Role.RENEWALS)
    flow.claim(office.engine, sara, number, 1, NOW, CAPACITY)
    flow.note(office.engine, sara, number, 2, "They ring back on Friday", NOW)
    flow.snooze(office.engine, sara, number, 3, on(27), TODAY)
    flow.assign(office.engine, boss, number, 4, "TOM", NOW)
    assert office.task(number).snoozed_until is None, "who is given a task sees it"
    flow.give_back(office.engine, hand("TOM"), number, 5, NOW)
    task = flow.close(office.engine, sara, number, 6, "will-renew", "for two years", NOW)
    assert (task.assignee, task.pool, task.outcome) == (None, "sales", "will-renew")
    assert task.closed_by == "sara"
    assert office.history(number) == [
        ("sara", "claimed", None),
        ("sara", "noted", "They ring back on Friday"),
        ("sara", "snoozed", "until 2026-11-27"),
        ("ann", "assigned", "to TOM"),
        ("tom", "given-back", "by TOM"),
        ("sara", "closed", "will-renew: for two years"),
    ]
    verbs = ["claimed", "noted", "snoozed", "assigned", "given-back", "closed"]
    assert [what for _, what, _ in office.logged()] == [f"task.{verb}" for verb in verbs]
    assert {about for _, _, about in office.logged()} == {f"task {number}"}


def test_who_saw_an_older_version_changes_nothing(office: Office) -> None:
    number = office.open(assignee="SARA")
    sara = hand("SARA")
    flow.note(office.engine, sara, number, 1, "spoke to them", NOW)
    before = office.task(number), office.history(number)
    engine = office.engine
    for act in (
        lambda: flow.give_back(engine, sara, number, 1, NOW),
        lambda: flow.assign(engine, sara, number, 1, "TOM", NOW),
        lambda: flow.snooze(engine, sara, number, 1, on(27), TODAY),
        lambda: flow.note(engine, sara, number, 1, "again", NOW),
        lambda: flow.close(engine, sara, number, 1, "done", "", NOW),
    ):
        with pytest.raises(ChangedError) as caught:
            act()
        assert caught.value.task.version == 2
    assert (office.task(number), office.history(number)) == before


def test_closing_lifts_the_stops_that_waited_and_is_told(office: Office) -> None:
    listen(office.engine)
    number = office.open("answer:m:1", "answer", assignee="SARA", account_id=office.account)
    with office.engine.begin() as conn:
        stops.put(
            conn,
            "account",
            [office.account],
            "answered",
            None,
            NOW,
            made_by=stops.CLIENT,
            task_key="answer:m:1",
        )
    flow.close(office.engine, hand("SARA"), number, 1, "done", "", NOW)
    with reading(office.engine) as conn:
        assert not stops.standing(conn)
    type_, body = noticed(office.engine)[-1]
    assert type_ == "task.closed"
    assert (body["outcome"], body["closed_by"]) == ("done", "sara")


def test_nobody_listens_nothing_is_noted(office: Office) -> None:
    number = office.open(assignee="SARA")
    flow.close(office.engine, hand(), number, 1, "done", "", NOW)
    assert noticed(office.engine) == []


def test_a_hand_holds_as_many_as_it_may(office: Office) -> None:
    numbers = [office.open(f"k{place}") for place in range(3)]
    for number in numbers[:2]:
        flow.claim(office.engine, hand(), number, 1, NOW, 2)
    with pytest.raises(FindingsError, match="may have 2 at a time"):
        flow.claim(office.engine, hand(), numbers[2], 1, NOW, 2)
    assert office.task(numbers[2]).assignee is None
    flow.close(office.engine, hand(), numbers[0], 2, "done", "", NOW)
    flow.claim(office.engine, hand(), numbers[2], 1, NOW, 2)


def test_what_somebody_was_given_does_not_fill_their_hand(office: Office) -> None:
    given, free = office.open("a", assignee="SARA"), office.open("b")
    assert office.task(given).claimed_at is None
    flow.claim(office.engine, hand(), free, 1, NOW, 1)


@pytest.mark.parametrize("kind", ["brake", "approval"])
def test_what_a_command_answers_is_not_closed_by_hand(office: Office, kind: str) -> None:
    number = office.open("b", kind)
    with pytest.raises(FindingsError, match="not closed by hand"):
        flow.close(office.engine, hand("ANN", Role.ADMIN), number, 1, "done", "", NOW)
    assert office.task(number).closed_at is None
    with office.engine.begin() as conn:
        assert store.close(conn, "b", "released", NOW) == 1
    assert office.history(number) == [(None, "closed", "released")]


def test_a_closed_task_stays_as_it_is(office: Office) -> None:
    number = office.open(assignee="SARA")
    flow.close(office.engine, hand(), number, 1, "done", "", NOW)
    with pytest.raises(ChangedError, match="was closed meanwhile by sara: done"):
        flow.assign(office.engine, hand("ANN", Role.ADMIN), number, 2, "TOM", NOW)
    with pytest.raises(FindingsError, match="No task has the number 999"):
        flow.note(office.engine, hand(), 999, 1, "x", NOW)


def test_a_form_that_is_sent_twice_opens_one_task(office: Office) -> None:
    wanted = Wanted("promise", "Call", "", on(27), "SARA", office.account, "m4rk")
    first = flow.open_by_hand(office.engine, hand(), wanted, TODAY)
    assert flow.open_by_hand(office.engine, hand(), wanted, TODAY) == first
    assert office.logged() == [("sara", "task.opened", f"task {first}")]
    assert office.task(first).opened_by == "sara"


def test_a_viewer_opens_nothing_and_a_promise_needs_a_client_and_a_keeper(office: Office) -> None:
    viewer, wanted = hand("SARA", Role.VIEWER), Wanted("todo", "x", "", None, "", None)
    with pytest.raises(FindingsError, match="changes nothing"):
        flow.open_by_hand(office.engine, viewer, wanted, TODAY)
    wanted = Wanted("promise", "x", "", None, "BOB", None)
    with pytest.raises(FindingsError) as caught:
        flow.open_by_hand(office.engine, hand(), wanted, TODAY)
    said = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert said == ["due", "assignee", "account"]


def test_an_account_tells_its_tasks_open_and_lately_closed(office: Office) -> None:
    old = office.open("old", account_id=office.account, opened_at=NOW.replace(year=2025))
    with office.engine.begin() as conn:
        store.close(conn, "old", "done", NOW.replace(year=2025))
    open_, other = office.open("new", account_id=office.account), office.open("other")
    since = NOW.replace(month=1)
    with reading(office.engine) as conn:
        found = [row.id for row in store.of_account(conn, office.account, since, 10)]
        assert found == [open_]
        early = NOW.replace(year=2024)
        assert [row.id for row in store.of_account(conn, office.account, early, 1)] == [open_]
        assert {row.id for row in store.of_account(conn, office.account, early, 9)} == {old, open_}
    assert other not in found
