"""What kinds of tasks there are: what each is called, what may come of it, who may claim it. Pure.

A kind that a later release brings, or that another hand wrote, is treated as ``OTHER``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from worker.access.rules import Role

PROMISE, BY_HAND, DORMANT = "promise", "todo", "dormant"
FEEDBACK, REFERRAL = "feedback", "referral"
KEPT, BROKEN, WITHDRAWN = "kept", "broken", "withdrawn"
LATER, FALSE_ALARM = "later", "false-alarm"
BLOCKED_MAIL, NO_CONTACT = "blocked-mail", "no-contact"
MENDED, FOUND = "mended", "found"
_NOT_NEEDED = {"not-needed": "nothing to do any more"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of task.

    ``outcomes`` are the words that a person closes it with, each with what it means; the first one
    is meant when none is given. ``pool`` is the role that may claim it while nobody has it.
    ``days`` are the business days that one opened by hand is given. ``answer`` says what closes a
    task that no person closes by hand, and ``page`` where. ``why`` has the outcomes that need a
    reason, each with the words to choose from, ``until`` those that need a day. ``words`` says what
    the note has to say, where a task is not closed without one.
    """

    name: str
    pool: Role
    outcomes: Mapping[str, str]
    days: int = 2
    answer: str = ""
    page: str = ""
    why: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    until: Sequence[str] = ()
    words: str = ""


KINDS: Mapping[str, Kind] = {
    "step": Kind(
        "step of a schedule",
        Role.SALES,
        {
            "done": "done",
            "will-renew": "the client will renew",
            "will-not-renew": "the client will not renew",
            "no-answer": "nobody could be reached",
        }
        | _NOT_NEEDED,
    ),
    "answer": Kind(
        "client's answer",
        Role.RENEWALS,
        {
            "done": "done as the client asked",
            "otherwise": "agreed on something else",
            "not-possible": "could not be done; the client knows",
            "changed-mind": "the client thought better of it",
        },
        days=1,
    ),
    NO_CONTACT: Kind(
        "no reachable contact",
        Role.SALES,
        {
            FOUND: "a contact is in the book now: what still fits goes there",
            "told": "told by other means",
            "nobody": "there is nobody to write to",
        }
        | _NOT_NEEDED,
    ),
    BLOCKED_MAIL: Kind(
        "mail that could not be written or sent",
        Role.RENEWALS,
        {MENDED: "mended: the mail goes, if it still fits", "told": "told by other means"}
        | _NOT_NEEDED,
    ),
    "held-mail": Kind(
        "mail that a person held back",
        Role.SALES,
        {"seen": "looked at; it stays as it is", "told": "told by other means"} | _NOT_NEEDED,
    ),
    "taken-over": Kind(
        "mail to write oneself",
        Role.SALES,
        {"written": "wrote to the client", "talked": "talked about it"} | _NOT_NEEDED,
    ),
    "failed-call": Kind(
        "failed call to another system",
        Role.ADMIN,
        {"mended": "mended", "by-hand": "entered there by hand"} | _NOT_NEEDED,
    ),
    "deadline-past": Kind(
        "notice deadline that is past",
        Role.RENEWALS,
        {
            "renews": "it renews as it stands",
            "agreed": "agreed on something else",
            "ended": "it ends in spite of the deadline",
        }
        | _NOT_NEEDED,
    ),
    "complaint": Kind(
        "mail reported as spam",
        Role.SALES,
        {"talked": "talked about it", "no-answer": "nobody could be reached"} | _NOT_NEEDED,
    ),
    "undelivered": Kind(
        "notice that did not arrive",
        Role.RENEWALS,
        {"told": "told by other means", "new-address": "a better address is in the book"}
        | _NOT_NEEDED,
    ),
    "alarm": Kind(
        "alarm",
        Role.ADMIN,
        {"mended": "mended", "expected": "as it should be"},
        days=1,
    ),
    "approval": Kind(
        "mails that wait for an approval",
        Role.RENEWALS,
        {},
        days=1,
        answer="An approval closes it: perennial approve SCHEDULE, or the page Schedules",
        page="/schedules",
    ),
    "brake": Kind(
        "pulled brake",
        Role.RENEWALS,
        {},
        days=1,
        answer="Taking the brake off closes it: perennial release, for a copied database perennial "
        "confirm-instance, or the page Health",
        page="/health",
    ),
    "hand-over": Kind(
        "hand-over of an account", Role.SALES, {"taken-over": "taken over"} | _NOT_NEEDED, days=3
    ),
    DORMANT: Kind(
        "client that fell silent",
        Role.SALES,
        {
            "won-back": "won back",
            "lost": "lost",
            LATER: "look again later",
            FALSE_ALARM: "false alarm: it buys as it likes to",
        },
        days=3,
        why={
            "lost": {
                "price": "the price",
                "competitor": "buys from somebody else",
                "service": "our service, quality or delivery",
                "no-need": "does not need it any more",
                "out-of-business": "out of business",
                "unknown": "would not say",
            }
        },
        until=(LATER,),
    ),
    FEEDBACK: Kind(
        "answer of a client who is not content",
        Role.SALES,
        {
            "done": "done as the client wished",
            "otherwise": "agreed on something else",
            "explained": "could not be done; the client hears why",
        },
        words="what was done, in words that the client will read",
    ),
    REFERRAL: Kind(
        "client who would recommend us",
        Role.SALES,
        {
            "named": "named somebody to talk to",
            "quoted": "may be quoted, or tells of us",
            "declined": "would rather not",
        }
        | _NOT_NEEDED,
        days=5,
    ),
    PROMISE: Kind(
        "promise to a client",
        Role.SALES,
        {
            KEPT: "kept",
            BROKEN: "broken",
            WITHDRAWN: "withdrawn, and the client agreed",
        },
        days=5,
    ),
    BY_HAND: Kind("something to do", Role.SALES, {"done": "done"} | _NOT_NEEDED),
}
"""Every kind that this release opens."""

OTHER = Kind("task", Role.RENEWALS, {"done": "done"} | _NOT_NEEDED)

OPENED_BY_HAND = (BY_HAND, PROMISE)
"""The kinds that a person may open."""


def kind_of(name: str) -> Kind:
    """The kind of that name; ``OTHER`` when this release does not know it."""
    return KINDS.get(name, OTHER)
