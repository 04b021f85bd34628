"""Episodes: an account falls silent, is flagged, and comes back or is given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.engine import Connection

from worker.db import notices
from worker.db.notices import Notice
from worker.kernel.dates import civil_date, zone
from worker.reactivation import episodes_store as store
from worker.reactivation.flagging import Candidate, Thresholds, chosen

__all__ = ["Thresholds", "flag"]


def flag(conn: Connection, stem: str, by: Thresholds, now: datetime, timezone: str = "UTC") -> int:
    """Opens episodes of the schedule ``stem`` for those whom the latest scores put first, in the
    caller's transaction; how many.

    ``timezone`` says what day it is. Without scores nothing is done; a second call on the same day
    flags only whom the first one could not have.
    """
    as_of = store.last_run(conn)
    if as_of is None:
        return 0
    today = civil_date(now, zone(timezone))
    standing = store.standing(conn, stem, as_of, today)
    picked = chosen(store.candidates(conn, as_of, by), standing, by, today)
    if picked:
        _open(conn, stem, picked, as_of, by, today, now)
    return len(picked)


def _open(
    conn: Connection,
    stem: str,
    picked: Sequence[Candidate],
    as_of: date,
    by: Thresholds,
    today: date,
    now: datetime,
) -> None:
    ids = [one.account for one in picked]
    known, numbers = store.scored(conn, as_of, ids), store.last_numbers(conn, stem, ids)
    means = store.mean_stakes(conn, as_of)
    rows, lines, told = [], {}, []
    for id_ in ids:
        score, number = known[id_], numbers.get(id_, 0) + 1
        place = {"schedule": stem, "account_id": id_, "number": number}
        rows.append(place | {"flagged_on": today} | _figures(score, means, by.exponent))
        lines[id_] = [one["product_line"] for one in score.product_lines]
        told.append(_notice(stem, number, score))
    store.add(conn, rows, lines)
    notices.note(conn, told, now)


def _figures(score: Any, means: Mapping[str, float], exponent: float) -> dict[str, Any]:
    """What an episode keeps of a score. Money is compared between currencies as the queue does it:
    counted in what a mean client of its currency buys."""
    mean = means.get(score.currency) or 1.0
    relative = float(score.at_stake) / mean
    names = ("as_of", "lane", "score", "at_stake", "currency", "reasons")
    return {name: getattr(score, name) for name in names} | {
        "relative_stake": relative,
        "urgency": (score.score or 0.0) ** exponent * relative,
        "facts": {
            "evidence": score.evidence,
            "last_order_on": score.last_order_on.isoformat(),
            "usual_gap_days": score.usual_gap_days,
            "drop": score.drop_share,
            "product_lines": score.product_lines,
        },
    }


def _notice(stem: str, number: int, score: Any) -> Notice:
    body = {
        "schedule": stem,
        "account": score.account_key,
        "episode": number,
        "lane": score.lane,
        "score": score.score,
        "at_stake": str(score.at_stake),
        "currency": score.currency or None,
        "last_order_on": score.last_order_on.isoformat(),
        "usual_gap_days": score.usual_gap_days,
        "reasons": [one["code"] for one in score.reasons],
    }
    return Notice(f"client.dormant:{stem}:{score.account_key}:{number}", "client.dormant", body)
