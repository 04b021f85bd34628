"""Reads the settings: flag, then environment, then ``config.toml``, then default.

Everything that is wrong anywhere is told at once, and the origin of each setting is kept.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from worker.config.overrides import Overrides, collect, variable
from worker.config.settings import Settings, SourceSettings
from worker.config.validation import Finding, in_order, key_of, masked, problem_at, problems_of
from worker.config.values import LOOPBACK
from worker.config.ways_in import unready_openid
from worker.config.ways_out import unready
from worker.kernel.errors import ConfigError, Problem
from worker.kernel.toml import Document, Path_, TomlError, parse, read

FILE = "config.toml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Checked settings. ``origins`` maps ``web.port`` to ``config.toml:12``, a variable, a flag or
    ``default``; ``document`` is the file, for whoever checks ``sources.*.load``."""

    settings: Settings
    origins: dict[str, str]
    document: Document


def load(root: Path, environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Loaded:
    """The settings of the instance in ``root``; a missing file means defaults.

    ``flags`` maps ``section.key`` to a text. Raises ``ConfigError`` with every problem there is.
    """
    document, problems = _document(root / FILE)
    overrides = collect(Settings, document, environ, flags or {})
    problems.extend(overrides.problems)
    settings = _settings(document, overrides, problems)
    if settings is None or problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"{count} in the configuration", in_order(problems, document))
    return Loaded(settings, dict(_origins(settings, document, overrides)), document)


def _document(path: Path) -> tuple[Document, list[Problem]]:
    empty = parse(b"", FILE)
    if not path.exists():
        return empty, []
    try:
        return read(path, name=FILE), []
    except TomlError as error:  # go on: the environment may be wrong as well
        return empty, list(error.problems)


def _settings(document: Document, overrides: Overrides, problems: list[Problem]) -> Settings | None:
    data = copy.deepcopy(document.data)
    for path in _secret_paths(document):
        if document.has(path):
            problems.append(problem_at(document, path, _misplaced(path), at_key=True))
            _take(data, path)
    for path, value in overrides.values.items():
        _put(data, path, value)
    problems.extend(_across(data, document, overrides.names))
    try:
        return Settings.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        problems.extend(problems_of(error, document, Settings, overrides.names))
        return None


def _secret_paths(document: Document) -> Iterator[Path_]:
    """The paths of all secrets, those of the sources that the file declares included."""
    yield from secret_paths(Settings)
    sources = document.data.get("sources")
    for name, table in sources.items() if isinstance(sources, dict) else ():
        if isinstance(table, dict):
            yield from secret_paths(SourceSettings, ("sources", name))


def _misplaced(path: Path_) -> Finding:
    name = variable(path)
    hint = f"remove this line and set {name}, or {name}_FILE with the name of a file that holds it"
    return Finding("secret-in-file", "a secret does not belong in this file", hint)


def _across(
    data: Mapping[str, Any], document: Document, given: Mapping[Path_, str]
) -> Iterator[Problem]:
    """What only several settings together can be wrong about."""
    yield from _redirected(data, document, given)
    yield from _passwords(document, given)
    yield from _half_rotated(data, document, given)
    yield from _unsigned(data, document, given)
    yield from unready(data, document, given)
    yield from unready_openid(data, document, given)
    web = data.get("web", {})
    host = web.get("host", "127.0.0.1") if isinstance(web, dict) else None
    if not isinstance(host, str) or not host.strip() or host in LOOPBACK or "metrics_token" in web:
        return
    expected = f"a secret, because host {host!r} lets other machines read /metrics"
    hint = "set PERENNIAL_WEB__METRICS_TOKEN or PERENNIAL_WEB__METRICS_TOKEN_FILE"
    cause = problem_at(document, ("web", "host"), Finding("missing", expected, hint), given=given)
    yield replace(cause, path="web.metrics_token")


def _passwords(document: Document, given: Mapping[Path_, str]) -> Iterator[Problem]:
    """Passwords of sources do not belong in the file, not even inside a URL."""
    sources = document.data.get("sources")
    for name, table in sources.items() if isinstance(sources, dict) else ():
        url, path = table.get("url") if isinstance(table, dict) else None, ("sources", name, "url")
        if isinstance(url, str) and path not in given and masked(url) != url:
            named = variable((*path[:2], "password"))
            said = "a password does not belong in this file"
            hint = f"leave it out of url and set {named}, or {named}_FILE"
            yield problem_at(document, path, Finding("secret-in-file", said, hint))


def _redirected(
    data: Mapping[str, Any], document: Document, given: Mapping[Path_, str]
) -> Iterator[Problem]:
    mail = data.get("mail", {})
    if not isinstance(mail, dict) or mail.get("mode") != "redirect" or "redirect_to" in mail:
        return
    expected = "an address, because mode 'redirect' sends every mail there"
    hint = 'write e.g. redirect_to = "me@example.com"'
    cause = problem_at(document, ("mail", "mode"), Finding("missing", expected, hint), given=given)
    yield replace(cause, path="mail.redirect_to")


def _half_rotated(
    data: Mapping[str, Any], document: Document, given: Mapping[Path_, str]
) -> Iterator[Problem]:
    """A secret that stands beside one that is not there."""
    for section, name in (("webhooks", "secret"), ("web", "link_key")):
        table, previous = data.get(section, {}), f"previous_{name}"
        if isinstance(table, dict) and previous in table and name not in table:
            variable = f"PERENNIAL_{section}__{name}".upper()
            hint = f"set {variable} or {variable}_FILE"
            finding = Finding("missing", f"the secret that follows {previous}", hint)
            cause = problem_at(document, (section, previous), finding, given=given)
            yield replace(cause, path=f"{section}.{name}")


def _unsigned(
    data: Mapping[str, Any], document: Document, given: Mapping[Path_, str]
) -> Iterator[Problem]:
    """Endpoints that could not verify what they are told."""
    table = data.get("webhooks", {})
    if not isinstance(table, dict) or not table.get("endpoints") or "secret" in table:
        return
    name = variable(("webhooks", "secret"))
    said, hint = "the secret that calls are signed with", f"set {name} or {name}_FILE"
    finding = Finding("missing", said, hint)
    cause = problem_at(document, ("webhooks", "endpoints"), finding, given=given)
    yield replace(cause, path="webhooks.secret")


def _put(data: dict[str, Any], path: Path_, value: object) -> None:
    table: Any = data
    for part in path[:-1]:
        table = table.setdefault(str(part), {})
        if not isinstance(table, dict):
            return  # the file has something else here and is told so
    table[str(path[-1])] = value


def _take(data: dict[str, Any], path: Path_) -> None:
    for part in path[:-1]:
        data = data[str(part)]
    del data[str(path[-1])]


def secret_paths(model: type[BaseModel], path: Path_ = ()) -> Iterator[Path_]:
    """The paths of all settings that hold a secret."""
    for name, field in model.model_fields.items():
        here = (*path, key_of(name, field))
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from secret_paths(field.annotation, here)
        elif "SecretStr" in str(field.annotation):
            yield here


def leaves(section: BaseModel, path: Path_ = ()) -> Iterator[tuple[Path_, object]]:
    """Every setting with its path, in the order of the model."""
    for name, field in type(section).model_fields.items():
        here = (*path, key_of(name, field))
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, here)
        elif isinstance(value, dict):
            for named, inner in value.items():
                if isinstance(inner, BaseModel):
                    yield from leaves(inner, (*here, named))
                else:
                    yield (*here, named), inner
        else:
            yield here, value


def _origins(
    settings: Settings, document: Document, overrides: Overrides
) -> Iterator[tuple[str, str]]:
    for path, _ in leaves(settings):
        name = ".".join(map(str, path))
        if path in overrides.names:
            yield name, overrides.names[path]
        elif document.has(path):
            yield name, f"{FILE}:{document.key_place(path).line}"
        else:
            yield name, "default"


def is_secret(value: object) -> bool:
    """Whether a value must never be printed."""
    return isinstance(value, SecretStr)
