"""How dates, amounts, counts and days read in a language. CLDR data, by way of Babel.

Babel parses its patterns again for every value; here a pattern is derived once from what Babel
writes for a sample, and values that do not fit it are left to Babel.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_timedelta
from babel.numbers import format_currency, format_decimal

Number = int | Decimal | float

_SAMPLE = Decimal("1234567.25")
_FOR_EVER = 10**9
_PLURALS = ("zero", "one", "two", "few", "many", "other")


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A number as ``prefix 1{group}234{point}50 suffix``."""

    prefix: str
    suffix: str
    group: str
    point: str
    decimals: int

    def write(self, value: Number) -> str:
        plain = format(value, f",.{self.decimals}f")
        if self.group != "," or self.point != ".":
            whole, _, rest = plain.partition(".")
            plain = whole.replace(",", self.group) + (self.point + rest if rest else "")
        return self.prefix + plain + self.suffix


def _plain_spaces(text: str) -> str:
    return text.replace("\u202f", "\u00a0")  # many mail clients have no narrow space


def _derive(sample: str) -> _Pattern | None:
    """The pattern behind Babel's 1234567.25; ``None`` when it is not of that kind."""
    digits = [place for place, sign in enumerate(sample) if "0" <= sign <= "9"]
    if len(digits) < 7:
        return None
    body = sample[digits[0] : digits[-1] + 1]
    pattern = _Pattern(
        sample[: digits[0]], sample[digits[-1] + 1 :], body[1:2], body[9:10], len(digits) - 7
    )
    return pattern if pattern.write(_SAMPLE) == sample else None


class Formats:
    """The formats of one language; raises ``ValueError`` when the language is not known.

    Every method may be called from several threads.
    """

    def __init__(self, language: str) -> None:
        try:
            self._locale = Locale.parse(language.replace("_", "-"), sep="-")
        except (ValueError, UnknownLocaleError) as error:
            raise ValueError(f"{language!r} is not a language") from error
        self.date = lru_cache(maxsize=4096)(self._date)
        self.days = lru_cache(maxsize=4096)(self._days)
        self._money_pattern = lru_cache(maxsize=256)(self._derive_money)

    def _date(self, day: date) -> str:
        """``1 March 2027`` in the language's long form, the month in the case it asks for."""
        return _plain_spaces(format_date(day, "long", locale=self._locale))

    def _days(self, count: int) -> str:
        """``30 days`` with the right plural; ``ValueError`` for a negative count."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"{count!r} days, where 0 or more can be counted")
        # The threshold keeps Babel from turning 9 days into "1 week". Its format_unit would be the
        # obvious call, but knows the days of few languages.
        return _plain_spaces(
            format_timedelta(
                timedelta(days=count), "day", _FOR_EVER, format="long", locale=self._locale
            )
        )

    def money(self, amount: Number, currency: str) -> str:
        """``amount`` in ``currency`` (ISO 4217) with the currency's own number of decimals."""
        pattern = self._money_pattern(currency)
        if pattern is None or not 0 <= amount < 10**15:
            return self._babel_money(amount, currency)
        return pattern.write(amount)

    def number(self, value: Number) -> str:
        """A count or a number, at most three decimals."""
        if isinstance(value, int) and self._whole is not None and 0 <= value < 10**15:
            return self._whole.write(value)
        return _plain_spaces(format_decimal(value, locale=self._locale))

    def plural(self, count: int, forms: tuple[str, ...]) -> str:
        """The form that goes with ``count``, of the forms in the order of CLDR: one and other in
        English, one, few and many in Polish and Russian.

        Raises ``ValueError`` when the language has another number of forms.
        """
        if len(forms) != len(self._plurals):
            wanted = ", ".join(str(count) for count in self._plurals.values())
            raise ValueError(f"{len(forms)} plural forms, where one each for {wanted} is needed")
        kind = self._locale.plural_form(abs(count))
        place = list(self._plurals).index(kind) if kind in self._plurals else -1
        return forms[place]

    @cached_property
    def _plurals(self) -> dict[str, int]:
        """The plurals of whole numbers, each with the first number that takes it."""
        found: dict[str, int] = {}
        for count in (*range(1, 200), 0):
            found.setdefault(self._locale.plural_form(count), count)
        return dict(sorted(found.items(), key=lambda item: _PLURALS.index(item[0])))

    def _babel_money(self, amount: Number, currency: str) -> str:
        return _plain_spaces(format_currency(amount, currency.upper(), locale=self._locale))

    def _derive_money(self, currency: str) -> _Pattern | None:
        return _derive(self._babel_money(_SAMPLE, currency))

    @cached_property
    def _whole(self) -> _Pattern | None:
        return _derive(_plain_spaces(format_decimal(1234567, locale=self._locale)))
