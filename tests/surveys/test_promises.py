"""What those who answer were promised: how their answers are written, and what is shown of them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.surveys.conftest import NOW, TODAY, YEAR, Town, groups, whole
from worker.kernel.dates import Period
from worker.surveys import rules
from worker.surveys.records import invitations

LATER = TODAY + timedelta(days=9)


def test_a_named_answer_names_its_person_and_may_be_changed(town: Town) -> None:
    asked = town.asked("C-1", "A-1")
    assert town.answer(asked, 3, comment=" too slow ") == "recorded"
    assert town.answer(asked, 8, on=LATER) == "changed"
    (row,) = town.rows()
    assert (row.score, row.vote, row.comment) == (8, 0, None)
    assert (row.contact_id, row.answered_on) == (town.contacts["C-1"], TODAY)
    assert (row.answered_at, row.changed_at) == (NOW, NOW)
    assert town.rows(invitations)[0].answered


def test_a_confidential_answer_names_account_and_role_and_no_person(town: Town) -> None:
    asked = town.asked("C-1", "A-1", rules.CONFIDENTIAL, role="procurement")
    assert town.answer(asked, 3) == "recorded"
    (row,) = town.rows()
    assert (row.account_id, row.role) == (town.accounts["A-1"], "procurement")
    assert (row.contact_id, row.answered_at) == (None, None)


def test_nothing_leads_from_an_anonymous_answer_to_whoever_gave_it(town: Town) -> None:
    asked = town.asked("C-1", "A-1", rules.ANONYMOUS, role="procurement", product="Backup")
    assert town.answer(asked, 3, comment="too slow", language="pl") == "recorded"
    assert town.answer(asked, 10) == "final", "once, and for good"
    (row,) = town.rows()
    known = {name: value for name, value in row._mapping.items() if value is not None}
    assert known.keys() - {"themes_read", "comment", "source", "judged"} == {
        "id",
        "schedule",
        "survey",
        "promise",
        "score",
        "vote",
    }
    (invitation,) = town.rows(invitations)
    assert invitation.answered
    assert {type(v) for k, v in invitation._mapping.items() if k.endswith("_at") and v} == {
        type(NOW)
    }
    assert invitation.asked_at == NOW, "no other time than that of the question"


def test_anonymous_answers_come_out_five_at_once(town: Town) -> None:
    for number in range(7):
        asked = town.asked(f"C-{number}", f"A-{number}", rules.ANONYMOUS)
        town.answer(asked, 10, on=TODAY + timedelta(days=number))
        out = [row.answered_on for row in town.rows() if row.answered_on]
        assert len(out) == (0 if number < 4 else 5)
    assert set(out) == {TODAY + timedelta(days=4)}, "no day tells whose is whose"
    assert whole(town.report()).n == 5
    ids = [row.id for row in town.rows()]
    assert min(ids) > 2**32, "numbers are drawn by lot"


def test_a_segment_is_kept_where_enough_of_it_were_asked(town: Town) -> None:
    few = town.asked("C-few", "A-few", rules.ANONYMOUS, segment="tiny")
    town.answer(few, 10)
    for number in range(rules.SEGMENT_KEPT_FROM):
        many = town.asked(f"C-{number}", f"A-{number}", rules.ANONYMOUS)
    town.answer(many, 0)
    assert sorted((row.score, row.segment) for row in town.rows()) == [(0, "smb"), (10, None)]


def test_nobody_answers_after_the_end_and_no_machine_replaces_a_person(town: Town) -> None:
    closed = town.asked("C-1", "A-1", closes_at=NOW)
    assert town.answer(closed, 3) == "closed"
    assert town.answer(999_999, 3) == "gone"
    asked = town.asked("C-2", "A-2")
    assert town.answer(asked, 0, judged=rules.POSSIBLE) == "recorded"
    assert not any(row.answered for row in town.rows(invitations))
    assert not town.report().whole, "what may be a machine is kept and does not count"
    assert town.answer(asked, 9) == "changed"
    assert town.answer(asked, 0, judged=rules.MACHINE) == "final"
    assert whole(town.report()).record()["nps"] == 100
    assert [row.answered for row in town.rows(invitations)] == [False, True]
    with pytest.raises(ValueError, match="from 0 to 10"):
        town.answer(asked, 11)


# --- fewer than five are in no figure, and no difference of figures tells of them ---


def test_a_group_of_four_protected_answers_is_not_shown(town: Town) -> None:
    for segment, count in (("smb", 4), ("mid", 6)):
        for _ in range(count):
            town.said(10, None, promise=rules.CONFIDENTIAL, segment=segment)
    town.said(0, "A-1", segment="smb")
    report = town.report("segment")
    assert groups(report) == {"smb": (1, -100.0)}, "mid would tell of smb by the difference"
    assert (whole(report).n, report.hidden, report.hidden_whole) == (11, 10, 0)


def test_groups_that_hide_each_other_need_no_other(town: Town) -> None:
    for segment, count in (("smb", 3), ("mid", 4), ("large", 5)):
        for _ in range(count):
            town.said(10, None, promise=rules.ANONYMOUS, segment=segment)
    assert groups(town.report("segment")) == {"large": (5, 100.0)}


def test_four_protected_answers_in_all_are_in_nothing(town: Town) -> None:
    for _ in range(4):
        town.said(0, None, promise=rules.CONFIDENTIAL)
    assert not town.report().whole
    town.said(10, "A-1")
    report = town.report("segment")
    assert whole(report).record()["nps"] == 100
    assert groups(report) == {"smb": (1, 100.0)}
    assert (report.hidden, report.hidden_whole) == (4, 4)


def test_no_filter_leaves_fewer_than_five_on_its_other_side(town: Town) -> None:
    for day in ("2026-11-01",) * 6 + ("2027-01-05",) * 2:
        town.said(0, None, on=day, promise=rules.CONFIDENTIAL)
    town.said(10, "A-1")
    assert whole(town.report()).n == 1, "the two of January are the difference"
    for _ in range(3):
        town.said(0, None, on="2027-01-06", promise=rules.CONFIDENTIAL)
    assert whole(town.report()).n == 7
    town.said(0, None, promise=rules.CONFIDENTIAL, schedule="yearly")
    assert whole(town.report(schedule="surveys")).n == 1, "so is the other schedule's one"


def test_any_two_periods_differ_by_a_whole_lot(town: Town) -> None:
    """Every window of days, before and after every answer: no two counts are closer than five."""
    for number in range(17):
        asked = town.asked(f"C-{number}", f"A-{number}", rules.ANONYMOUS)
        town.answer(asked, number % 11, on=date(2026, 3, 1) + timedelta(days=3 * number))
    counts = set()
    for last in range(0, 60, 4):
        period = Period(YEAR.first, date(2026, 3, 1) + timedelta(days=last))
        found = town.report(period=period).whole
        counts.add(found[0].n if found else 0)
    assert counts == {0, 5, 10, 15}


@given(st.dictionaries(st.integers(0, 20), st.integers(0, 12)))
def test_what_is_left_out_can_hide(protected: dict[int, int]) -> None:
    out = rules.left_out(protected)
    hidden = sum(protected[group] for group in out)
    assert all(protected[group] == 0 or protected[group] >= 5 for group in protected.keys() - out)
    assert hidden == 0 or hidden >= 5 or hidden == sum(protected.values())
