"""How an error that nobody caught is told: one clear line, and the exit code that fits."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from pathlib import Path

import click

from worker.kernel.clock import Clock, SystemClock
from worker.kernel.errors import PerennialError

INTERRUPTED = 130
DOWN = 4
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)

# By name, so that telling an error imports no library that is not there already.
_DOWN = {
    ("sqlalchemy.exc", "OperationalError"): "the database does not answer",
    ("sqlalchemy.exc", "InterfaceError"): "the database does not answer",
    ("sqlalchemy.exc", "TimeoutError"): "the database has no free connection",
    ("redis.exceptions", "ConnectionError"): "Redis does not answer",
    ("redis.exceptions", "TimeoutError"): "Redis does not answer",
}


def told(error: Exception, root: Path, clock: Clock | None = None) -> int:
    """Says on stderr what went wrong and returns the exit code of the command."""
    if isinstance(error, PerennialError):
        click.echo(str(error), err=True)
        return error.exit_code
    if isinstance(error, click.exceptions.Abort):
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if what := _down(error):
        click.echo(what, err=True)
        return DOWN
    return _crashed(error, root, clock or SystemClock())


def _down(error: Exception) -> str | None:
    for kind in type(error).__mro__:
        if said := _DOWN.get((kind.__module__, kind.__name__)):
            # SQLAlchemy's own text holds the statement and its values; the driver's does not.
            cause = getattr(error, "orig", None) or error
            reason = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
            return f"{said}: {reason}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return f"the output cannot be written: {error.strerror}"
    return None


def _crashed(error: Exception, root: Path, clock: Clock) -> int:
    where = _write_trace(error, root, clock)
    kind = type(error).__name__
    click.echo(f"internal error ({kind}); please report it with the details in {where}", err=True)
    return 1


def _write_trace(error: Exception, root: Path, clock: Clock) -> Path:
    """The trace in a file that only its owner reads: messages of errors may quote the book."""
    name = f"crash-{clock.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    text = "".join(traceback.format_exception(error))
    for folder in (root / "var", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            opened = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            continue
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            file.write(text)
        return folder / name
    sys.stderr.write(text)
    return Path("the lines above")
