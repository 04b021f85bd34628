"""Settings from flags and the environment: their names, their texts, what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from worker.config.settings import SourceSettings
from worker.config.validation import bare_kind, key_of, known_keys
from worker.kernel.errors import Misfit, Problem, did_you_mean
from worker.kernel.toml import Document, Path_

PREFIX = "PERENNIAL_"
NOT_SETTINGS = frozenset({"PERENNIAL_ROOT"})
_MAX_FILE = 65536


@dataclass(slots=True)
class Overrides:
    """``values`` by path; ``names`` says where each came from, for messages and ``config show``."""

    values: dict[Path_, object] = field(default_factory=dict)
    names: dict[Path_, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, model: type[BaseModel], path: Path_, text: str, name: str) -> None:
        self.values[path] = _typed(bare_kind(model, path), text)
        self.names[path] = name

    def refuse(self, name: str, path: str, code: str, said: str, hint: str = "") -> None:
        self.problems.append(Misfit(name, 0, 0, path, code, said, "", hint))


def collect(
    model: type[BaseModel],
    document: Document,
    environ: Mapping[str, str],
    flags: Mapping[str, str],
) -> Overrides:
    """Everything that flags and environment say; a flag wins over a variable."""
    found = Overrides()
    paths = dict(_paths(model, document))
    known = {variable(path): path for path in paths.values()}
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        _variable(found, model, known, environ, name)
    for name, text in flags.items():
        _flag(found, model, paths, name, text)
    return found


def _variable(
    found: Overrides,
    model: type[BaseModel],
    known: Mapping[str, Path_],
    environ: Mapping[str, str],
    name: str,
) -> None:
    plain = name.removesuffix("_FILE")
    if name in known:
        found.add(model, known[name], environ[name], name)
    elif plain in known:
        path = ".".join(map(str, known[plain]))
        if plain in environ:
            said = f"{plain} and {name} are both set"
            found.refuse(name, path, "set-twice", said, "keep one of the two")
        else:
            _file_variable(found, model, known[plain], name, environ[name])
    elif name not in NOT_SETTINGS:
        near = did_you_mean(name, known, otherwise="see: perennial config show")
        found.refuse(name, "", "unknown-variable", "no setting has this name", near)


def _file_variable(
    found: Overrides, model: type[BaseModel], path: Path_, name: str, file: str
) -> None:
    shown = ".".join(map(str, path))
    try:
        with Path(file).open("rb") as opened:
            raw = opened.read(_MAX_FILE + 1)
        text = raw.decode("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        found.refuse(name, shown, "unreadable", f"{file!r} cannot be read: {reason}")
        return
    if len(raw) > _MAX_FILE:
        found.refuse(name, shown, "too-long", f"{file!r} is longer than {_MAX_FILE:,} bytes")
        return
    found.add(model, path, text, f"{name} ({file})")


def _flag(
    found: Overrides, model: type[BaseModel], paths: Mapping[str, Path_], name: str, text: str
) -> None:
    shown = f"--set {name}"
    if name not in paths:
        otherwise = "see: perennial config show; tables that you name yourself begin in config.toml"
        near = did_you_mean(name, paths, otherwise=otherwise)
        found.refuse(shown, "", "unknown-setting", "no setting has this name", near)
    elif "SecretStr" in str(bare_kind(model, paths[name])):
        named = variable(paths[name])
        said = "a secret on the command line can be read by everybody on this machine"
        found.refuse(shown, "", "secret-in-flag", said, f"set {named} or {named}_FILE")
    else:
        found.add(model, paths[name], text, shown)


def _paths(model: type[BaseModel], document: Document) -> Iterator[tuple[str, Path_]]:
    """Every setting that a text can set, by its dotted name."""
    for path in _settable(model):
        yield ".".join(map(str, path)), path
    sources = document.data.get("sources", {})
    for source in sources if isinstance(sources, dict) else ():
        for key in known_keys(SourceSettings, ()):
            if key != "load":
                yield f"sources.{source}.{key}", ("sources", source, key)


_BY_NAME = (
    ("sources",),
    ("webhooks", "endpoints"),
    ("surveys", "themes"),
    ("surveys", "delighted", "trends"),
)
"""Tables whose keys are names that somebody chose: no text can set them."""


def _settable(model: type[BaseModel], path: Path_ = ()) -> Iterator[Path_]:
    for name, info in model.model_fields.items():
        here = (*path, key_of(name, info))
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _settable(info.annotation, here)
        elif here not in _BY_NAME:
            yield here


def variable(path: Path_) -> str:
    """The variable that sets ``path``: ``web.port`` is ``PERENNIAL_WEB__PORT``."""
    return PREFIX + "__".join(str(part).upper().replace("-", "_") for part in path)


def _typed(kind: Any, text: str) -> object:
    """The text as the setting's own type; what does not fit stays text and is told later."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    if kind is int and text.strip().isascii() and text.strip().lstrip("-").isdigit():
        return int(text) if len(text) < 20 else text
    if kind is float and re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?\s*", text, re.ASCII):
        return float(text)
    return text
