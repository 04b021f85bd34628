"""What a template meets as a value: the fields of a mail, and what stands for a missing one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import TemplateRuntimeError, UndefinedError
from jinja2.utils import missing

from worker.templating import grammar
from worker.templating.context import Asked, MailContext, ScoreView, SurveyView

BLANK = " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\u00ad\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
BLANK += "\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202f\u205f\u2060"
BLANK += "\u2800\u3000\u3164\ufeff"


class BlankError(UndefinedError):
    """A value that is missing or blank was about to be printed; the message is its name."""


class UnknownError(UndefinedError):
    """A name that no template has; the message is the name."""


class TooMuchError(TemplateRuntimeError):
    """A template went over a limit; the message says which."""


class Unknown(StrictUndefined):
    """A name that does not exist: every use of it fails."""

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UnknownError,
    ) -> None:
        super().__init__(hint or name, obj, name, exc)


class Missing(Undefined):
    """A field without a value: it may be tested and compared, never printed or counted with."""

    def __init__(self, name: str) -> None:
        super().__init__(name, missing, name, BlankError)

    def __str__(self) -> str:
        return self._fail_with_undefined_error()

    def __iter__(self) -> Iterator[Any]:
        return self._fail_with_undefined_error()

    def __len__(self) -> int:
        return self._fail_with_undefined_error()

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Missing)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(None)


class Row(dict[str, Any]):
    """The fields of one view; a blank one is ``Missing``, named for people."""

    __slots__ = ("name",)

    def __init__(self, name: str, view: object) -> None:
        self.name = name
        for field in grammar.FIELDS[type(view)]:
            value = getattr(view, field)
            if value is None or (value.__class__ is str and not value.strip(BLANK)):
                value = Missing(f"{name}.{field}")
            self[field] = value


def variables(context: MailContext) -> dict[str, Any]:
    """What a mail's templates read, by name; made once for the three parts."""
    listed = tuple(Row("licence", licence) for licence in context.listed)
    return {
        "today": context.today,
        "account": Row("account", context.account),
        "contact": Row("contact", context.contact),
        "licences": listed,
        "licence": listed[0] if listed else Missing("licence"),
        "sender": Row("sender", context.sender),
        "feedback": Row("feedback", context.feedback) if context.feedback else Missing("feedback"),
        "step": context.step,
        "mail_class": context.mail_class,
        **of_survey(context.survey),
        **_links(context),
        **_of_all(context),
    }


SCORES = range(11)


def of_survey(asked: Asked | None, *words: str | None) -> dict[str, Any]:
    """The question of a mail and the numbers of its scale, where it asks one. ``words``: the
    question and what the ends of the scale mean, in the language of the mail."""
    view, scores = SurveyView(), tuple[Row, ...]()
    if asked is not None:
        question, lowest, highest = words or (None, None, None)
        said = asked.promise, asked.reminder, asked.url
        view = SurveyView(question, lowest, highest, *said)
    if asked is not None and asked.url:
        links = [ScoreView(score, _page(asked, score)) for score in SCORES]
        scores = tuple(Row("score", link) for link in links)
    return {"survey": Row("survey", view), "scores": scores}


def _page(asked: Asked, score: int) -> str:
    """The page with this score chosen. Of an anonymous survey no address holds a score: providers
    and proxies note which link was opened, and by whom."""
    return asked.url or "" if asked.promise == "anonymous" else f"{asked.url}?score={score}"


def _links(context: MailContext) -> dict[str, Any]:
    """The pages that a mail leads to, where it does."""
    return {
        name: getattr(context, name) or Missing(name)
        for name in ("unsubscribe", "answer_url", "preferences_url")
    }


def _of_all(context: MailContext) -> dict[str, Any]:
    """What is true of all licences of the mail, listed or not."""
    licences = context.licences
    ends = [licence.expires_on for licence in licences]
    notices = [
        one.notice_on for one in licences if one.notice_on and one.notice_on >= context.today
    ]
    return {
        "licence_count": len(licences),
        "more": len(licences) - len(context.listed),
        "auto_renewing": sum(licence.auto_renew for licence in licences),
        "expired": sum(licence.days_left < 0 for licence in licences),
        "first_on": min(ends) if ends else Missing("first_on"),
        "last_on": max(ends) if ends else Missing("last_on"),
        "first_notice_on": min(notices) if notices else Missing("first_notice_on"),
        "renew_url": context.renew_url or Missing("renew_url"),
        "sums": tuple(Row("sum", one) for one in context.totals()),
    }


def present(value: Any) -> Any:
    """``value`` itself; raises when it is missing or unknown, with its name."""
    if value is None:
        raise BlankError("a value")
    if isinstance(value, Undefined):
        str(value)  # raises, with the name of what is missing
    return value
