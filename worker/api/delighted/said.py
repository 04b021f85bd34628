"""What a request says, and how it is read: by name, all faults at once. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from worker.access.asking import MOST_FIELDS
from worker.api.problems import Fault, RefusedError, unfit

BLANK = "can't be blank"
LONGEST_TEXT, LONGEST_WORD = 5000, 500
MOST_PROPERTIES = 200
LATEST = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Fields as forms write them: ``a[]=1`` is a list, as a name that comes twice is; ``a[b]=1`` is
    a mapping."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        base, bracket, inner = name.partition("[")
        inner = inner.removesuffix("]")
        if not bracket and base in found:  # the client for Node writes lists so
            known = found[base]
            found[base] = [*known, value] if isinstance(known, list) else [known, value]
        elif not bracket:
            found[base] = value
        elif not inner:
            known = found.setdefault(base, [])
            found[base] = [*known, value] if isinstance(known, list) else [value]
        else:
            known = found.setdefault(base, {})
            found[base] = {**known, inner: value} if isinstance(known, dict) else {inner: value}
    return found


def parsed(body: bytes, kind: str) -> Mapping[str, Any]:
    """The fields of a body. Raises ``RefusedError``."""
    kind = kind.partition(";")[0].strip().lower()
    try:
        if kind == _FORM:
            text = body.decode("ascii")
            return nested(parse_qsl(text, True, errors="strict", max_num_fields=MOST_FIELDS))
        found = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()  # halves of characters are no text
    except (ValueError, RecursionError):
        raise RefusedError(422, f"The body is no JSON; send it as {_JSON} or {_FORM}.") from None
    if not isinstance(found, dict):
        raise RefusedError(422, "The body is JSON, and no object.")
    return found


def seconds(moment: datetime | None) -> int | None:
    """A moment as Delighted writes it: Unix seconds."""
    return None if moment is None else int(moment.timestamp())


class Said:
    """Reads fields by name; ``check`` raises what was wrong with all of them. A field that is not
    named is not read: there are more in Delighted than here."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._faults: list[Fault] = []

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def check(self) -> None:
        """Raises ``RefusedError`` (422) with every fault so far."""
        if self._faults:
            raise unfit(self._faults)

    def fault(self, name: str, message: str) -> None:
        """Notes what is wrong with a field."""
        self._faults.append(Fault(name, message))

    def raw(self, name: str) -> Any:
        """The field as it came."""
        return self._fields.get(name)

    def text(self, name: str, *, needed: bool = False, longest: int = LONGEST_WORD) -> str | None:
        """A text; ``None`` when it is blank."""
        value = self._fields.get(name)
        text = str(value).strip() if isinstance(value, str | int | float) else None
        if value is not None and text is None:
            self.fault(name, "is not a text")
        elif text and (len(text) > longest or "\0" in text):
            self.fault(name, f"is longer than {longest} characters, or no plain text")
        elif not text and needed:
            self.fault(name, BLANK)
        return text or None

    def whole(self, name: str, least: int, most: int, *, needed: bool = False) -> int | None:
        """A whole number; ``None`` when it is blank, or wrong."""
        value = self._fields.get(name)
        if value is None or value == "":
            if needed:
                self.fault(name, BLANK)
            return None
        number = _number(value)
        if number is None or not least <= number <= most:
            self.fault(name, f"must be a whole number from {least} to {most}")
            return None
        return number

    def moment(self, name: str) -> datetime | None:
        """A moment in Unix seconds."""
        number = self.whole(name, 0, LATEST)
        return None if number is None else datetime.fromtimestamp(number, UTC)

    def span(self, name: str, most: timedelta) -> timedelta:
        """Seconds; none are no time at all."""
        number = self.whole(name, 0, int(most.total_seconds()))
        return timedelta(seconds=number or 0)

    def yes(self, name: str, otherwise: bool) -> bool:
        """True or false."""
        value = self._fields.get(name)
        if value is None or value == "":
            return otherwise
        found = {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
        if found is None:
            self.fault(name, "must be true or false")
        return otherwise if found is None else found

    def words(self, name: str) -> Sequence[str]:
        """A list of words; a single one may stand alone."""
        value = self._fields.get(name)
        found = value if isinstance(value, list) else [value] if value else []
        if not all(isinstance(one, str) and len(one) <= LONGEST_WORD for one in found):
            self.fault(name, "is not a list of words")
            return ()
        return [str(one) for one in found][:MOST_PROPERTIES]

    def properties(self, name: str) -> Mapping[str, str]:
        """Names with texts; what is ``null`` is left out."""
        value = self._fields.get(name)
        if value is None or value == "":
            return {}
        if not isinstance(value, dict) or len(value) > MOST_PROPERTIES:
            self.fault(name, f"must be up to {MOST_PROPERTIES} names with their values")
            return {}
        found = {key: _plain(one) for key, one in value.items() if one is not None}
        if any(len(key) + len(one) > LONGEST_TEXT for key, one in found.items()):
            self.fault(name, f"has a value longer than {LONGEST_TEXT} characters")
        return found


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\0", "")


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value).strip()
    return int(text) if text.isascii() and text.lstrip("-").isdigit() and len(text) < 20 else None
