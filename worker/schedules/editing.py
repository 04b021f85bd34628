"""A schedule's file in a person's hands: read as it is, checked before it is written, written whole
or not at all, and never over what somebody else wrote meanwhile."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from worker.access import audit
from worker.access.audit import Actor
from worker.config.validation import UnfitError
from worker.kernel.errors import DependencyDownError, FindingsError, Problem
from worker.kernel.keys import digest
from worker.schedules import loader, words
from worker.schedules.loader import SchedulesError

NEW = digest("")
"""The fingerprint of a file that is not there yet."""


@dataclass(frozen=True, slots=True)
class File:
    """A schedule as it stands on the disk; without a file the text is empty."""

    stem: str
    text: str

    @property
    def digest(self) -> str:
        """The fingerprint of the text."""
        return digest(self.text)


class ChangedError(FindingsError):
    """The file is not what the person had before them; ``stands`` is what it is now."""

    def __init__(self, stands: File) -> None:
        super().__init__(f"schedules/{stands.stem}.toml was changed meanwhile; nothing was written")
        self.stands = stands


def is_name(stem: str) -> bool:
    """Whether a schedule may be called so: lower-case letters, digits and dashes."""
    try:
        words.identifier(stem)
    except UnfitError:
        return False
    return True


def stems(root: Path) -> list[str]:
    """The names of the files there are, whatever is in them."""
    return sorted(
        path.stem for path in (root / "schedules").glob("*.toml") if not path.name.startswith(".")
    )


def read(root: Path, stem: str) -> File:
    """The file as it is; raises ``FindingsError`` when it is no text or cannot be read."""
    try:
        return File(stem, _path(root, stem).read_bytes().decode("utf-8"))
    except FileNotFoundError:
        return File(stem, "")
    except (OSError, UnicodeDecodeError) as error:
        raise FindingsError(
            f"schedules/{stem}.toml cannot be read as text ({type(error).__name__}); "
            "mend it on the disk"
        ) from error


def check(root: Path, stem: str, text: str) -> list[Problem]:
    """Everything that is wrong with ``text`` as the file of this schedule."""
    names = loader.template_names(root / "templates")
    try:
        loader.load_text(text.encode(), f"schedules/{stem}.toml", templates=names)
    except SchedulesError as error:
        return list(error.problems)
    return []


def save(engine: Engine, root: Path, edited: File, seen: str, now: datetime, by: Actor) -> File:
    """Writes an edited file that ``check`` finds in order; what stands then.

    ``seen`` is the fingerprint of what the person had read: raises ``ChangedError`` when the file
    is another by now, ``SchedulesError`` with every problem when it cannot be used, and
    ``DependencyDownError`` when the folder cannot be written. In each case nothing is changed.
    """
    problems = check(root, edited.stem, edited.text)
    if problems:
        raise SchedulesError("Nothing was written.", problems)
    try:
        with _alone(root / "schedules"), engine.begin() as conn:
            stands = read(root, edited.stem)
            if stands.digest != seen:
                raise ChangedError(stands)
            written = File(edited.stem, _as_lines_end(edited.text, stands.text))
            detail = {"digest": written.digest, "before": stands.digest}
            audit.note(conn, by, "schedule.edited", f"schedule {edited.stem}", now, detail)
            _replace(_path(root, edited.stem), written.text)
    except OSError as error:
        raise DependencyDownError(
            f"schedules/{edited.stem}.toml cannot be written ({error.strerror}). Nothing was "
            "changed: let the worker's account write into the folder schedules/, or edit the file "
            "where it comes from"
        ) from error
    return written


def _path(root: Path, stem: str) -> Path:
    if not is_name(stem):
        raise FindingsError(f"{stem!r} is no name of a schedule")
    return root / "schedules" / f"{stem}.toml"


def _as_lines_end(text: str, like: str) -> str:
    """``text`` with the line ends that the file has: browsers send their own."""
    plain = text.replace("\r\n", "\n")
    plain = plain if plain.endswith("\n") else f"{plain}\n"
    return plain.replace("\n", "\r\n") if "\r\n" in like else plain


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes that save out of the folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(target: Path, text: str) -> None:
    """Puts a file in place at once; its readers see the old one or the new one."""
    handle, draft = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        Path(draft).chmod(mode)
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
