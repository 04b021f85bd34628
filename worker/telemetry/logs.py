"""Structured logs on stderr: events named ``noun.verb`` with fields, as JSON or as text.

Whatever is logged, by us or by a library, passes ``redact``: a password inside a URL or a mail
address must not end up in a log, not even inside an exception's text.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
_ADDRESS = re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+")
_CHATTY = ("uvicorn", "alembic", "dramatiq", "httpx", "httpcore")


def redact(text: str) -> str:
    """``text`` without the passwords of URLs and without mail addresses."""
    return _ADDRESS.sub("[address]", _PASSWORD.sub(r"\1[password]@", text))


def configure(format: str, level: str, stream: TextIO | None = None) -> None:  # noqa: A002 -- the setting's name
    """Sends all logs of this process to ``stream`` (stderr when not given).

    ``format`` is ``json``, ``text`` or ``auto`` (text on a terminal); ``level`` is the least
    level that is shown. Libraries that talk much are heard from ``warning`` on.
    """
    out = stream or sys.stderr
    as_text = format == "text" or (format == "auto" and out.isatty())
    before = _before()
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before, processors=list(_after(as_text, out))
        )
    )
    logging.basicConfig(handlers=[handler], level=_number(level), force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(_number(level), logging.WARNING))


def _before() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _after(as_text: bool, out: TextIO) -> Iterable[Processor]:
    yield structlog.stdlib.ProcessorFormatter.remove_processors_meta
    yield structlog.processors.format_exc_info
    yield _redacted
    if as_text:
        yield structlog.dev.ConsoleRenderer(colors=out.isatty())
    else:
        yield structlog.processors.JSONRenderer(ensure_ascii=False, default=str)


def _redacted(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return {name: _clean(value) for name, value in event.items()}


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {name: _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return redact(str(value))


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
