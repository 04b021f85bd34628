"""A large book is judged by two processes side by side, one on each of two cores.

The verdict on a client looks at no other client, so it does not matter who makes it. The helper is
given parts of the book from its end, we begin at its beginning, and where we meet all is done. What
became of the clients of the calibration is seen by both in the same way, half of them by each.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context, parent_process
from threading import Thread

from worker.reactivation.calibration import Calibration, drawn, fitted, look_back, past_of
from worker.reactivation.history import Book
from worker.reactivation.rules import Measure, Verdict, verdicts

WORTH_IT = 20_000
"""Accounts from which on two processes are quicker than one."""
PART = 1_000
"""Accounts that are judged at a time."""
_AHEAD = 3  # parts that lie with the helper, so that it never waits for us


@contextmanager
def helping(book: Book, worth_it: int = WORTH_IT) -> Iterator[Executor | None]:
    """Another process for a book of ``worth_it`` accounts or more, where there is a core for it and
    a process is allowed; otherwise ``None``. It begins at once and gets ready beside us."""
    helper = _begun() if len(book.spans) >= worth_it and _cores() > 1 else None
    if helper is None:
        yield None
        return
    with helper:
        yield helper


def _begun() -> Executor | None:
    # Nothing is forked: other threads of this process may hold locks.
    helper = ProcessPoolExecutor(1, get_context("spawn"), _make_ready)
    try:
        helper.submit(_cores)
    except OSError:
        helper.shutdown()
        return None
    return helper


def calibrated(helper: Executor | None, book: Book, cut: int) -> Calibration:
    """Fits the two numbers on the quarter that closed on ``cut``; a helper looks at half of
    the clients."""
    spans, past = drawn(book), past_of(book, cut)
    if helper is not None:
        half = len(spans) // 2
        theirs = book.only(spans[half:])
        try:
            told = helper.submit(look_back, theirs, theirs.spans, past)
            return fitted(look_back(book, spans[:half], past) + told.result())
        except (BrokenExecutor, OSError):  # it died, or could not begin
            pass
    return fitted(look_back(book, spans, past))


def judged(
    helper: Executor | None, book: Book, cut: int, by: Measure, size: int = PART
) -> list[Verdict]:
    """The verdicts on all clients that have one, by account; shared with a helper in parts of
    ``size`` accounts."""
    if helper is not None:
        try:
            return _together(helper, book, cut, by, size)
        except (BrokenExecutor, OSError):
            pass
    return _judge(book, cut, by)


def _together(helper: Executor, book: Book, cut: int, by: Measure, size: int) -> list[Verdict]:
    left = deque(range(0, len(book.spans), size))
    lent: deque[tuple[Book, Future[list[Verdict]]]] = deque()
    found: list[Verdict] = []
    returned: list[list[Verdict]] = []
    while left:
        while left and len(lent) < _AHEAD:
            part = book.part(left.pop(), size)
            lent.append((part, helper.submit(_judge, part, cut, _narrowed(by, part))))
        if left:
            found += _judge(book.part(left.popleft(), size), cut, by)
        while lent and lent[0][1].done():
            returned.append(lent.popleft()[1].result())
    for part, told in lent:  # what it has not begun with is ours
        returned.append(_judge(part, cut, by) if told.cancel() else told.result())
    for verdicts_ in reversed(returned):
        found += verdicts_
    return found


def _narrowed(by: Measure, part: Book) -> Measure:
    """The measure of a part alone: so much less travels with it."""
    return replace(by, licensed=by.licensed.intersection(one.account for one in part.spans))


def _judge(book: Book, cut: int, by: Measure) -> list[Verdict]:
    return list(verdicts(book.clients(cut), by))


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _make_ready() -> None:
    """Readies the helper: it keeps what it makes for a moment only, and ends with its parent."""
    gc.disable()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
