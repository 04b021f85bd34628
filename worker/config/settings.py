"""The settings of an instance: what there is, what it defaults to, what it may be.

Pure shape; reading files and the environment is in ``loading.py``. Only settings that do
something have a place here.
"""

from __future__ import annotations

import codecs
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from worker.config.secret import GivenSecret, HeaderSecret, Secret, SigningSecret
from worker.config.validation import masked, not_a
from worker.config.values import (
    Address,
    Mailbox,
    PerDays,
    PerTime,
    Span,
    ZoneName,
    api_url,
    bounce_box,
    broker_url,
    called_url,
    database_url,
    hook_url,
    host_name,
    issuer_url,
    pages_url,
    public_key,
    wall_time,
)
from worker.kernel.dates import USUAL_ALLOWANCE
from worker.kernel.errors import did_you_mean


class Section(BaseModel):
    """Frozen, strict, and shy: its representation never shows a secret or a password."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )

    def __repr_args__(self) -> Any:
        for name, value in super().__repr_args__():
            yield name, masked(value) if isinstance(value, str) else value


def _port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise not_a("port", "a port", "write a number from 1 to 65535")
    return value


def _capacity(value: int) -> int:
    if not 1 <= value <= 1000:
        raise not_a("number", "a number of tasks", "write a number from 1 to 1000")
    return value


def _environment(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
        raise not_a("name", "a name of lower-case letters, digits and dashes", "write e.g. 'main'")
    return value


def _language(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}", value):
        raise not_a("language", "a language code", "write e.g. 'en', 'pl' or 'ru'")
    return value


def _country(value: str) -> str:
    if re.fullmatch(r"([A-Z]{2})?", value):
        return value
    upper = value.upper()
    known = f"write {upper!r}" if re.fullmatch(r"[A-Z]{2}", upper) else "write e.g. 'PL' or 'US'"
    raise not_a("country", "an ISO 3166 country code of two capital letters", known)


def _encoding(value: str) -> str:
    try:
        codecs.lookup(value)
    except (LookupError, ValueError):
        near = did_you_mean(value, ("utf-8", "cp1250", "cp1251", "cp1252", "iso-8859-2", "utf-16"))
        raise not_a("encoding", "an encoding", near or "write e.g. 'utf-8' or 'cp1250'") from None
    return value


def _delimiter(value: str) -> str:
    if len(value) != 1 or value in '"\r\n\0':
        raise not_a("delimiter", "a single character", "write e.g. ',' or ';' or \"\\t\"")
    return value


def _date_format(value: str) -> str:
    if not re.search(r"%[A-Za-z]", value):
        raise not_a("date-format", "a format of dates", "write e.g. '%Y-%m-%d' or '%d.%m.%Y'")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise not_a("blank", "a text that says something")
    return value


def _url(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S*", value):
        hint = "write e.g. 'https://erp.example.com/licences' or 'postgresql+psycopg://reader@host/erp'"
        raise not_a("url", "an address", hint)
    return value


def _plain(value: str) -> str:
    if not (value.strip() and value.isascii() and value.isprintable()):
        raise not_a("name", "a name in plain ASCII")
    return value


Filled = Annotated[str, AfterValidator(_filled)]


class DatabaseSettings(Section):
    """Where the book is kept. ``environment`` names the instance that owns the database."""

    url: Annotated[str, AfterValidator(database_url)] = "sqlite:///var/perennial.db"
    environment: Annotated[str, AfterValidator(_environment)] = "main"

    def resolved(self, root: Path) -> str:
        """The URL to connect to; the path of a SQLite file counts from ``root``."""
        file = self.url.removeprefix("sqlite:///")
        return self.url if file == self.url else f"sqlite:///{root / file}"


class JobSettings(Section):
    """How jobs travel: inside the process, or through Redis."""

    broker: Annotated[str, AfterValidator(broker_url)] = "memory"


def _own_address(values: dict[str, Any]) -> str:
    return f"http://127.0.0.1:{values.get('port', 8000)}"


class OidcSettings(Section):
    """Whoever vouches for people by OpenID Connect; ``name`` stands on the button."""

    issuer: Annotated[str, AfterValidator(issuer_url)] | None = None
    client_id: Annotated[str, AfterValidator(_plain)] | None = None
    client_secret: HeaderSecret | None = None
    name: Filled = "your company account"


class WebSettings(Section):
    """Where pages are served, and how clients reach them.

    ``link_key`` signs clients' links; ``previous_link_key`` opens those that were signed with it.
    """

    host: Filled = "127.0.0.1"
    port: Annotated[int, AfterValidator(_port)] = 8000
    base_url: Annotated[str, AfterValidator(pages_url)] = Field(default_factory=_own_address)
    metrics_token: Secret | None = None
    link_key: Secret | None = None
    previous_link_key: Secret | None = None
    oidc: OidcSettings = OidcSettings()


class BeatSettings(Section):
    """How often due rows are looked for, and who hears that they are."""

    every: Span = timedelta(seconds=30)
    ping_url: Annotated[str, AfterValidator(called_url)] | None = None


class BudgetSettings(Section):
    """How many mails one address may get, from all schedules together."""

    per_contact: PerDays = USUAL_ALLOWANCE


class FileChannelSettings(Section):
    """The folder that takes mails as files; relative to the root."""

    folder: Filled = "var/outbox"


class SmtpSettings(Section):
    """The mail server that takes mails. It is called by name, and TLS checks that name.

    ``bounces`` is the mailbox that they come back to: a Maildir, or a folder on an IMAP server.
    """

    host: Annotated[str, AfterValidator(host_name)] = "localhost"
    port: Annotated[int, AfterValidator(_port)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, AfterValidator(_plain)] | None = None
    password: HeaderSecret | None = None
    bounces: Annotated[str, AfterValidator(bounce_box)] | None = None
    bounces_password: HeaderSecret | None = None


class SendGridSettings(Section):
    """SendGrid's v3 API. ``event_key`` is the public key that signed events are checked with."""

    base_url: Annotated[str, AfterValidator(api_url)] = "https://api.sendgrid.com"
    api_key: HeaderSecret | None = None
    event_key: Annotated[str, AfterValidator(public_key)] = ""


class MailSettings(Section):
    """How mails leave. ``sender`` is ``from`` in the file."""

    channel: Literal["file", "smtp", "sendgrid"] = "file"
    mode: Literal["live", "redirect", "off"] = "live"
    redirect_to: Address | None = None
    sender: Mailbox = Field(default="Renewals <renewals@example.com>", validation_alias="from")
    reply_to: Address | None = None
    lease: Span = timedelta(seconds=60)
    hold: Span = timedelta(minutes=30)
    pace: PerTime = None
    timeout: Span = timedelta(seconds=30)
    file: FileChannelSettings = FileChannelSettings()
    smtp: SmtpSettings = SmtpSettings()
    sendgrid: SendGridSettings = SendGridSettings()


EVENTS = (
    *("licence.renewed", "licence.lapsed", "task.opened", "task.closed", "answer.given"),
    *("client.dormant", "client.back", "survey.answered"),
)
"""What an endpoint may hear of."""


class EndpointSettings(Section):
    """One ``[webhooks.endpoints.NAME]``: who is told of what happens."""

    url: Annotated[str, AfterValidator(hook_url)]
    events: list[Literal[EVENTS]] = Field(default_factory=lambda: list(EVENTS))  # type: ignore[valid-type]  # the words above


class WebhookSettings(Section):
    """Calls to other systems: what they are signed with, and whether localhost may be called.

    ``previous_secret`` signs as well while those who are called learn the new one. ``endpoints``
    are told of what happens, by name.
    """

    secret: SigningSecret | None = None
    previous_secret: SigningSecret | None = None
    allow_local: bool = False
    endpoints: dict[str, EndpointSettings] = Field(default_factory=dict)


class BookSettings(Section):
    """What counts for an account that does not say; no ``country`` means no public holidays."""

    timezone: ZoneName = "UTC"
    language: Annotated[str, AfterValidator(_language)] = "en"
    country: Annotated[str, AfterValidator(_country)] = ""


class WorklistSettings(Section):
    """How many open tasks a person may have claimed, and when the morning mail to staff leaves."""

    capacity: Annotated[int, AfterValidator(_capacity)] = 25
    morning: Annotated[str, AfterValidator(wall_time)] = "07:30"


def _exponent(value: float) -> float:
    if not 0 <= value <= 10:
        raise not_a(
            "number", "a number from 0 to 10", "write e.g. 3.0; 1.0 lists large clients first"
        )
    return value


class ReactivationSettings(Section):
    """How the clients who fall silent are put in order: the chance to the power of ``exponent``,
    times money."""

    exponent: Annotated[float, AfterValidator(_exponent)] = 3.0


def _discount(value: float) -> float:
    if not 0 < value <= 1:
        raise not_a("share", "a share above 0 and up to 1", "write e.g. 0.1 for 10 % a year")
    return value


def _cost(value: float) -> float:
    if not 0 <= value <= 100_000:
        raise not_a("cost", "an amount from 0 to 100000", "write e.g. 0.02")
    return value


def _currency(value: str) -> str:
    if value and not re.fullmatch("[A-Z]{3}", value):
        raise not_a("currency", "three capital letters (ISO 4217)", "write e.g. 'EUR'", repr(value))
    return value


class IndicatorSettings(Section):
    """What the indicators cannot know: the discount of a year, and what one mail and one task of a
    person cost, in ``currency``; a cost that is not said is in no figure."""

    discount: Annotated[float, AfterValidator(_discount)] = 0.1
    currency: Annotated[str, AfterValidator(_currency)] = ""
    mail_cost: Annotated[float, AfterValidator(_cost)] | None = None
    task_cost: Annotated[float, AfterValidator(_cost)] | None = None


def _theme_words(value: list[str]) -> list[str]:
    for text in value:
        if (
            not all(re.fullmatch(r"\*?[^\W_][\w'’-]+\*?", word) for word in text.split())
            or not text.strip()
        ):
            hint = "write a word, a stem such as 'price*', or several words apart"
            raise not_a("word", "words or stems of two letters or more", hint, repr(text))
    return value


class ThemeSettings(Section):
    """One ``[surveys.themes.NAME]``: the words by which a comment is known to speak of it.

    ``words`` go by language; a comment whose language is not known is read by all of them.
    """

    name: Filled
    words: dict[str, Annotated[list[str], AfterValidator(_theme_words)]]


class DelightedSettings(Section):
    """How requests made for Delighted are understood (``/v1``).

    Answers and invitations bear the name ``schedule``; ``survey`` are the texts of the question.
    ``company`` names the property that tells the account of a new person, ``account`` the key of
    the one for whoever comes without. ``trends``: a trend's number -> the schedule it stands for.
    ``key`` and ``url`` are for reading an account at Delighted that still answers.
    """

    schedule: Filled = "delighted"
    survey: Filled = "relationship"
    company: Filled = "company"
    account: Filled | None = None
    trends: dict[str, Filled] = Field(default_factory=dict)
    url: Annotated[str, AfterValidator(_url)] = "https://api.delighted.com/v1/"
    key: GivenSecret | None = None


def _quiet(value: timedelta) -> timedelta:
    if value % timedelta(days=1) or value > timedelta(days=365):
        raise not_a("span", "a number of whole days, 365 at most", "write e.g. '90 days'")
    return value


class SurveySettings(Section):
    """For how long nobody is asked again: ``quiet_contact`` the same person, ``quiet_account``
    anybody of the same company. What is looked for in comments, by name; Delighted's users."""

    quiet_contact: Annotated[Span, AfterValidator(_quiet)] = timedelta(days=90)
    quiet_account: Annotated[Span, AfterValidator(_quiet)] = timedelta(days=30)
    themes: dict[str, ThemeSettings] = Field(default_factory=dict)
    delighted: DelightedSettings = DelightedSettings()


class LogSettings(Section):
    """``auto`` writes text to a terminal and JSON elsewhere."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class SourceSettings(Section):
    """One ``[sources.NAME]``. Which kinds there are, which keys each of them needs and takes, and
    what ``load`` may say, others check."""

    kind: Filled = Field(description='the kind of source, e.g. "csv"')
    path: Filled | None = None
    url: Annotated[str, AfterValidator(_url)] | None = None
    query: Filled | None = None
    records: Filled | None = None
    next: Filled | None = None
    cursor_param: Filled | None = None
    page_param: Filled | None = None
    auth: Literal["none", "token", "basic"] = "none"
    token: GivenSecret | None = None
    username: GivenSecret | None = None
    password: GivenSecret | None = None
    timeout: Span = timedelta(seconds=30)
    every: Span | None = None
    stale_after: Span | None = None
    decimal: Literal[".", ","] | None = None
    date_format: Annotated[str, AfterValidator(_date_format)] | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    delimiter: Annotated[str, AfterValidator(_delimiter)] = ","
    sheet: Filled | None = None
    full_sync: bool = False
    term: Literal["renewal", "correction"] | None = None
    load: list[dict[str, Any]] = Field(default_factory=list)


class Settings(Section):
    """All settings of an instance, checked."""

    database: DatabaseSettings = DatabaseSettings()
    jobs: JobSettings = JobSettings()
    web: WebSettings = WebSettings()
    beat: BeatSettings = BeatSettings()
    budget: BudgetSettings = BudgetSettings()
    mail: MailSettings = MailSettings()
    webhooks: WebhookSettings = WebhookSettings()
    book: BookSettings = BookSettings()
    worklist: WorklistSettings = WorklistSettings()
    reactivation: ReactivationSettings = ReactivationSettings()
    surveys: SurveySettings = SurveySettings()
    indicators: IndicatorSettings = IndicatorSettings()
    log: LogSettings = LogSettings()
    sources: dict[str, SourceSettings] = Field(default_factory=dict)
