"""A process dies or stands still at every point of the way to a real provider: no mail is lost,
none is doubled, and the ledger tells no lie (P1, P8).

Each death is met with each kind of answer. The evidence is the provider's own log.
"""

from __future__ import annotations

import itertools
import time
from datetime import timedelta
from signal import SIGKILL, SIGSTOP

import pytest
import sendgrid.helpers.mail  # noqa: F401 -- before the fork: each child would load it anew
from sqlalchemy import Engine

from tests.outbox.world import LEASE
from tests.stories.conftest import EVERYBODY, Open
from tests.stories.mortal import Fate, Mortal, Pause, Work
from tests.stories.office import CLEAN, Office, RunningClock
from worker.kernel.clock import SystemClock

pytestmark = [
    pytest.mark.timeout(900),
    # Newer Pythons warn of forks beside threads; the child only works and dies.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]

POINTS = [
    ("commit", 1),  # the claim
    ("claimed", 1),
    ("commit", 2),  # the mails are marked as started, all of a burst at once
    ("started", 1),
    ("sent", 2),
    ("commit", 3),  # what came of them is written down
    ("recorded", 1),
]
ANSWERS = ["", "500-accepted", "reset-before", "reset-after", "401", "429"]
"""What the second mail meets; the first and the third are taken."""

# --- deaths ---


def _run(office: Office, work: Work, fate: Fate) -> Mortal:
    office.engine.dispose()  # the child makes its own, and must not find ours
    url = office.engine.url.render_as_string(hide_password=False)
    return Mortal(url, work, fate)


def _sending(office: Office) -> Work:
    def work(engine: Engine, pause: Pause) -> None:
        built = office.machine_on(engine, office.clock, office.channel(), pause, LEASE)
        while built.send_batch():
            pass

    return work


def _sweeping(office: Office) -> Work:
    def work(engine: Engine, pause: Pause) -> None:
        office.machine_on(engine, office.clock, office.channel(), pause, LEASE).sweep()

    return work


def _check(office: Office) -> None:
    office.live_on()
    assert office.count(EVERYBODY) == CLEAN
    assert {row.state for row in office.ledger()} == {"accepted"}
    assert {row.resends for row in office.ledger()} <= {0, 1, 2}  # it may be cut off twice


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer or "ok")
@pytest.mark.parametrize(("label", "number"), POINTS)
def test_a_sender_that_dies_at_any_point_loses_no_mail_and_doubles_none_whatever_was_answered(
    opened: Open, label: str, number: int, answer: str
) -> None:
    office = opened()
    office.provider.whims.script = ["", answer]
    process = _run(office, _sending(office), Fate(label, number))
    assert process.wait() == -SIGKILL, "it came past the point at which it should die"
    _check(office)


def _in_doubt(office: Office) -> None:
    """One mail is on its way, one is not, and nobody knows of either; the third died with its
    worker."""
    office.provider.whims.script = ["500-accepted", "reset-before", "reset-after"]
    assert _run(office, _sending(office), Fate("sent", 3)).wait() == -SIGKILL
    office.later(seconds=61)


def _dies_everywhere(office: Office, work: Work) -> int:
    """Does the work in processes of which each gets one question to the database further; how many
    died before one came to the end."""
    for number in itertools.count(1):
        code = _run(office, work, Fate("statement", number)).wait()
        if code == 0:
            return number - 1
        assert code == -SIGKILL
    raise AssertionError("unreachable")


def test_whoever_settles_mails_in_doubt_may_die_at_any_question_to_the_database(
    opened: Open,
) -> None:
    office = opened()
    _in_doubt(office)
    for label in ("commit", "swept"):
        assert _run(office, _sweeping(office), Fate(label)).wait() == -SIGKILL
    deaths = 0
    for span in (0, 29, 2):  # the lease is over; within the hold; after it
        office.later(minutes=span)
        deaths += _dies_everywhere(office, _sweeping(office))
        office.tell_all()
    assert deaths > 6
    _check(office)


def test_whoever_takes_events_may_die_at_any_question_to_the_database_and_is_told_again(
    opened: Open,
) -> None:
    office = opened()
    _in_doubt(office)
    assert _run(office, _sweeping(office), Fate("never")).wait() == 0
    office.contact("C-0b", licence="L-0", email="second@example.com")
    request = office.told(client0="bounce")

    def taking(engine: Engine, pause: Pause) -> None:
        office.hear(engine, *request)
        pause("answered")

    assert _run(office, taking, Fate("commit")).wait() == -SIGKILL
    assert office.kept() == []  # nothing of it: the provider got no answer and tells it again
    assert _dies_everywhere(office, taking) > 5
    assert _run(office, taking, Fate("answered")).wait() == -SIGKILL  # it is told once more
    office.live_on()
    assert office.count([*EVERYBODY, "second@example.com"]) == CLEAN
    assert office.silent() == {"client0@example.com": "bounced"}


# --- a long sleep ---


def test_a_sender_that_stands_still_for_two_leases_at_any_point_doubles_no_mail(
    opened: Open,
) -> None:
    """All stand still at once, each in an office of its own, to wait only once."""
    lease = timedelta(seconds=2)
    offices = {point: opened() for point in POINTS}
    sleepers: dict[tuple[str, int], Mortal] = {}
    try:
        for point, office in offices.items():
            office.provider.whims.script = ["", "500-accepted"]
            sleepers[point] = _run(office, _slow(office, lease), Fate(*point, SIGSTOP))
            sleepers[point].wait_until_it_stands_still()
        time.sleep(2 * lease.total_seconds())
        for point, office in offices.items():
            office.later(seconds=61)
            if point[0] != "commit":  # else it holds what another would need
                office.send()  # another process ends the lease and does what is to be done
            sleepers[point].go_on()
            assert sleepers[point].wait() == 0
    finally:
        for sleeper in sleepers.values():
            sleeper.end()
    for office in offices.values():
        _check(office)


def _slow(office: Office, lease: timedelta) -> Work:
    def work(engine: Engine, pause: Pause) -> None:
        clock = RunningClock(office.clock.now(), SystemClock())
        built = office.machine_on(engine, clock, office.channel(), pause, lease)
        while built.send_batch():
            pass

    return work
