"""Two policies that look reasonable, under the same provider and the same kills, to compare with.

``retry anything`` sends, then notes that it was sent, and tries again whatever is not noted.
``mark first`` notes that it was sent, then sends, and trusts that.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
import urllib.request
from collections import Counter
from pathlib import Path
from random import Random

from tests.chaos.count import Count
from tests.chaos.town import Life, Provider
from worker.kernel.keys import digest

POLICIES = ("retry anything", "mark first")
WORKERS = 3


def run(folder: Path, policy: str, seed: int, kills: int, mails: int, faulty: float) -> Count:
    """One run: as many mails and kills as the others get."""
    folder.mkdir(parents=True)
    database = folder / "todo.db"
    with sqlite3.connect(database) as conn:
        conn.execute("CREATE TABLE todo (id INTEGER PRIMARY KEY, sent INTEGER DEFAULT 0)")
        conn.executemany("INSERT INTO todo (id) VALUES (?)", [(n,) for n in range(mails)])
    conn.close()
    with Provider(folder / "provider", seed, faulty).running() as provider:
        _rage(database, provider.url, policy, Random(f"naive {seed}"), kills)
        copies = Counter(taken.address for taken in provider.taken() if taken.accepted)
    claimed = _marked(database)
    return Count(
        mails=mails,
        lost=mails - len(copies),
        doubled=sum(number - 1 for number in copies.values()),
        lies=sum(f"{number}@client.example" not in copies for number in claimed),
    )


def _rage(database: Path, url: str, policy: str, dice: Random, kills: int) -> None:
    lives = {part: _start(database, url, policy, part) for part in range(WORKERS)}
    while not all(life.is_over() for life in lives.values()):
        time.sleep(dice.uniform(0.02, 0.3))
        part = dice.randrange(WORKERS)
        if kills > 0 and not lives[part].is_over():
            lives[part].end(signal.SIGKILL)
            lives[part] = _start(database, url, policy, part)
            kills -= 1


def _start(database: Path, url: str, policy: str, part: int) -> Life:
    pid = os.fork()
    if pid == 0:
        try:
            _work(database, url, policy, part)
        finally:
            os._exit(0)
    return Life((policy,), pid)


def _work(database: Path, url: str, policy: str, part: int) -> None:
    """Sends its share of the mails, then ends."""
    conn = sqlite3.connect(database, timeout=30, isolation_level=None)
    todo = "SELECT id FROM todo WHERE sent = 0 AND id % ? = ? ORDER BY id LIMIT 1"
    mark = "UPDATE todo SET sent = 1 WHERE id = ?"
    while row := conn.execute(todo, (WORKERS, part)).fetchone():
        if policy == "mark first":
            conn.execute(mark, row)
            _post(url, row[0])
        elif _post(url, row[0]):
            conn.execute(mark, row)


def _post(url: str, number: int) -> bool:
    address = f"{number}@client.example"
    mail = {
        "personalizations": [
            {
                "to": [{"email": address}],
                "custom_args": {"mail": f"m{number}", "copy": digest(address)[:12]},
            }
        ],
        "from": {"email": "renewals@example.com"},
        "subject": f"Licence {number}",
        "content": [{"type": "text/plain", "value": "It expires."}],
    }
    headers = {"Content-Type": "application/json", "Authorization": "Bearer k"}
    asked = urllib.request.Request(f"{url}/v3/mail/send", json.dumps(mail).encode(), headers)
    try:
        with urllib.request.urlopen(asked, timeout=1) as answer:
            return bool(answer.status == 202)
    except Exception:  # noqa: BLE001 -- that is the policy
        return False


def _marked(database: Path) -> list[int]:
    conn = sqlite3.connect(database)
    found = [row[0] for row in conn.execute("SELECT id FROM todo WHERE sent = 1")]
    conn.close()
    return found
