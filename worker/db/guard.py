"""Refuses a database that would be damaged or shared by mistake."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, make_url, select
from sqlalchemy.exc import IntegrityError

from worker.db.engine import reading
from worker.db.records import instance
from worker.kernel.errors import ConfigError, Problem

# Over a network SQLite's locks are promises that nobody keeps (sqlite.org/useovernet.html).
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs"}
    | {"beegfs", "gpfs", "ocfs2", "gfs2"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.davfs2", "davfs"}
)
_MOUNTS = Path("/proc/mounts")


def require_usable_file(
    url: str, *, origin: str = "config.toml", mounts: str | None = None
) -> None:
    """Makes the folder of an SQLite database; raises ``ConfigError`` when it cannot hold one.

    ``url`` is absolute; other databases pass. ``origin`` is where the setting comes from,
    ``mounts`` the text of ``/proc/mounts``, read when it is not given.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return
    path = Path(parsed.database)
    problem = _unwritable(path) or _networked(path, _read_mounts() if mounts is None else mounts)
    if problem:
        code, expected, got, hint = problem
        raise ConfigError(
            "The database cannot be used.",
            [Problem(origin, 0, 0, "database.url", code, expected, got, hint)],
        )


def _unwritable(path: Path) -> tuple[str, str, str, str] | None:
    hint = "give perennial a folder that it may write to, for its journal lies beside the file"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        got = f"{path.parent} ({error.strerror})"
        return "read-only", "a folder that can be written to", got, hint
    if path.exists() and not os.access(path, os.W_OK):
        return "read-only", "a file that can be written to", f"{path} (read-only)", hint
    return None


def _networked(path: Path, mounts: str) -> tuple[str, str, str, str] | None:
    kind = file_system(path, mounts)
    if kind not in _NETWORK:
        return None
    hint = 'keep it on a local disk, or set url = "postgresql+psycopg://…"'
    return "network-folder", "a folder on a local disk", f"{path.parent} ({kind})", hint


def _read_mounts() -> str:
    return _MOUNTS.read_text(errors="replace") if _MOUNTS.exists() else ""


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system that holds ``path``, after ``mounts``; empty when nobody knows."""
    best, kind = "", ""
    target = path.parent.resolve()
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].encode().decode("unicode_escape")  # spaces are written \040
        if target.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def require_environment(engine: Engine, environment: str, now: datetime) -> None:
    """Signs the database with ``environment``; raises ``ConfigError`` when another one did."""
    found = _environment(engine)
    if found is None:
        found = _sign(engine, environment, now)
    if found != environment:
        raise ConfigError(
            f"This database belongs to the environment {found!r}, and this one is {environment!r}: "
            "two environments on one database would mail each other's clients. "
            "Give each a database of its own, or correct environment under [database]."
        )


def _environment(engine: Engine) -> str | None:
    with reading(engine) as conn:
        found: str | None = conn.scalar(select(instance.c.environment))
    return found


def _sign(engine: Engine, environment: str, now: datetime) -> str:
    try:
        with engine.begin() as conn:
            conn.execute(instance.insert().values(id=1, environment=environment, created_at=now))
    except IntegrityError:  # another process signed it in the meantime
        return _environment(engine) or environment
    return environment
