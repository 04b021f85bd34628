"""What a ``[sources.NAME]`` declares, against what its kind needs and takes. Opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from worker.config.overrides import variable
from worker.config.settings import SourceSettings
from worker.kernel.errors import Misfit, Problem, did_you_mean
from worker.sources.contract import Opener, Place, nowhere

COMMON = (
    *("kind", "load", "full_sync", "term", "date_format", "decimal"),
    *("every", "stale_after"),
)
SECRETS = ("token", "username", "password")
LEAST_EVERY = timedelta(minutes=1)
"""No source is read more often by itself."""

_DESCRIBED = {
    "path": 'the file to read, e.g. path = "data/licences.csv"',
    "url": 'the address to ask, e.g. url = "https://erp.example.com/licences"',
    "query": 'what to select, e.g. query = "SELECT number, expires_on FROM licences"',
}


class Wrong(NamedTuple):
    """What is wrong with one key; ``got`` is shown as it is, blank for what is missing."""

    key: str
    code: str
    expected: str
    got: str = ""
    hint: str = ""


Check = Callable[[SourceSettings], Iterator[Wrong]]


def _nothing(_source: SourceSettings) -> Iterator[Wrong]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source: how it is opened, and the keys that it needs and that it takes besides
    those of all kinds; ``check`` finds what is wrong with their values."""

    open: Opener
    needs: Sequence[str]
    takes: Sequence[str] = ()
    check: Check = _nothing


def check_source(
    name: str,
    source: SourceSettings,
    kinds: Mapping[str, Kind],
    *,
    file: str = "config.toml",
    place: Place = nowhere,
) -> list[Problem]:
    """All that is wrong with the keys of ``[sources.name]``, its loads apart."""
    kind = kinds.get(source.kind)
    found = _unknown(source, kinds) if kind is None else _misused(name, source, kind, kinds)
    problems: list[Problem] = []
    for wrong in [*found, *_times(source)]:
        line, column = place(("sources", name, wrong.key))
        path = f"sources.{name}.{wrong.key}"
        problems.append(Misfit(file, line, column, path, *wrong[1:]))
    return problems


def _unknown(source: SourceSettings, kinds: Mapping[str, Kind]) -> Iterator[Wrong]:
    listed = f"one of {', '.join(map(repr, kinds))}"
    yield Wrong("kind", "word", listed, repr(source.kind), did_you_mean(source.kind, kinds))


def _misused(
    name: str, source: SourceSettings, kind: Kind, kinds: Mapping[str, Kind]
) -> Iterator[Wrong]:
    own = (*kind.needs, *kind.takes)
    for key in type(source).model_fields:
        given = key in source.model_fields_set and getattr(source, key) is not None
        if given and key not in (*COMMON, *own):
            yield Wrong(key, "unknown-key", *_strange(key, source.kind, own, kinds))
    for key in kind.needs:
        if getattr(source, key) is None:
            yield Wrong(key, "missing", _DESCRIBED[key])
    for wrong in kind.check(source):
        if wrong.key in SECRETS and wrong.code == "missing":
            named = variable(("sources", name, wrong.key))
            yield wrong._replace(hint=f"set {named}, or {named}_FILE")
        else:
            yield wrong


def _strange(
    key: str, kind: str, own: Sequence[str], kinds: Mapping[str, Kind]
) -> tuple[str, str, str]:
    users = [name for name, other in kinds.items() if key in (*other.needs, *other.takes)]
    hint = f"it belongs to {' and '.join(map(repr, users))}; {kind!r} takes {', '.join(own)}"
    return f"a key of a source of kind {kind!r}", repr(key), hint


def _times(source: SourceSettings) -> Iterator[Wrong]:
    if source.every is not None and source.every < LEAST_EVERY:
        hint = "write e.g. '1 day' or '15 minutes'"
        yield Wrong("every", "too-often", "at least a minute", _seconds(source.every), hint)
    if source.every and source.stale_after and source.stale_after <= source.every:
        hint = "leave room for a reading that fails: every = '1 day', stale_after = '3 days'"
        expected = "longer than every"
        yield Wrong("stale_after", "too-short", expected, _seconds(source.stale_after), hint)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.0f} seconds"
