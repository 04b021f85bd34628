"""Everything that an installation consists of, each part a process that may be killed.

Servers are PostgreSQL (or SQLite) and Redis of their own; the provider is the misbehaving one,
which is never killed, because its log is the truth. Our own processes are forks of this one, which
saves each a start of Python with all that it imports: a life is short here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, union_all, update

from tests.folders import short_folder
from tests.processes import environment
from tests.providers.misbehaving import FAULTS
from tests.providers.truth import Taken, read
from tests.servers import Postgres, Redis, running
from tests.stories.instance import Instance, write_csv
from tests.waiting import until
from worker.cadence.records import walks
from worker.catalogue.records import licences
from worker.cli.main import run
from worker.db.engine import make_engine
from worker.db.migrate import upgrade
from worker.events.records import events
from worker.jobs import scheduler as _scheduler  # noqa: F401  # what follows saves each life 1 s
from worker.jobs import worker as _worker  # noqa: F401
from worker.kernel.clock import SystemClock
from worker.outbox.records import messages
from worker.web import serving as _serving  # noqa: F401

LEASE, HOLD = 2, 15
"""Seconds. The hold is longer than the provider's events are late."""

_CLOCK = SystemClock()

_MAIL = """
lease = "{lease} seconds"
hold = "{hold} seconds"
timeout = "1 second"
channel = "sendgrid"
[mail.sendgrid]
base_url = "{provider}"
event_key = "{key}"
"""

# A client joins with its contact or not at all.
_CONTACT = """
[[sources.licences.load]]
entity = "contact"
key = "{account}/1"
account = "{account}"
email = "{email}"
role = "decision-maker"
"""


@dataclass
class Life:
    """One process: a fork of this one that runs a command of ours."""

    words: tuple[str, ...]
    pid: int
    status: int | None = None
    stopped_until: float | None = None

    def is_over(self) -> bool:
        """Whether it has ended; reaps it."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def send(self, sign: signal.Signals) -> None:
        if not self.is_over():
            os.kill(self.pid, sign)

    def end(self, sign: signal.Signals = signal.SIGKILL) -> None:
        """Sends it a signal and waits for its end."""
        self.send(sign)
        if self.stopped_until is not None:
            self.send(signal.SIGCONT)
        until(self.is_over, 30, what=f"the end of {' '.join(self.words)}")


@dataclass
class Provider:
    """The misbehaving provider as a process of its own. A mail that it refuses as malformed ends
    there and then, which is no accident; all other faults are among its answers."""

    folder: Path
    seed: int
    faulty: float
    evidence: float = 1.0
    events_to: str = ""

    @contextmanager
    def running(self) -> Iterator[Provider]:
        faults = ",".join(fault for fault in FAULTS if fault not in ("400", "413"))
        # fmt: off
        command = [
            sys.executable, "-m", "tests.providers.misbehaving", "--folder", str(self.folder),
            "--seed", str(self.seed), "--faulty", str(self.faulty), "--faults", faults,
            "--evidence", str(self.evidence), "--hang", "1.5", "--late", "3", "--reset", "1",
        ]
        # fmt: on
        if self.events_to:
            command += ["--events-to", self.events_to]
        with (self.folder.parent / "provider.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        try:
            until((self.folder / "ready.json").exists, 60, what="the provider")
            yield self
        finally:
            process.kill()
            process.wait(10)

    @property
    def _said(self) -> dict[str, str]:
        said: dict[str, str] = json.loads((self.folder / "ready.json").read_text())
        return said

    @property
    def url(self) -> str:
        return self._said["url"]

    @property
    def event_key(self) -> str:
        return self._said["event_key"]

    def taken(self) -> list[Taken]:
        """Everything that it was asked to take."""
        return read(self.folder)


@dataclass
class Town:
    """One instance with its servers. ``crew`` are the commands that shall always run."""

    folder: Path
    backend: str
    seed: int
    faulty: float
    evidence: float = 1.0
    crew: Sequence[tuple[str, ...]] = (
        ("scheduler",),
        ("scheduler",),
        ("worker",),
        ("worker",),
        ("worker",),
        ("web",),
    )
    lives: list[Life] = field(default_factory=list)
    book: dict[str, dict[str, str]] = field(default_factory=dict)  # licence -> its row
    postgres: Postgres | None = None

    # --- what there is ---

    @contextmanager
    def standing(self) -> Iterator[Town]:
        """Starts the servers and makes the instance; nothing of ours runs yet."""
        with ExitStack() as stack:
            self.redis = stack.enter_context(running(Redis(short_folder())))
            url = "sqlite:///var/perennial.db"
            if self.backend == "postgresql":
                server = Postgres(short_folder(), durable=True)
                self.postgres = stack.enter_context(running(server))
                url = self.postgres.url()
            root = self.folder / "instance"
            (root / "var").mkdir(parents=True)
            broker = self.redis.url()
            self.instance = Instance(root, database=url, broker=broker, short_mails=True)
            self.url = url if self.postgres else f"sqlite:///{root / 'var/perennial.db'}"
            self.provider = stack.enter_context(self._provider().running())
            self._configure()
            engine = make_engine(self.url)
            upgrade(engine)
            engine.dispose()
            stack.callback(self._end)
            yield self

    def _provider(self) -> Provider:
        config = (self.instance.root / "config.toml").read_text()
        port = config.split("port = ")[1].split()[0]
        events_to = f"http://127.0.0.1:{port}/events/sendgrid"
        folder = self.folder / "provider"
        return Provider(folder, self.seed, self.faulty, self.evidence, events_to)

    def _configure(self) -> None:
        path = self.instance.root / "config.toml"
        provider = self.provider
        mail = _MAIL.format(lease=LEASE, hold=HOLD, provider=provider.url, key=provider.event_key)
        lines = path.read_text().replace('lease = "60 seconds"\n', mail)
        lines = lines.replace("[sources.people]", f"{_CONTACT}\n[sources.people]")
        path.write_text(lines, encoding="utf-8")

    def _end(self) -> None:
        for life in self.lives:
            life.end()

    # --- our processes ---

    def start(self, *words: str) -> Life:
        """Runs a command in a process of its own."""
        log = self.folder / f"{words[0]}.log"
        pid = os.fork()
        if pid == 0:
            _live(self.instance.root, words, log)
        life = Life(words, pid)
        self.lives.append(life)
        return life

    def start_crew(self) -> None:
        for words in self.crew:
            self.start(*words)

    def replace_the_dead(self) -> int:
        """Starts whoever of the crew has ended, and continues who stood still long enough; how many
        were started."""
        now = _CLOCK.monotonic()
        for life in self.lives:
            if life.stopped_until is not None and now >= life.stopped_until:
                life.send(signal.SIGCONT)
                life.stopped_until = None
        dead = [life for life in self.lives if life.is_over()]
        self.lives = [life for life in self.lives if life.status is None]
        crew = [life for life in dead if life.words in self.crew]
        for life in crew:
            self.start(*life.words)
        return len(crew)

    def of(self, *names: str) -> list[Life]:
        """The living that run one of these commands."""
        return [life for life in self.lives if life.words[0] in names and not life.is_over()]

    def do(self, *words: str, tries: int = 20) -> None:
        """A command that has to succeed, however often it takes."""
        for _ in range(tries):
            life = self.start(*words)
            until(life.is_over, 60, what=" ".join(words))
            self.lives.remove(life)
            if life.status == 0:
                return
            self.replace_the_dead()
            time.sleep(0.2)
        raise AssertionError(f"{words} failed {tries} times; see {self.folder}")

    # --- the book ---

    def grow(self, first: int, count: int) -> None:
        """More clients whose heads-up is due today join the book, and stay in it."""
        for number in range(first, first + count):
            key = f"L-{number:05}"
            self.book[key] = self._row(key, 30)
        self._import()

    def renew(self, keys: Sequence[str]) -> None:
        """These clients renew for a year; the import says so."""
        for key in keys:
            self.book[key] |= {"start": self.instance.day(30), "end": self.instance.day(395)}
        self._import()

    def _import(self) -> None:
        write_csv(self.instance.root / "licences.csv", self.book.values())
        self.do("import", "licences")

    def _row(self, key: str, ends_in: int) -> dict[str, str]:
        return {
            "licence": key,
            "account": f"A-{key}",
            "name": f"Client {key}",
            "language": "en",
            "product": f"Product {key}",
            "start": self.instance.day(ends_in - 365),
            "end": self.instance.day(ends_in),
            "status": "active",
            "auto": "no",
            "email": address_of(key),
        }

    def reword(self, word: str) -> None:
        """The team edits a template and applies it."""
        subject = self.instance.root / "templates/renewal/heads-up/en/subject.txt"
        subject.write_text(f"Licence {{{{ licence.key }}}} {word}", encoding="utf-8")
        self.do("apply", "--yes")

    # --- what came of it ---

    def open_rows(self) -> int:
        """Rows about which something is still to happen now. What is to be sent tomorrow, in doubt,
        is listed and not on its way.

        They are counted by one statement: between two of them a plan may turn licences into mails,
        and neither would be seen.
        """
        soon = _CLOCK.now() + timedelta(seconds=LEASE)  # a plan that is written just now counts
        waits = (messages.c.state == "due") & (messages.c.reason == "no-proof")
        moving = messages.c.reason.is_(None) | ~waits
        rows = union_all(
            select(messages.c.id).where(messages.c.next_at.is_not(None), moving),
            select(licences.c.id).where(licences.c.changed),
            select(walks.c.id).where(walks.c.next_at <= soon),
        )
        with self._connection() as conn:
            return len(conn.execute(rows).all())

    def ledger(self) -> list[Any]:
        """What our own ledger claims."""
        with self._connection() as conn:
            return list(conn.execute(select(messages)))

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection of its own, closed at once: a fork must not find one open."""
        engine = make_engine(self.url)
        try:
            with engine.begin() as conn:
                yield conn
        finally:
            engine.dispose()

    def tomorrow_is_now(self) -> int:
        """A day passes for the mails that are to be sent again in doubt; how many there are."""
        doubt = (messages.c.state == "due") & (messages.c.reason == "no-proof")
        with self._connection() as conn:
            now = {"next_at": _CLOCK.now(), "reason": None}
            return conn.execute(update(messages).where(doubt).values(**now)).rowcount

    def taken(self) -> list[Taken]:
        """Everything that the provider was asked to take."""
        return self.provider.taken()

    def told(self) -> dict[str, list[datetime]]:
        """When we were told something of each mail, by its key."""
        found: dict[str, list[datetime]] = {}
        with self._connection() as conn:
            for row in conn.execute(select(events.c.mail_key, events.c.received_at)):
                found.setdefault(row.mail_key, []).append(row.received_at)
        return found


def address_of(key: str) -> str:
    return f"{key.lower()}@client.example"


def key_of(address: str) -> str:
    return address.partition("@")[0].upper()


def _live(root: Path, words: Sequence[str], log: Path) -> None:
    """The whole life of a child; it never comes back."""
    code = 70
    try:
        os.setpgid(0, 0)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (out, 2)):
            os.dup2(source, target)
        key = {"PERENNIAL_MAIL__SENDGRID__API_KEY": "SG." + "k" * 40}
        os.environ |= environment(key)
        code = run(["--root", str(root), *words], dict(os.environ))
    except BaseException:  # noqa: BLE001 -- told, and not let out of the child
        traceback.print_exc()
    finally:
        os._exit(code)
