"""``perennial delighted``."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta

import click

from worker.config.wiring import Wiring
from worker.http.door import Door
from worker.kernel.dates import zone
from worker.kernel.errors import UsageError
from worker.surveys.fetching import Fetched, Into, fetch
from worker.surveys.remote import Remote
from worker.surveys.themes import reader_of

_TIMEOUT = timedelta(seconds=60)
_KEY = "PERENNIAL_SURVEYS__DELIGHTED__KEY"
_SAID = {
    "people": "{people:,} people read, {new_people:,} of them new",
    "answers": "{new_answers:,} answers new, {changed_answers:,} changed, of {answers:,}",
    "silent": "{opt_outs:,} do not want to be asked, {bounces:,} addresses bounced",
}


@click.command()
@click.option("--from", "url", metavar="URL", help="Address of the API.  [default: the setting]")
@click.option("--json", "as_json", is_flag=True, help="The counts as JSON, for programs.")
@click.pass_obj
def delighted(app: Wiring, url: str | None, as_json: bool) -> None:
    """Read people, answers, opt-outs and bounces from an account at Delighted into the book.

    Again and again, if you like: an answer is known by its id. Nothing is changed there, and nobody
    is asked anything.
    """
    settings = app.settings.surveys.delighted
    if settings.key is None:
        raise UsageError(f"The key of the account is needed: set {_KEY}, or {_KEY}_FILE.")
    into = Into(
        app.engine,
        settings,
        zone(app.settings.book.timezone),
        reader_of(app.settings.surveys.themes),
        app.clock.now(),
    )
    with closing(Door(_TIMEOUT)) as door:
        remote = Remote(door, url or settings.url, settings.key.get_secret_value())
        done = fetch(remote, into, _tell)
    if as_json:
        click.echo(json.dumps(asdict(done)))
        return
    for sentence in _sentences(done):
        click.echo(sentence)


def _tell(what: str, count: int) -> None:
    if count % 1000 == 0 and count:
        click.echo(f"{count:,} {what} read", err=True)


def _sentences(done: Fetched) -> list[str]:
    counts = asdict(done)
    told = [text.format(**counts) for text in _SAID.values()]
    return [*told, *(f"left out: {count:,} {why}" for why, count in done.left_out.items())]
