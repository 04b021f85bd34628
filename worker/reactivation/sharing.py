"""A large book is judged by two processes side by side, one on each of two cores.

The verdict on a client looks at no other client, so it does not matter who makes it. The helper is
given parts of the book from its end, we begin at its beginning, and where we meet all is done.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context, parent_process
from threading import Thread

from worker.reactivation.history import Book
from worker.reactivation.rules import Measure, Verdict, verdicts

WORTH_IT = 20_000
"""Accounts from which on two processes are quicker than one."""
PART = 1_000
"""Accounts that are judged at a time."""
_AHEAD = 3  # parts that lie with the helper, so that it never waits for us


def judged(
    book: Book, cut: int, by: Measure, worth_it: int = WORTH_IT, size: int = PART
) -> list[Verdict]:
    """The verdicts on all clients that have one, by account. A book of ``worth_it`` accounts or
    more is shared with another process in parts of ``size``, where there is a core for it."""
    if len(book.spans) >= worth_it and _cores() > 1:
        try:
            # Nothing is forked: other threads of this process may hold locks.
            with ProcessPoolExecutor(1, get_context("spawn"), _make_ready) as helper:
                return _together(helper, book, cut, by, size)
        except (BrokenExecutor, OSError):  # it died, or no further process is allowed here
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
