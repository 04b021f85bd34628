"""Which term does a row mean? Renewal, correction, return, history: pure rules, no database.

Terms are half-open: a term runs from its start up to, not including, the day it expires on; the
next one may start on that day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

RETURN_AFTER_DAYS = 90
"""A start more than this many days after the old expiry is a return, not a renewal."""

UNKNOWN_LENGTH_DAYS = 365
"""How long a term is taken to be when its start is not known."""

Declared = Literal["renewal", "correction"]


@dataclass(frozen=True, slots=True)
class Claim:
    """The dates that a row gives for one term. ``declared`` is what its load says, if anything."""

    expires_on: date
    starts_on: date | None = None
    closed_on: date | None = None
    declared: Declared | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A term that is known. ``number`` counts from 1; a term learned of late has none.

    ``id`` is its row in the database, ``None`` before it has one. ``fresh``: it was opened or
    dated by the import under way, so no other row of that import may date it differently.
    """

    expires_on: date
    starts_on: date | None = None
    closed_on: date | None = None
    number: int | None = None
    origin: str = "first"
    id: int | None = None
    fresh: bool = False

    @property
    def length(self) -> timedelta:
        """How long it runs; 365 days when the start is not known."""
        if self.starts_on is None:
            return timedelta(days=UNKNOWN_LENGTH_DAYS)
        return self.expires_on - self.starts_on

    @property
    def assumed_start(self) -> date:
        """Its start, else 365 days before its end."""
        return self.starts_on or self.expires_on - self.length


class Outcome(StrEnum):
    """What a claim turns out to be."""

    FIRST = "first"
    UNCHANGED = "unchanged"
    RENEWAL = "renewal"
    RETURN = "return"
    CORRECTION = "correction"
    HISTORY = "history"
    CONFLICT = "conflict"  # another row of the same import dates that term differently


@dataclass(frozen=True, slots=True)
class Decision:
    """``term`` is what shall stand; ``replaces`` the known term that it was, if any."""

    outcome: Outcome
    term: Term
    replaces: Term | None = None


def place_term(known: Sequence[Term], claim: Claim) -> Decision:
    """Decides what ``claim`` is, given all ``known`` terms of the licence, in any order."""
    same = _same(known, claim)
    if same is not None:
        return _filled(same, claim)
    numbered = sorted(
        (term for term in known if term.number is not None), key=lambda term: term.number or 0
    )
    if not numbered:
        return Decision(Outcome.FIRST, _opened(claim, claim.starts_on, 1, Outcome.FIRST))
    if _opens_next(numbered[-1], claim):
        return _next(numbered[-1], claim)
    meant = _meant(known, numbered, claim)
    if meant is None:
        return Decision(Outcome.HISTORY, _opened(claim, claim.starts_on, None, Outcome.HISTORY))
    return _corrected(meant, claim)


def _same(known: Sequence[Term], claim: Claim) -> Term | None:
    """The known term with these very dates; a claim without a start is told by its end."""
    for term in known:
        if term.expires_on == claim.expires_on and claim.starts_on in (None, term.starts_on):
            return term
    return None


def _filled(term: Term, claim: Claim) -> Decision:
    """Nothing new but, maybe, the day on which the term was agreed."""
    closed_on = claim.closed_on or term.closed_on
    return Decision(Outcome.UNCHANGED, replace(term, closed_on=closed_on, fresh=True), term)


def _opened(claim: Claim, starts_on: date | None, number: int | None, origin: Outcome) -> Term:
    return Term(claim.expires_on, starts_on, claim.closed_on, number, origin.value, fresh=True)


def _opens_next(current: Term, claim: Claim) -> bool:
    """Whether the claim goes on after the current term instead of re-dating a known one."""
    if claim.declared == "correction":
        return False
    if claim.declared == "renewal":
        return claim.expires_on > current.expires_on
    if claim.starts_on is not None:
        return claim.starts_on >= current.expires_on
    moved = claim.expires_on - current.expires_on
    if current.fresh:  # another row of the file means that one, so this is a term of its own
        return moved > timedelta(0)
    return 2 * moved >= current.length


def _next(current: Term, claim: Claim) -> Decision:
    starts_on = claim.starts_on or current.expires_on
    late = starts_on - current.expires_on > timedelta(days=RETURN_AFTER_DAYS)
    outcome = Outcome.RETURN if late else Outcome.RENEWAL
    return Decision(outcome, _opened(claim, starts_on, (current.number or 0) + 1, outcome))


def _meant(known: Sequence[Term], numbered: Sequence[Term], claim: Claim) -> Term | None:
    """The known term that the claim re-dates; ``None`` when it is history of its own."""
    current, first = numbered[-1], numbered[0]
    if first.starts_on is not None and claim.expires_on <= first.starts_on:
        candidates = [term for term in known if term.number is None]
    elif claim.starts_on is None and (
        current.starts_on is None or claim.expires_on > current.starts_on
    ):
        return None if current.fresh else current
    else:
        candidates = list(known)
    # Where another row means a term whose start nobody knows, its length is not held against us.
    sure = [term for term in candidates if not (term.fresh and term.starts_on is None)]
    overlaps = [(_overlap(term, claim), term.expires_on, term) for term in sure]
    best = max(overlaps, key=lambda found: found[:2], default=None)
    if best is not None and best[0] > timedelta(0):
        return best[2]
    begins = claim.starts_on or current.starts_on or date.min  # it must not end before that
    latest = max(begins, first.starts_on or date.min)
    return current if claim.declared == "correction" and claim.expires_on > latest else None


def _overlap(term: Term, claim: Claim) -> timedelta:
    """How long both run at once; a claim without a start is taken to be its last day."""
    starts_on = claim.starts_on or claim.expires_on - timedelta(days=1)
    start = max(term.assumed_start, starts_on)
    return min(term.expires_on, claim.expires_on) - start


def _corrected(term: Term, claim: Claim) -> Decision:
    dated = replace(
        term,
        starts_on=claim.starts_on or term.starts_on,
        expires_on=claim.expires_on,
        closed_on=claim.closed_on or term.closed_on,
        fresh=True,
    )
    outcome = Outcome.CONFLICT if term.fresh else Outcome.CORRECTION
    return Decision(outcome, dated, term)


def in_order(claims: Iterable[Claim]) -> list[Claim]:
    """Claims in the order of time, whatever the order in which the file tells them."""
    return sorted(claims, key=_moment)


def _moment(claim: Claim) -> tuple[date, bool, date]:
    return (claim.starts_on or claim.expires_on, claim.starts_on is not None, claim.expires_on)


def merged(claims: Iterable[Claim]) -> list[Claim]:
    """Claims without their repetitions, in order of time.

    Equal dates are one claim, agreed on the earliest day that any of them names. A claim without
    a start says nothing new beside one with the same end.
    """
    distinct: dict[tuple[date | None, date], Claim] = {}
    for claim in claims:
        key = (claim.starts_on, claim.expires_on)
        seen = distinct.get(key)
        distinct[key] = claim if seen is None else _united(seen, claim)
    dated = {claim.expires_on: key for key, claim in distinct.items() if claim.starts_on}
    for key, claim in list(distinct.items()):
        if claim.starts_on is None and claim.expires_on in dated:
            other = dated[claim.expires_on]
            distinct[other] = _united(distinct[other], claim)
            del distinct[key]
    return in_order(distinct.values())


def _united(claim: Claim, other: Claim) -> Claim:
    days = [day for day in (claim.closed_on, other.closed_on) if day is not None]
    words = [word for word in (claim.declared, other.declared) if word is not None]
    return replace(claim, closed_on=min(days, default=None), declared=min(words, default=None))


def contradictions(known: Sequence[Term], claims: Sequence[Claim]) -> set[Claim]:
    """The claims of one file that give one term different dates; each with all it clashes with.

    ``claims`` are distinct and in order of time. Two that are both known already do not clash:
    they were settled earlier.
    """
    clashing: set[Claim] = set()
    longest: tuple[Claim, Term] | None = None  # the one that reaches furthest so far
    for claim in claims:
        starts_on = claim.starts_on
        if longest is not None:
            starts_on = _clear_start(longest[1], longest[0], claim)
            if starts_on is None and not (_same(known, longest[0]) and _same(known, claim)):
                clashing |= {longest[0], claim}
        if longest is None or claim.expires_on > longest[1].expires_on:
            longest = claim, Term(claim.expires_on, starts_on or claim.starts_on)
    return clashing


def _clear_start(term: Term, earlier: Claim, later: Claim) -> date | None:
    """From when ``later`` runs, if it is another term than ``earlier``; ``None``: the same one.

    ``term`` holds the dates of ``earlier``, with the start that it was found to have.
    """
    if "correction" in (earlier.declared, later.declared):
        return None
    if later.declared == "renewal":
        distinct = later.expires_on > term.expires_on and later.starts_on != term.starts_on
        return (later.starts_on or term.expires_on) if distinct else None
    if later.starts_on is not None:
        return later.starts_on if later.starts_on >= term.expires_on else None
    return term.expires_on if 2 * (later.expires_on - term.expires_on) >= term.length else None


@dataclass(frozen=True, slots=True)
class Settled:
    """What the claims of one file make of one licence.

    ``decisions`` in the order of time; ``clashing`` are the claims that were put aside because
    they give one term different dates.
    """

    decisions: Sequence[tuple[Claim, Decision]]
    terms: Sequence[Term]
    clashing: frozenset[Claim]


def settle(known: Sequence[Term], claims: Iterable[Claim]) -> Settled:
    """Places all claims of one file on one licence. The order in which they come is no matter.

    Claims that contradict each other are put aside, all of them; the rest stand.
    """
    ordered = merged(claims)
    clashing = contradictions(known, ordered) if len(ordered) > 1 else set()
    # A known term that a row means, be it one put aside, may not be dated differently by another.
    known = [replace(term, fresh=any(_same([term], c) for c in ordered)) for term in known]
    while True:
        decisions, terms, more = _place_all(known, [c for c in ordered if c not in clashing])
        if not more:
            return Settled(decisions, terms, frozenset(clashing))
        clashing |= more


def _place_all(
    known: Sequence[Term], claims: Sequence[Claim]
) -> tuple[list[tuple[Claim, Decision]], list[Term], set[Claim]]:
    terms = list(known)
    decisions: list[tuple[Claim, Decision]] = []
    for claim in claims:
        decision = place_term(terms, claim)
        if decision.outcome is Outcome.CONFLICT:
            others = {told for told, made in decisions if made.term == decision.replaces}
            return [], [], {claim, *others}
        if decision.replaces is not None:
            terms.remove(decision.replaces)
        terms.append(decision.term)
        decisions.append((claim, decision))
    return decisions, terms, set()


def current(terms: Iterable[Term]) -> Term:
    """The term with the highest number; there must be one."""
    return max((term for term in terms if term.number), key=lambda term: term.number or 0)


def closed(term: Term) -> date | None:
    """The day it was agreed or paid; without one, its start."""
    return term.closed_on or term.starts_on
