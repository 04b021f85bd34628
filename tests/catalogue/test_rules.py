"""Which term a row means: every rule, and its edges."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.catalogue.rules import Claim, Outcome, Term, closed, current, place_term, settle

FIRST = date(2025, 1, 1)
END = date(2026, 1, 1)
KNOWN = [Term(END, FIRST, number=1, id=7)]


def on(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "end", "outcome"),
    [
        ("2026-01-01", "2027-01-01", Outcome.RENEWAL),  # starts on the old expiry
        ("2026-02-10", "2027-01-01", Outcome.RENEWAL),
        ("2026-04-01", "2027-01-01", Outcome.RENEWAL),  # 90 days after it
        ("2026-04-02", "2027-01-01", Outcome.RETURN),  # 91 days after it
        ("2025-12-31", "2027-01-01", Outcome.CORRECTION),  # inside the old term
        ("2025-01-01", "2026-02-01", Outcome.CORRECTION),  # the same start
        ("2024-12-01", "2025-12-01", Outcome.CORRECTION),  # an earlier start that overlaps
        ("2025-01-01", "2026-01-01", Outcome.UNCHANGED),
        ("2024-01-01", "2025-01-01", Outcome.HISTORY),  # ends on the first start
        ("2020-01-01", "2021-01-01", Outcome.HISTORY),
        (None, "2026-01-01", Outcome.UNCHANGED),  # told by its end alone
        (None, "2026-07-03", Outcome.RENEWAL),  # 183 of 365 days: more than half
        (None, "2026-07-02", Outcome.CORRECTION),  # 182 days: less than half
        (None, "2025-11-30", Outcome.CORRECTION),  # an earlier date
        (None, "2025-01-01", Outcome.HISTORY),
        (None, "2030-01-01", Outcome.RENEWAL),  # without a start there is no return
    ],
)
def test_dates_tell_what_a_row_means(start: str | None, end: str, outcome: Outcome) -> None:
    claim = Claim(on(end), on(start) if start else None)
    assert place_term(KNOWN, claim).outcome is outcome


def test_exactly_half_the_term_is_a_renewal() -> None:
    known = [Term(on("2026-01-01"), on("2025-12-12"), number=1)]  # 20 days
    assert place_term(known, Claim(on("2026-01-11"))).outcome is Outcome.RENEWAL
    assert place_term(known, Claim(on("2026-01-10"))).outcome is Outcome.CORRECTION


def test_a_term_of_unknown_length_is_taken_for_a_year() -> None:
    known = [Term(END, number=1)]
    assert place_term(known, Claim(END + timedelta(days=183))).outcome is Outcome.RENEWAL
    assert place_term(known, Claim(END + timedelta(days=182))).outcome is Outcome.CORRECTION
    assert place_term(known, Claim(on("1999-01-01"))).outcome is Outcome.CORRECTION


def test_a_renewal_opens_the_next_number_and_a_renewal_without_a_start_begins_at_the_old_end() -> (
    None
):
    term = place_term(KNOWN, Claim(on("2027-01-01"))).term
    assert (term.number, term.starts_on, term.origin) == (2, END, "renewal")


def test_a_return_opens_the_next_number_too() -> None:
    term = place_term(KNOWN, Claim(on("2028-01-01"), on("2027-01-01"))).term
    assert (term.number, term.origin) == (2, "return")


def test_a_correction_keeps_number_and_start_and_the_day_it_was_agreed() -> None:
    known = [Term(END, FIRST, closed_on=on("2024-12-20"), number=3, origin="renewal", id=7)]
    decision = place_term(known, Claim(on("2026-02-01")))
    assert decision.replaces == known[0]
    expected = (3, FIRST, on("2026-02-01"), on("2024-12-20"), "renewal", 7)
    term = decision.term
    dates = (term.starts_on, term.expires_on, term.closed_on)
    assert (term.number, *dates, term.origin, term.id) == expected


def test_history_has_no_number_and_leaves_the_others_alone() -> None:
    decision = place_term(KNOWN, Claim(FIRST, on("2024-01-01")))
    assert (decision.term.number, decision.term.origin) == (None, "history")
    assert decision.replaces is None


def test_a_known_term_learns_the_day_it_was_agreed() -> None:
    decision = place_term(KNOWN, Claim(END, FIRST, closed_on=on("2024-12-20")))
    assert decision.outcome is Outcome.UNCHANGED
    assert decision.term.closed_on == on("2024-12-20")


def test_without_a_day_of_agreement_the_start_counts() -> None:
    assert closed(KNOWN[0]) == FIRST
    assert closed(Term(END, FIRST, closed_on=END)) == END


def test_a_start_learned_later_corrects_the_term_it_belongs_to() -> None:
    decision = place_term([Term(END, number=1)], Claim(END, FIRST))
    assert decision.outcome is Outcome.CORRECTION
    assert decision.term.starts_on == FIRST


def test_an_older_term_in_a_gap_is_history() -> None:
    known = [*KNOWN, Term(on("2030-01-01"), on("2029-01-01"), number=2, origin="return")]
    assert place_term(known, Claim(on("2028-01-01"), on("2027-01-01"))).outcome is Outcome.HISTORY


def test_an_older_term_with_other_dates_is_corrected_where_it_stands() -> None:
    known = [*KNOWN, Term(on("2027-01-01"), END, number=2, origin="renewal")]
    decision = place_term(known, Claim(on("2025-12-01"), FIRST))
    assert (decision.outcome, decision.term.number) == (Outcome.CORRECTION, 1)


def test_history_itself_can_be_corrected() -> None:
    known = [*KNOWN, Term(on("2024-06-01"), on("2023-06-01"), origin="history", id=9)]
    decision = place_term(known, Claim(on("2024-07-01"), on("2023-06-01")))
    assert (decision.outcome, decision.term.id) == (Outcome.CORRECTION, 9)


def test_a_load_may_declare_a_renewal_inside_the_old_term() -> None:
    claim = Claim(on("2026-12-15"), on("2025-12-15"), declared="renewal")
    decision = place_term(KNOWN, claim)
    assert (decision.outcome, decision.term.number) == (Outcome.RENEWAL, 2)


def test_a_load_may_declare_a_correction_that_looks_like_a_renewal() -> None:
    claim = Claim(on("2027-01-01"), on("2026-01-01"), declared="correction")
    decision = place_term(KNOWN, claim)
    assert (decision.outcome, decision.term.number) == (Outcome.CORRECTION, 1)


def test_a_declared_renewal_that_ends_no_later_is_none() -> None:
    claim = Claim(on("2025-12-01"), FIRST, declared="renewal")
    assert place_term(KNOWN, claim).outcome is Outcome.CORRECTION


@pytest.mark.parametrize(
    "claims",
    [
        [Claim(END, FIRST), Claim(on("2026-02-01"), FIRST)],
        [Claim(END, FIRST), Claim(on("2026-06-01"), on("2025-06-01"))],
        [Claim(END, FIRST), Claim(END, on("2025-06-01"))],
        [Claim(END, FIRST), Claim(on("2026-02-01"))],
        [Claim(on("2026-02-01")), Claim(END)],
        [Claim(END, FIRST), Claim(on("2027-01-01"), END, declared="correction")],
    ],
)
def test_two_rows_that_date_one_term_differently_are_both_put_aside(claims: list[Claim]) -> None:
    for known in ([], KNOWN, [Term(on("2030-01-01"), on("2029-01-01"), number=1)]):
        for order in (claims, claims[::-1]):
            settled = settle(known, order)
            assert len(settled.clashing) == 2
            assert not settled.decisions


def test_a_long_term_clashes_with_all_that_it_covers() -> None:
    claims = [
        Claim(on("2028-01-01"), FIRST),
        Claim(END, on("2025-02-01")),
        Claim(on("2027-01-01"), END),
        Claim(on("2029-01-01"), on("2028-01-01")),
    ]
    settled = settle([], claims)
    assert settled.clashing == frozenset(claims[:3])
    assert [claim for claim, _ in settled.decisions] == claims[3:]


def test_repeated_rows_do_no_harm() -> None:
    claim = Claim(END, FIRST, closed_on=on("2024-12-01"))
    settled = settle([], [claim, Claim(END), claim, Claim(END, FIRST, closed_on=on("2024-11-01"))])
    assert len(settled.terms) == 1
    assert settled.terms[0].closed_on == on("2024-11-01")


def test_a_row_without_a_start_follows_one_with() -> None:
    settled = settle([], [Claim(on("2027-01-01")), Claim(END, FIRST)])
    found = [(t.number, t.starts_on, t.expires_on) for t in settled.terms]
    assert found == [(1, FIRST, END), (2, END, on("2027-01-01"))]


@st.composite
def histories(draw: st.DrawFn) -> list[Claim]:
    """Terms of one licence that follow each other, with or without gaps."""
    cut = draw(st.lists(st.integers(0, 400), min_size=2, max_size=12))
    days = [date(2015, 1, 1)]
    for gap in cut:
        days.append(days[-1] + timedelta(days=gap))
    spans = [(a, b) for a, b in pairwise(days) if a < b and draw(st.booleans())]
    return [Claim(end, start, closed_on=draw(st.none() | st.just(start))) for start, end in spans]


@given(st.data())
def test_any_order_of_delivery_gives_the_same_history(data: st.DataObject) -> None:
    claims = data.draw(histories())
    shuffled = data.draw(st.permutations(claims))
    assert set(settle([], shuffled).terms) == set(settle([], claims).terms)


@given(st.data())
def test_a_second_delivery_changes_nothing(data: st.DataObject) -> None:
    claims = data.draw(histories())
    earlier, later = claims[: len(claims) // 2], claims
    if data.draw(st.booleans()):
        earlier, later = claims[len(claims) // 2 :], claims  # older terms come second
    known = settle([], earlier).terms
    once = settle(known, later)
    assert not once.clashing
    stored = [_stored(term, at) for at, term in enumerate(once.terms)]
    again = settle(stored, later)
    assert all(made.outcome is Outcome.UNCHANGED for _, made in again.decisions)
    assert {_stored(t, t.id or 0) for t in again.terms} == set(stored)


@given(st.data())
def test_any_claims_at_all_settle_and_stay_settled(data: st.DataObject) -> None:
    day = st.integers(0, 60).map(lambda n: date(2025, 1, 1) + timedelta(days=30 * n))
    declared = st.sampled_from([None, None, "renewal", "correction"])
    made = st.builds(Claim, day, st.none() | day, st.none(), declared)
    sound = made.filter(lambda c: c.starts_on is None or c.starts_on < c.expires_on)
    known: list[Term] = []
    for _ in range(data.draw(st.integers(1, 3))):
        claims = data.draw(st.lists(sound, max_size=5))
        settled = settle(known, claims)
        shuffled = settle(known, data.draw(st.permutations(claims)))
        assert shuffled.clashing == settled.clashing
        assert set(shuffled.terms) == set(settled.terms)
        known = [_stored(term, at) for at, term in enumerate(settled.terms)]
        again = settle(known, claims)
        assert {_stored(t, t.id or 0) for t in again.terms} == set(known)
        numbers = sorted(term.number for term in known if term.number)
        assert numbers == list(range(1, len(numbers) + 1))
        assert all(t.starts_on is None or t.starts_on < t.expires_on for t in known)
        if known:
            assert current(known).number == numbers[-1]


def _stored(term: Term, term_id: int) -> Term:
    return Term(term.expires_on, term.starts_on, term.closed_on, term.number, term.origin, term_id)
