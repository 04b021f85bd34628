"""What may change between the decision to mail and the claim that precedes the mail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.outbox.world import SCHEDULE, World
from tests.staff import OFFICE


@pytest.fixture
def decided(world: World) -> World:
    """One licence whose heads-up is decided and not yet claimed."""
    world.licence()
    world.contact()
    world.apply()
    world.decide()
    assert world.states() == [("due", None)]
    return world


def _renew(world: World) -> None:
    world.licence(start="2026-12-20", end="2027-12-20")


def _cancel(world: World) -> None:
    world.licence(status="cancelled")


def test_a_renewal_committed_before_the_claim_means_no_mail(decided: World) -> None:
    _renew(decided)
    decided.machine().send_batch()
    assert decided.states() == [("cancelled", "renewed")]
    assert decided.decisions()["heads-up"] == ("cancelled", "renewed")
    decided.run()
    assert decided.mails() == []


@pytest.mark.parametrize("change", [_renew, _cancel])
@pytest.mark.parametrize("moment", ["before planning", "after planning", "after a claim was lost"])
def test_a_renewal_or_cancellation_before_the_last_claim_means_no_mail_at_any_moment(
    world: World, moment: str, change: Callable[[World], None]
) -> None:
    world.licence()
    world.contact()
    world.apply()
    if moment == "before planning":
        change(world)
    world.decide()
    if moment == "after planning":
        change(world)
    if moment == "after a claim was lost":
        _lose_a_claim(world)
        change(world)
    world.run()
    assert world.mails() == []
    assert {state for state, _ in world.states()} <= {"cancelled"}


def _lose_a_claim(world: World) -> None:
    """A worker claims, starts, and dies before the mail is written."""

    class DeathError(BaseException):
        pass

    def die(label: str) -> None:
        if label == "started":
            raise DeathError

    with pytest.raises(DeathError):
        world.machine(pause=die).send_batch()
    world.later(seconds=61)


def test_a_renewal_that_comes_after_the_claim_cannot_call_the_mail_back(decided: World) -> None:
    decided.run(
        decided.machine(pause=lambda label: _renew(decided) if label == "claimed" else None)
    )
    assert decided.addresses() == ["c-1@example.com"]
    assert decided.states() == [("accepted", None)]


def test_a_cancelled_licence_gets_no_mail(decided: World) -> None:
    _cancel(decided)
    decided.run()
    assert decided.mails() == []
    assert decided.decisions()["heads-up"] == ("cancelled", "cancelled")


def test_a_licence_that_left_the_audience_gets_no_mail_and_one_that_comes_back_gets_it(
    decided: World,
) -> None:
    decided.licence(auto="yes")
    decided.run()
    assert decided.mails() == []
    assert decided.states() == [("cancelled", "decided-anew")]
    decided.licence(auto="no")
    decided.run()
    assert decided.addresses() == ["c-1@example.com"]


def test_a_date_corrected_to_later_waits_for_its_new_day(decided: World) -> None:
    decided.licence(end="2026-12-23")
    decided.run()
    assert decided.mails() == []
    decided.later(days=3)
    decided.run()
    assert decided.addresses() == ["c-1@example.com"]
    assert "December 23, 2026" in decided.mails()[0].as_string()
    assert decided.decisions()["heads-up"] == ("waiting", None)


def test_a_date_corrected_to_earlier_still_gets_one_mail_with_the_new_date(decided: World) -> None:
    decided.licence(end="2026-12-18")
    decided.run()
    assert decided.addresses() == ["c-1@example.com"]
    assert "December 18, 2026" in decided.mails()[0].as_string()


def test_a_product_renamed_after_the_decision_is_mailed_by_its_new_name(decided: World) -> None:
    decided.licence(product="Backup Pro")
    decided.run()
    assert decided.mails()[0]["Subject"].startswith("Backup Pro")


def test_a_corrected_address_gets_the_mail_and_the_old_one_does_not(decided: World) -> None:
    decided.contact(email="anna@example.com")
    decided.run()
    assert decided.addresses() == ["anna@example.com"]
    decided.files_match_the_ledger()


@pytest.fixture
def two_people(world: World) -> World:
    """One licence with two people on its rung, decided and not yet claimed."""
    world.licence()
    world.contact("C-1")
    world.contact("C-2")
    world.apply()
    world.decide()
    assert world.states() == [("due", None)] * 2
    return world


def test_both_people_of_a_rung_get_the_mail(two_people: World) -> None:
    two_people.run()
    assert two_people.addresses() == ["c-1@example.com", "c-2@example.com"]
    assert two_people.mails()[0]["Message-ID"] == two_people.mails()[1]["Message-ID"]


def test_two_people_whose_addresses_were_both_corrected_get_it_at_the_new_ones(
    two_people: World,
) -> None:
    two_people.contact("C-1", email="one@example.com")
    two_people.contact("C-2", email="two@example.com")
    two_people.run()
    assert two_people.addresses() == ["one@example.com", "two@example.com"]


def test_one_corrected_address_of_two_gets_the_mail_and_the_other_person_gets_it_once(
    two_people: World,
) -> None:
    two_people.contact("C-2", email="two@example.com")
    two_people.run()
    assert two_people.addresses() == ["c-1@example.com", "two@example.com"]


def test_two_people_of_a_licence_that_left_the_audience_get_it_when_it_comes_back(
    two_people: World,
) -> None:
    two_people.licence(auto="yes")
    two_people.run()
    assert two_people.mails() == []
    two_people.licence(auto="no")
    two_people.run()
    assert two_people.addresses() == ["c-1@example.com", "c-2@example.com"]


def test_two_people_of_a_licence_whose_date_moved_get_it_on_the_new_day(two_people: World) -> None:
    two_people.licence(end="2026-12-23")
    two_people.run()
    assert two_people.mails() == []
    two_people.later(days=3)
    two_people.run()
    assert two_people.addresses() == ["c-1@example.com", "c-2@example.com"]


def test_a_second_person_waits_for_the_window_when_the_first_was_mailed(two_people: World) -> None:
    two_people.machine().send_batch(1)
    two_people.later(hours=6)
    two_people.run()
    assert two_people.addresses() == ["c-1@example.com"]
    two_people.later(hours=16)  # ten in the morning
    two_people.run()
    assert two_people.addresses() == ["c-1@example.com", "c-2@example.com"]
    two_people.files_match_the_ledger()


def test_a_renewal_between_two_copies_of_a_mail_stops_the_second(two_people: World) -> None:
    two_people.machine().send_batch(1)
    _renew(two_people)
    two_people.run()
    assert two_people.addresses() == ["c-1@example.com"]
    assert two_people.states() == [("accepted", None), ("cancelled", "renewed")]


def test_a_mail_that_missed_its_window_goes_out_at_the_next_one(decided: World) -> None:
    decided.later(hours=6)  # six in the evening
    decided.run()
    assert decided.mails() == []
    decided.later(hours=16)
    decided.run()
    assert decided.addresses() == ["c-1@example.com"]


def test_a_mail_that_nobody_sent_for_days_is_left_out_and_says_why(decided: World) -> None:
    decided.later(days=6)
    decided.run()
    assert decided.mails() == []
    assert decided.states() == [("skipped", "too-late")]
    assert decided.decisions()["heads-up"] == ("skipped", "too-late")


def test_a_template_applied_in_between_is_the_one_that_is_sent(decided: World) -> None:
    decided.template("renewal/heads-up", "New words for {{ licence.product }}")
    decided.apply()
    decided.run()
    assert [mail["Subject"] for mail in decided.mails()] == ["New words for Product L-1"]


def test_a_step_applied_with_another_mail_sends_that_one(decided: World) -> None:
    decided.apply(SCHEDULE.replace("renewal/heads-up", "renewal/grace"))
    decided.run()
    (row,) = [row for row in decided.ledger() if row.state == "accepted"]
    assert row.template == "renewal/grace"
    assert len(decided.mails()) == 1


def test_a_step_that_an_edit_removed_sends_nothing(decided: World) -> None:
    before, _, after = SCHEDULE.partition('[[steps]]\nid = "heads-up"')
    decided.apply(before + after[after.index("[[steps]]") :])
    decided.run()
    assert decided.mails() == []


def test_a_schedule_that_was_taken_away_sends_nothing(decided: World) -> None:
    (decided.root / "schedules/other.toml").write_text(SCHEDULE.replace("false", "true"))
    (decided.root / "schedules/renewal.toml").unlink()
    from worker.cadence import flow
    from worker.schedules.flow import read_drafts

    drafts, problems = read_drafts(decided.root)
    assert problems == []
    flow.apply(decided.engine, decided.clock, drafts, OFFICE)
    decided.run()
    assert decided.mails() == []


def test_a_step_moved_to_a_later_day_waits_for_it(decided: World) -> None:
    decided.apply(SCHEDULE.replace("30 days before", "28 days before"))
    decided.run()
    assert decided.mails() == []
    decided.later(days=2)
    decided.run()
    assert decided.addresses() == ["c-1@example.com"]


def test_what_was_sent_is_not_sent_again_by_an_edit(decided: World) -> None:
    decided.run()
    decided.template("renewal/heads-up", "New words for {{ licence.product }}")
    decided.apply(SCHEDULE.replace("30 days before", "29 days before"))
    decided.run()
    decided.later(days=1)
    decided.run()
    assert len(decided.mails()) == 1


def test_a_contact_taken_out_of_the_book_leaves_the_mail_to_the_others(two_people: World) -> None:
    two_people.contact("C-3")
    two_people.run()
    assert two_people.addresses() == ["c-1@example.com", "c-2@example.com"]
