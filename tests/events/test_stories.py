"""What follows when a provider tells what became of a mail."""

from __future__ import annotations

import pytest

from tests.events.world import EventWorld, make
from worker.cadence.ahead import Forecasting
from worker.cadence.explain import explain
from worker.cadence.library import Defaults
from worker.channels.told import click_detail
from worker.db.engine import reading

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"
CLICK = click_detail("https://example.com/answer", BROWSER)
OTHER_LINK = click_detail("https://example.com/quote", BROWSER)


@pytest.fixture
def sent(world: EventWorld) -> EventWorld:
    """A heads-up is out to the decision-maker; procurement stands on the next rung."""
    world.licence()
    world.person("anna")
    world.person("piotr", "procurement")
    world.apply_ladder()
    world.run()
    assert world.addresses() == ["anna@example.com"]
    return world


def test_a_mail_that_bounces_goes_to_the_next_rung_at_the_next_open_moment(
    sent: EventWorld,
) -> None:
    sent.later(hours=6)  # it is 18:00 on a Friday: the window is closed
    sent.tell(sent.event("bounced", "anna@example.com", detail="550 5.1.1 no such user"))
    sent.run()
    assert sent.addresses() == ["anna@example.com"]
    sent.later(hours=64)  # Monday, within the first hour of the window
    sent.run()
    assert sent.addresses() == ["anna@example.com", "piotr@example.com"]
    assert sent.fates() == {"anna@example.com": "bounced", "piotr@example.com": None}
    assert sent.silent() == {"anna@example.com": "bounced"}
    assert sent.decisions()["heads-up"] == ("waiting", None)
    asked = Forecasting(Defaults(), sent.clock.now())
    with reading(sent.engine) as conn:
        told = explain(conn, asked, "L-1").records
    mails = [(one.decision, one.reason, one.to) for one in told if one.step == "heads-up"]
    assert mails == [
        ("sent", "bounced", ("anna@example.com",)),
        ("sent", None, ("piotr@example.com",)),
    ]


def test_the_step_after_a_bounce_goes_to_the_next_rung_at_once(sent: EventWorld) -> None:
    sent.tell(sent.event("bounced", "anna@example.com"))
    sent.run()
    sent.later(days=10)
    sent.run()
    assert sent.addresses() == ["anna@example.com", "piotr@example.com", "piotr@example.com"]


def test_when_nobody_is_left_somebody_has_to_find_a_contact(sent: EventWorld) -> None:
    sent.tell(sent.event("bounced", "anna@example.com"))
    sent.run()
    sent.tell(sent.event("bounced", "piotr@example.com"))
    sent.run()
    assert sent.addresses() == ["anna@example.com", "piotr@example.com"]
    assert sent.tasks() == [("no-contact", "No reachable contact")]
    assert sent.decisions()["heads-up"] == ("blocked", "no-reachable-contact")


def test_a_mail_that_also_reached_a_colleague_is_not_sent_again(world: EventWorld) -> None:
    world.licence()
    for name in ("anna", "jan"):
        world.person(name)
    world.person("piotr", "procurement")
    world.apply_ladder()
    world.run()
    world.tell(world.event("bounced", "anna@example.com"))
    world.run()
    assert world.addresses() == ["anna@example.com", "jan@example.com"]
    world.tell(world.event("bounced", "jan@example.com"))
    world.run()
    assert world.addresses() == ["anna@example.com", "jan@example.com", "piotr@example.com"]


def test_a_bounce_told_ten_times_is_one_bounce(sent: EventWorld) -> None:
    told = sent.event("bounced", "anna@example.com")
    for _ in range(3):
        sent.tell(told, told)
        sent.run()
    assert sent.addresses() == ["anna@example.com", "piotr@example.com"]
    assert len(sent.kept()) == 1


def test_a_late_bounce_of_a_renewed_licence_changes_nothing_but_the_address(
    sent: EventWorld,
) -> None:
    sent.licence(start="2026-12-20", end="2027-12-20")
    sent.run()
    sent.tell(sent.event("bounced", "anna@example.com"))
    sent.run()
    assert sent.addresses() == ["anna@example.com"]
    assert sent.silent() == {"anna@example.com": "bounced"}
    assert sent.decisions()["heads-up"] == ("waiting", None)


def test_a_bounce_silences_mails_that_are_decided_and_not_yet_sent(world: EventWorld) -> None:
    world.licence()
    world.licence("L-2")
    world.person("anna")
    world.apply_ladder()
    world.run()
    world.person("anna2", licence="L-2")
    with world.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE contacts SET email = 'anna@example.com' WHERE key = 'anna2'")
    world.decide()
    world.tell(world.event("bounced", "anna@example.com", mail=0))
    world.run()
    assert world.addresses() == ["anna@example.com"]


def test_a_spam_report_silences_the_address_and_tells_the_account_manager(
    sent: EventWorld,
) -> None:
    sent.tell(sent.event("complained", "anna@example.com"))
    sent.run()
    assert sent.silent() == {"anna@example.com": "complained"}
    assert sent.tasks() == [("complaint", "A mail was reported as spam")]
    assert sent.addresses() == ["anna@example.com"]  # she has read this one
    sent.later(days=10)
    sent.run()
    assert sent.addresses() == ["anna@example.com", "piotr@example.com"]


@pytest.mark.parametrize("kind", ["blocked", "dropped"])
def test_a_notice_that_was_refused_this_time_is_work_for_a_person(
    sent: EventWorld, kind: str
) -> None:
    sent.tell(sent.event(kind, "anna@example.com"))
    sent.run()
    assert sent.silent() == {}
    assert sent.addresses() == ["anna@example.com"]
    assert sent.tasks() == [("undelivered", "A notice about a contract did not arrive")]


@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        ("contractual", {"no_commercial", "no_surveys"}),
        ("commercial", {"no_commercial"}),
        ("survey", {"no_surveys"}),
    ],
)
def test_who_unsubscribes_gets_no_more_of_that_kind_and_still_every_notice(
    world: EventWorld, kind: str, choices: set[str]
) -> None:
    world.licence()
    world.person("anna")
    world.apply_ladder(kind)
    world.run()
    world.tell(world.event("unsubscribed", "anna@example.com"))
    assert world.chosen() == {"anna@example.com": choices}
    assert world.silent() == {}
    world.later(days=10)
    world.run()
    mails = 2 if kind == "contractual" else 1
    assert world.addresses() == ["anna@example.com"] * mails
    world.licence("L-2", end="2026-12-30")
    world.person("bert", licence="L-2")
    with world.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE contacts SET email = 'anna@example.com' WHERE key = 'bert'")
    world.tell(world.event("unsubscribed", "anna@example.com"))
    assert world.chosen() == {"anna@example.com": choices}


def test_a_person_who_clicks_is_not_reminded(sent: EventWorld) -> None:
    sent.tell(sent.event("delivered", "anna@example.com"))
    assert sent.happened() == {"delivered"}
    sent.tell(sent.event("clicked", "anna@example.com", after=3600, detail=CLICK))
    assert sent.happened() == {"delivered", "clicked"}
    sent.later(days=10)
    sent.run()
    assert sent.addresses() == ["anna@example.com"]


def test_a_scanner_that_clicks_is_nobody(sent: EventWorld) -> None:
    sent.tell(
        sent.event("delivered", "anna@example.com", after=60),
        sent.event("clicked", "anna@example.com", after=62, detail=CLICK),
    )
    assert sent.happened() == {"delivered"}
    assert [(row.kind, row.machine) for row in sent.kept()] == [
        ("delivered", False),
        ("clicked", True),
    ]
    sent.later(days=10)
    sent.run()
    assert sent.addresses() == ["anna@example.com"] * 2


def test_a_click_that_turns_out_to_be_a_scanners_is_taken_back(sent: EventWorld) -> None:
    sent.tell(
        sent.event("delivered", "anna@example.com"),
        sent.event("clicked", "anna@example.com", after=600, detail=CLICK),
    )
    assert sent.happened() == {"delivered", "clicked"}
    sent.tell(sent.event("clicked", "anna@example.com", after=600, detail=OTHER_LINK))
    assert sent.happened() == {"delivered"}
    assert [row.machine for row in sent.kept()] == [False, True, True]


def test_a_click_told_before_the_delivery_counts_once_the_delivery_is_told(
    sent: EventWorld,
) -> None:
    sent.tell(sent.event("clicked", "anna@example.com", after=600, detail=CLICK))
    assert sent.happened() == {"delivered"}
    sent.tell(sent.event("delivered", "anna@example.com", after=60))
    assert sent.happened() == {"delivered", "clicked"}


def test_a_mail_that_comes_back_after_its_delivery_was_not_delivered(sent: EventWorld) -> None:
    sent.tell(sent.event("delivered", "anna@example.com"))
    sent.tell(sent.event("bounced", "anna@example.com", after=90))
    assert sent.happened() == set()
    assert sent.fates() == {"anna@example.com": "bounced"}
    sent.run()
    assert sent.addresses() == ["anna@example.com", "piotr@example.com"]


@pytest.mark.parametrize("late", [False, True], ids=["delivery first", "bounce first"])
def test_what_came_back_from_one_is_not_delivered_while_nothing_is_told_of_the_other(
    world: EventWorld, late: bool
) -> None:
    world.licence()
    for name in ("anna", "jan"):
        world.person(name)
    world.apply_ladder()
    world.run()
    told = [
        world.event("delivered", "anna@example.com"),
        world.event("bounced", "anna@example.com"),
    ]
    for one in reversed(told) if late else told:
        world.tell(one)
    assert world.happened() == set()
    world.tell(world.event("delivered", "jan@example.com"))
    assert world.happened() == {"delivered"}


def test_what_happens_to_a_redirected_mail_says_nothing_of_the_client(sent: EventWorld) -> None:
    """Mode redirect: somebody else's mailbox takes every mail."""
    for kind in ("delivered", "clicked", "bounced", "complained", "unsubscribed"):
        sent.tell(
            sent.event(kind, "anna@example.com", after=600, detail=CLICK, address="qa@example.org")
        )
    sent.run()
    assert (sent.silent(), sent.chosen(), sent.happened(), sent.tasks()) == ({}, {}, set(), [])
    assert sent.addresses() == ["anna@example.com"]
    assert sent.fates() == {"anna@example.com": "complained"}


def test_an_event_of_no_mail_of_ours_is_kept_and_changes_nothing(sent: EventWorld) -> None:
    other = {"key": "x", "at": sent.clock.now(), "address": "anna@example.com", "raw": {}}
    taken = sent.tell(
        make(kind="bounced", mail_key="zzzzzzzzzzzzzzzz", copy="0" * 12, **other),
        make(kind="bounced", **(other | {"key": "y"})),
        sent.event("bounced", "anna@example.com", copy="0" * 12),
    )
    assert taken == (3, 3, 0)
    assert [row.orphan for row in sent.kept()] == [True, True, True]
    assert sent.silent() == {}
    assert sent.fates() == {"anna@example.com": None}


def test_an_event_of_an_unknown_kind_is_kept_and_changes_nothing(sent: EventWorld) -> None:
    assert sent.tell(sent.event("unknown", "anna@example.com")) == (1, 0, 1)
    (row,) = sent.kept()
    assert (row.kind, row.orphan, row.raw) == ("unknown", False, {"event": "unknown"})
    assert sent.fates() == {"anna@example.com": None}


def test_a_mail_is_known_by_the_providers_id_where_our_key_is_missing(sent: EventWorld) -> None:
    with sent.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE messages SET provider_id = 'abc'")
    named = {"mail_key": None, "copy": None}
    sent.tell(sent.event("delivered", "anna@example.com", provider_id="abc", **named))
    assert sent.fates() == {"anna@example.com": "delivered"}
    (row,) = sent.kept()
    assert (row.orphan, row.mail_key) == (False, sent.ledger()[0].mail_key)


def test_a_report_that_knows_the_mail_and_not_the_copy_is_matched_by_address(
    world: EventWorld,
) -> None:
    world.licence()
    for name in ("anna", "jan"):
        world.person(name)
    world.apply_ladder()
    world.run()
    world.tell(world.event("deferred", "anna@example.com", copy=None, address="ANNA@example.com"))
    assert world.fates() == {"anna@example.com": "deferred", "jan@example.com": None}
    world.tell(world.event("deferred", "anna@example.com", copy=None, address="x@example.com"))
    assert [row.orphan for row in world.kept()] == [False, True]
