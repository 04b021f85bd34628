"""``preview`` and ``send-test``: a mail looked at before any client sees it."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import click

from worker.cadence import trial
from worker.cadence.commands import defaults_of, letterhead_of
from worker.cadence.trial import Script, Subject
from worker.channels.contract import Mail
from worker.channels.folder import FolderChannel
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.errors import FindingsError, UsageError
from worker.templating import samples

_HEADERS = ("From", "To", "Reply-To", "Subject", "List-Unsubscribe")
_CLASSES = ("contractual", "commercial", "survey")
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


def _about(command: Any) -> Any:
    """The options that say which mail, about what."""
    for option in reversed(
        [
            click.option(
                "--licence", "keys", multiple=True, help="About this one; may be repeated."
            ),
            click.option("--language", help="In this language, not the client's own."),
            click.option("--step", default="trial", show_default=True, help="The step's id."),
            click.option(
                "--class",
                "mail_class",
                type=click.Choice(_CLASSES),
                help="As this kind of mail, not that of the schedule which sends it.",
            ),
            click.option(
                "--samples",
                type=click.IntRange(1, 10_000),
                help="Without --licence: about so many samples.  [1]",
            ),
            click.option("--days-left", type=int, help="Of the first sample.  [30]"),
            click.option("--auto-renew", is_flag=True, help="Samples that renew by themselves."),
        ]
    ):
        command = option(command)
    return command


@click.command()
@click.argument("template")
@_about
@click.option("--html", type=_FILE, help="Write the HTML part to this file.")
@click.option("--eml", type=_FILE, help="Write the whole mail to this file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def preview(
    app: Wiring, /, template: str, html: Path | None, eml: Path | None, as_json: bool, **about: Any
) -> None:
    """Show the mail TEMPLATE, such as renewal/heads-up, as its files are now.

    It is about licences of the book, or about samples where none is named.
    """
    script, subject = _chosen(app, template, **about)
    language = about["language"]
    mail = trial.written(script, subject, letterhead_of(app), language, app.clock.now())
    _save(html, _part(_read(mail), "html").encode())
    _save(eml, mail.raw)
    tell_mail(mail, as_json=as_json)
    if subject.stand_in:
        click.echo(f"The account has no contact; {trial.NOBODY} stands in for one.", err=True)
    if script.problems:
        raise FindingsError(f"{template} has problems.", script.problems)


@click.command("send-test")
@click.argument("address")
@click.option("--template", required=True, help="The mail, such as renewal/heads-up.")
@_about
@click.pass_obj
def send_test(app: Any, /, address: str, template: str, **about: Any) -> None:
    """Send the mail TEMPLATE once to ADDRESS, marked as a test, and to nobody else.

    It goes through the configured channel, past the ledger: nothing counts as sent.
    """
    script, subject = _chosen(app, template, **about)
    if script.problems:
        raise FindingsError(f"Nothing was sent: {template} has problems.", script.problems)
    channel, now = app.channel, app.clock.now()
    sent = trial.send(script, subject, letterhead_of(app), channel, address, about["language"], now)
    where = sent.detail
    if isinstance(channel, FolderChannel):
        where = str(channel.path(sent.envelope))
    click.echo(f"{sent.mail.subject}\nsent to {address} by the channel {channel.name}: {where}")


def _chosen(
    app: Wiring,
    template: str,
    *,
    keys: tuple[str, ...],
    language: str | None,
    step: str,
    mail_class: Any,
    samples: int | None,
    days_left: int | None,
    auto_renew: bool,
) -> tuple[Script, Subject]:
    given = {"--samples": samples, "--days-left": days_left, "--auto-renew": auto_renew or None}
    _refuse_both(keys, [name for name, value in given.items() if value is not None])
    script = trial.read_script(app.root, template)
    script.language(language)  # told before anything else is done
    script = script.sent_as(mail_class)
    letterhead = letterhead_of(app)
    if not keys:
        left = 30 if days_left is None else days_left
        return script, _sample(left, samples or 1, auto_renew, letterhead.view, step)
    with reading(app.engine) as conn:
        asked = letterhead, defaults_of(app), app.clock.now(), step
        return script, trial.subject_of(conn, keys, *asked)


def _refuse_both(keys: tuple[str, ...], of_samples: list[str]) -> None:
    """Licences of the book have the dates that they have."""
    if keys and of_samples:
        raise UsageError(
            f"{of_samples[0]} is for samples; with --licence the mail says what the book says. "
            "Leave one of the two out."
        )


def _sample(days_left: int, count: int, auto_renew: bool, sender: Any, step: str) -> Subject:
    context = samples.full(days_left, count, auto_renew=auto_renew)
    return Subject(replace(context, sender=sender, step=step))


def tell_mail(mail: Mail, *, as_json: bool) -> None:
    """Shows a mail: headers and text for people, one object for programs."""
    message = _read(mail)
    if as_json:
        click.echo(show.json_line(_record(mail, message)))
    else:
        _print(message)


def _read(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.raw, policy=default)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    text: str = part.get_content() if part is not None else ""
    return text.replace("\r\n", "\n")


def _save(path: Path | None, content: bytes) -> None:
    if path is not None:
        path.write_bytes(content)
        click.echo(f"{path} written", err=True)


def _files(message: EmailMessage) -> list[str]:
    return [str(part.get_filename()) for part in message.iter_attachments()]


def _print(message: EmailMessage) -> None:
    for name in _HEADERS:
        if message[name]:
            click.echo(f"{name}: {message[name]}")
    for name in _files(message):
        click.echo(f"Attached: {name}")
    click.echo(f"\n{_part(message, 'plain')}", nl=False)


def _record(mail: Mail, message: EmailMessage) -> dict[str, object]:
    headers = {name.lower().replace("-", "_"): message[name] for name in _HEADERS}
    return {
        **{name: None if value is None else str(value) for name, value in headers.items()},
        "language": mail.language,
        "attached": _files(message),
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
    }
