"""What a row of the ledger says, in plain words. Pure."""

from __future__ import annotations

from worker.outbox import rules

STATES = {
    rules.DUE: "It is due: a worker sends it at its moment.",
    rules.SENDING: "A worker has it in hand.",
    rules.ACCEPTED: "It left: the way out has taken it.",
    rules.UNKNOWN: "Nobody knows whether it left; proof is looked for.",
    rules.FAILED: "It was refused for good.",
    rules.BLOCKED: "It is set aside until a person has looked.",
    rules.CANCELLED: "It was withdrawn before it left.",
    rules.GIVEN_UP: "Whether it left was never known, and it is not tried again.",
    "superseded": "A later mail went instead.",
    "skipped": "It did not go, because its time was over.",
    "suppressed": "It did not go, because nobody may be written to.",
}
"""Every state in a sentence."""

TONES = {
    rules.ACCEPTED: "good",
    rules.UNKNOWN: "warn",
    rules.GIVEN_UP: "warn",
    rules.FAILED: "bad",
    rules.BLOCKED: "bad",
    rules.DUE: "",
    rules.SENDING: "",
}
"""The colour that helps a state; those that are not here are quiet."""

REASONS = {
    "approval": "It waits for a person to approve the mails of its schedule.",
    "stale-source": "It waits for newer data: the source that it rests on is too old.",
    "budget": "It waits until its address may get another mail.",
    "open-feedback": "It waits until somebody has answered a client who is not content.",
    "unknown-origin": "It waits for a worker of a newer release.",
    "waits": "It waits for the next open moment.",
    "template": "Its template could not be written; a task says where and why.",
    "quarantined": "Three workers died while they sent it.",
    "mended": "What kept it back was mended: it goes if it still fits.",
    "no-proof": "No proof came within the hold.",
    "other-way": "It was tried on a way out that is not in use any more.",
    "by-word": "A person said so.",
    "erased": "The person it was for was erased.",
    "worker-died": "The worker that sent it died.",
    "decided-anew": "Something had changed, and its step was decided anew.",
    "withdrawn": "Nothing that it spoke of was left in it.",
    "moved": "Its contact has another address now.",
    "held-by-person": "A person holds it back.",
    "taken-over": "A person writes to the client instead.",
    "renewed": "The licence was renewed.",
    "cancelled": "The licence was cancelled.",
    "ended": "The licence ended.",
    "declined": "The client will not renew.",
    "stopped": "Staff put a stop to it.",
    "answered": "The client has answered: the question of the mail, or with a wish that is open.",
    "quiet-time": "It waits because the person or the company was asked something lately.",
    "closed": "The survey was over.",
    "opt-out": "Its contact does not want such mail.",
    "later-step": "A later step came first.",
    "same-day": "A later mail of that day went instead.",
    "too-late": "Its time was over.",
    "no-open-moment": "No open moment was left on its side of the expiry.",
}
"""Every reason that the ledger gives for a state, in a sentence."""


def state_in_words(state: str, reason: str | None) -> str:
    """State and reason in a sentence or two; what a way out said itself stands as it is."""
    said = STATES.get(state, f"It is {state}.")
    if not reason:
        return said
    return f"{said} {REASONS.get(reason, reason if ' ' in reason else f'Reason: {reason}.')}"
