"""What a backtest says to whoever leads sales, and the same as lines for programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from worker.kernel import show
from worker.reactivation.backtest import CALLS, SCORE, Backtest, Figure

NAMES = {
    SCORE: "Perennial's score",
    "recency": "days since the last order (over 90)",
    "silent-gap": "silent for twice the usual gap",
    "last-year": "half of the same 90 days last year",
    "rfm": "RFM: good clients not seen for long",
}


def told(found: Backtest, *, as_json: bool) -> str:
    """The whole report as text; with ``as_json`` a line for each way of choosing."""
    if as_json:
        return "\n".join(show.json_line(record) for record in records(found))
    return "\n".join([*_lead(found), "", *_table(found), "", *_notes(found)])


def records(found: Backtest) -> Iterator[show.Record]:
    """One record for each way of choosing clients to call."""
    for one in found.figures:
        yield {
            "method": one.name,
            "cut_offs": [date.fromordinal(cut) for cut in found.cuts],
            "clients": found.clients,
            "fell": found.fell,
            "auc": round(one.auc, 4),
            "average_precision": round(one.average_precision, 4),
            "precision_by_risk": round(one.top_by_risk, 4),
            "precision": round(one.top.precision, 4),
            "value": round(one.top.value, 4),
            "calibration_error": _rounded(one.calibration_error),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _lead(found: Backtest) -> list[str]:
    days = ", ".join(date.fromordinal(cut).isoformat() for cut in found.cuts)
    share = found.fell / found.clients
    return [
        f"Tried on your own past: scored as it would have been on {days},",
        "then compared with the 90 days after each, which the score had not seen.",
        f"{found.clients} regular clients were judged; {found.fell} of them ({share:.0%}) bought "
        "half of their own pace or less.",
    ]


def _table(found: Backtest) -> Iterator[str]:
    rows = [
        {
            "whom to call": NAMES[one.name],
            f"right of {CALLS} calls": f"{one.top.precision * CALLS:.0f}",
            "of the lost money": f"{one.top.value:.0%}",
            "ranks the right one higher": f"{one.auc:.0%}",
        }
        for one in found.figures
    ]
    return show.table(rows, list(rows[0]), width=None)


def _notes(found: Backtest) -> list[str]:
    ours = next(one for one in found.figures if one.name == SCORE)
    return [
        f"- Right of {CALLS} calls: of the first {CALLS} clients of the list, how many did fall. A "
        "rule calls whom it flags, the largest first, as tools do.",
        f"- Of the lost money: the share of all money lost in those 90 days that stood in these "
        f"{CALLS} calls.",
        "- Ranks the right one higher: of two clients, one who fell and one who did not, how often "
        "the one who fell stands higher; 50% is a coin.",
        _calibrated(ours),
        *_verdict(found, ours),
    ]


def _calibrated(ours: Figure) -> str:
    error = ours.calibration_error or 0.0
    said = "so a score of 60% means about 60 of 100" if error <= 0.05 else "so read it as a rank"
    return f"- The score's chances are off by {error * 100:.0f} points on average, {said}."


def _verdict(found: Backtest, ours: Figure) -> Iterator[str]:
    wrong = 1 - ours.top.precision
    yield f"- Of the first {CALLS} calls, {wrong:.0%} would have been false alarms."
    better = [
        NAMES[one.name]
        for one in found.figures
        if one.top.precision > ours.top.precision and one.top.value > ours.top.value
    ]
    if better:
        yield f"- On your past these did better: {'; '.join(better)}. Trust them more here."
