"""Where templates run: plain data in, a bounded amount of text out, and no blank where a value
was meant.

The limits are on work, not on a watch: rounds of loops, characters, size of numbers. Only a
thread's own processor time is measured as well, so that a busy machine refuses no mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import islice
from time import thread_time
from typing import Any, ClassVar

from jinja2 import (
    DictLoader,
    Environment,
    Template,
    Undefined,
    pass_context,
    pass_environment,
)
from jinja2.exceptions import SecurityError
from jinja2.filters import do_forceescape
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from worker.templating import grammar
from worker.templating.formats import Formats, Number
from worker.templating.values import BLANK, BlankError, Missing, Row, TooMuchError, Unknown, present

LONGEST = 500_000
"""Characters that one part of a mail may have."""
MOST_ROUNDS = 50_000
"""Rounds of loops, all together, and includes in one part of a mail."""
MOST_SECONDS = 2.0
"""Processor time for one part of a mail."""
STEPS = "steps left"
"""The key of the budget among a template's variables; no template can name it."""

_LARGEST_NUMBER = 10**30


class Steps:
    """What one part of a mail may still do."""

    __slots__ = ("_deadline", "_left")

    def __init__(self) -> None:
        self._left = MOST_ROUNDS
        self._deadline = thread_time() + MOST_SECONDS

    def take(self) -> None:
        """Counts one round; raises ``TooMuchError`` when there were too many."""
        self._left -= 1
        if self._left < 0:
            raise TooMuchError(f"at most {MOST_ROUNDS:,} rounds of loops")
        if not self._left % 64 and thread_time() > self._deadline:
            raise TooMuchError(f"at most {MOST_SECONDS:g} seconds of work")


class _File(Template):
    """A file of a mail. One that includes another hands it its variables as they are."""

    def new_context(
        self,
        vars: dict[str, Any] | None = None,  # noqa: A002 -- Jinja's name
        shared: bool = False,
        locals: Mapping[str, Any] | None = None,  # noqa: A002 -- Jinja's name
    ) -> Context:
        values = vars or {}
        if locals:
            own = {name: value for name, value in locals.items() if value is not missing}
            values = values | own
        return Context(self.environment, values, self.name, self.blocks)


class MailEnvironment(ImmutableSandboxedEnvironment):
    """The templates of one schedule version in one language.

    Raises ``ValueError`` when the language is not known.
    """

    template_class = _File
    code_generator_class = grammar.BoundedCodeGenerator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    _readable: ClassVar[Mapping[type, frozenset[str]]] = {
        LoopContext: frozenset(
            {"index", "index0", "revindex", "revindex0", "first", "last", "length"}
        ),
        date: frozenset({"year", "month", "day"}),
    }

    def __init__(self, texts: Mapping[str, str], language: str) -> None:
        formats = Formats(language)
        super().__init__(
            loader=DictLoader(texts),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=Unknown,
            finalize=_finalizer(formats),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=0,
        )
        self._files: dict[Any, Template] = {}
        self.globals.clear()
        kept = {name: self.filters[name] for name in grammar.FILTERS - grammar.OWN_FILTERS}
        self.filters.clear()
        self.filters.update(kept, join=_join, **_own_filters(formats))
        self.filters.update({grammar.ROUNDS: _each, grammar.JOINED: _joined})
        self.tests["none"] = lambda value: value is None or isinstance(value, Missing)

    def get_template(
        self,
        name: str | Template,
        parent: str | None = None,
        globals: Any = None,  # noqa: A002 -- Jinja's name
    ) -> Template:
        """A file; made once, and harmlessly twice when two threads come at once."""
        found = self._files.get(name)
        if found is None:
            found = self._files[name] = super().get_template(name)
        return found

    def included(self, context: Context, name: str, own: Mapping[str, Any]) -> Iterator[str]:
        """What another file says here; ``own`` are the variables of loops around it."""
        context.parent[STEPS].take()
        file = self.get_template(name)
        return file.root_render_func(file.new_context(context.get_all(), True, own))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of plain data; a blank one is ``Missing``, everything else fails."""
        if obj.__class__ is Row and attribute in obj:
            return obj[attribute]
        if attribute in self._readable.get(obj.__class__, ()):
            return getattr(obj, attribute)
        return self._refuse(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A field by name, or an item of a list by its place."""
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, tuple | list) and isinstance(argument, int):
            return obj[argument]
        return self._refuse(obj, str(argument))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers of a size that money and counts have."""
        for value in (left, right):
            if isinstance(present(value), bool) or not isinstance(value, int | Decimal | float):
                raise SecurityError(f"'{operator}' between things that are not numbers")
            if not -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER:
                raise TooMuchError("at most numbers of 30 digits")
        if operator == "**" and abs(right) > 10:
            raise TooMuchError("at most the tenth power")
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:
        """Nothing but ``super()`` may be called."""
        return type(obj).__name__ == "BlockReference"

    def _refuse(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Undefined):
            str(obj)  # raises, with the name of what is missing
        if isinstance(obj, Row):
            return Unknown(name=f"{obj.name}.{attribute}")
        raise SecurityError(f"'{attribute}' of a {type(obj).__name__} cannot be read")


def write(template: Template, values: Mapping[str, Any], language: str) -> str:
    """The text of one part; raises whatever the template raises, and ``TooMuchError``."""
    environment = template.environment
    names = {**values, "language": language, STEPS: Steps()}
    context = environment.context_class(environment, names, template.name, template.blocks)
    pieces = template.root_render_func(context)
    written: list[str] = []
    size = 0
    while some := list(islice(pieces, 64)):
        size += sum(map(len, some))
        if size > LONGEST:
            raise TooMuchError(f"at most {LONGEST:,} characters")
        written += some
    return "".join(written)


def _finalizer(formats: Formats) -> Callable[[Any], Any]:
    """What stands in ``{{ }}``: text as it is, dates and amounts in the language, nothing else."""

    def finalize(value: Any) -> Any:
        kind = value.__class__
        if isinstance(value, str):
            if not value.strip(BLANK):
                raise BlankError("a text")
            return value
        if kind is int:
            return value
        if kind is date:
            return formats.date(value)
        if kind is Decimal or kind is float:
            return formats.number(value)
        if kind is Undefined:  # {{ x if y }} without an else: nothing is what was meant
            return ""
        raise SecurityError(f"a {type(present(value)).__name__} cannot be printed")

    return finalize


def _own_filters(formats: Formats) -> dict[str, Callable[..., Any]]:
    def money(amount: Any, currency: Any = "none") -> str:
        return formats.money(_number(amount, "money"), _currency(currency))

    def number(value: Any) -> str:
        return formats.number(_number(value, "number"))

    def days(count: Any) -> str:
        return formats.days(present(count))

    def long_date(day: Any) -> str:
        if present(day).__class__ is not date:
            raise SecurityError(f"'date' formats dates only, not a {type(day).__name__}")
        return formats.date(day)

    def plural(count: Any, *forms: Any) -> str:
        known = _number(count, "plural")
        if not isinstance(known, int):
            raise SecurityError("'plural' counts in whole numbers only")
        return formats.plural(known, tuple(_text(form) for form in forms))

    return {"money": money, "number": number, "days": days, "date": long_date, "plural": plural}


def _text(value: Any) -> str:
    known = present(value)
    if isinstance(known, str):
        return known
    raise SecurityError(f"a text is needed here, not a {type(value).__name__}")


def _number(value: Any, name: str) -> Number:
    known = present(value)
    if isinstance(known, int | Decimal | float) and not isinstance(known, bool):
        return known
    raise SecurityError(f"'{name}' formats numbers only, not a {type(value).__name__}")


def _currency(value: Any) -> str:
    known = present(value)
    if isinstance(known, str) and len(known) == 3 and known.isalpha():
        return known
    raise SecurityError(f"'money' takes a currency such as 'EUR', not {value!r:.40}")


@pass_context
def _each(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    steps: Steps = context.parent[STEPS]
    for item in present(items):
        steps.take()
        yield item


def _joined(parts: Iterable[Any], separator: Any = "") -> str:
    """The parts as one text, escaped where one of them is marked as safe; bounded in length."""
    texts = [part if isinstance(part, str) else str(_plain(part)) for part in parts]
    glue: str = separator if isinstance(separator, str) else str(_plain(separator))
    if sum(map(len, texts)) + len(glue) * len(texts) > LONGEST:
        raise TooMuchError(f"at most {LONGEST:,} characters")
    if not any(hasattr(text, "__html__") for text in texts):
        return glue.join(texts)
    safe = glue if hasattr(glue, "__html__") else do_forceescape(glue)
    return safe.join(texts)


@pass_environment
def _join(
    environment: Environment, items: Iterable[Any], separator: Any = "", attribute: Any = None
) -> str:
    """Jinja's ``join``, with a bound."""
    if attribute is None:
        return _joined(present(items), separator)
    return _joined([environment.getitem(item, attribute) for item in present(items)], separator)


def _plain(value: Any) -> Any:
    if present(value).__class__ in {int, Decimal, float, date}:
        return value
    raise SecurityError(f"a {type(value).__name__} cannot be joined to a text")
