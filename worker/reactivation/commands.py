"""``perennial score``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import click

from worker.cadence.commands import Day
from worker.config.wiring import Wiring
from worker.kernel import show
from worker.reactivation import flow
from worker.reactivation.rules import Verdict
from worker.reactivation.sentences import Sentences, sentences
from worker.reactivation.told import told

Names = Mapping[int, tuple[str, str]]

_NOTHING = "There are no orders in the book by then; docs/reactivation.md says how to load them."
_TOO_LITTLE = (
    "There is too little history to try the score on: it needs half a year of orders before a "
    "quarter that has closed, and 20 regular clients (four order days a year)."
)
_NOT_FITTED = (
    "Nothing is fitted to your own past: that needs 50 regular clients (four order days a year). "
    "Take the scores as an order, not as chances."
)


@click.command()
@click.option("--as-of", type=Day(), help="Stand on this day; later orders are not read.")
@click.option(
    "--most", type=click.IntRange(1), default=20, show_default=True, help="Rows of the table."
)
@click.option("--backtest", is_flag=True, help="Try the score on your own past, beside the rules.")
@click.option("--json", "as_json", is_flag=True, help="One client a line, for programs.")
@click.pass_obj
def score(app: Wiring, as_of: date | None, most: int, backtest: bool, as_json: bool) -> None:
    """Say which clients fall silent, what is at stake, and why.

    In the order in which to call. Without --as-of the scores are kept, as each night.
    """
    now = app.clock.now()
    asked = flow.asked_by(app.settings, now, as_of)
    if backtest:
        found = flow.try_on_the_past(app.engine, asked)
        click.echo(_TOO_LITTLE if found is None else told(found, as_json=as_json))
        return
    scored = flow.score(app.engine, asked)
    if scored is None:
        click.echo(_NOTHING, err=as_json)
        return
    if as_of is None:
        flow.keep(app.engine, scored, now)
    say = sentences(app.settings.book.language)
    if as_json:
        names = flow.names(app.engine, scored.queue)
        show.emit(_records(scored.queue, names, say), as_json=True, columns=())
        return
    click.echo(f"{len(scored.queue)} clients as of {scored.day}, those to call first on top\n")
    if not scored.calibration.fitted:
        click.echo(f"{_NOT_FITTED}\n")
    first = scored.queue[:most]
    if first:
        _table(first, flow.names(app.engine, first), say)


def _records(queue: Sequence[Verdict], names: Names, say: Sentences) -> Iterator[show.Record]:
    for one in queue:
        yield {
            "account": names[one.account][0],
            "score": None if one.score is None else round(one.score, 4),
            "at_stake": round(one.at_stake, 2),
            "currency": one.currency or None,
            "last_order_on": date.fromordinal(one.last_order),
            "usual_gap_days": one.usual_gap,
            "drop": round(one.drop, 4),
            "product_lines": one.product_lines,
            "reasons": [reason["code"] for reason in one.reasons],
            "sentence": _sentence(one, say),
        }


def _sentence(one: Verdict, say: Sentences) -> str:
    return say.whole(one.reasons, one.at_stake, one.currency, one.evidence)


def _table(queue: Sequence[Verdict], names: Names, say: Sentences) -> None:
    rows = [
        {
            "account": names[one.account][0],
            "name": names[one.account][1],
            "score": "" if one.score is None else f"{one.score:.0%}",
            "lane": one.lane or "as usual",
            "why": _sentence(one, say),
        }
        for one in queue
    ]
    show.emit(rows, as_json=False, columns=list(rows[0]))
