"""``python -m bench [import orders tick rehearse rendering …] [--quick] [--full]``: with floors.

``--quick`` makes everything small: it shows that the measuring works, not how fast we are.
``--full`` gives deliveries the size that they are promised for, which takes many minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A line of the table: seconds, unless ``ours`` says otherwise."""

    what: str
    floor: str
    ours: str
    ratio: str
    reach: str


def _imports(quick: bool) -> list[Row]:
    from bench import import_

    with import_._databases() as fresh:
        found = import_.run(fresh, count=5_000 if quick else 100_000, times=1 if quick else 3)
    return [_timed(row["what"], row["floor_s"], row["ours_s"], row["reach"]) for row in found]


def _orders(quick: bool) -> list[Row]:
    from bench import import_, orders

    with import_._databases() as fresh:
        found = orders.run(fresh, count=10_000 if quick else 1_000_000, times=1 if quick else 3)
    return [_timed(row["what"], row["floor_s"], row["ours_s"], row["reach"]) for row in found]


def _ticks(quick: bool) -> list[Row]:
    from bench import engine

    due, small, large = (2_000, 10_000, 40_000) if quick else (20_000, 100_000, 1_000_000)
    floor, ours, larger = engine.ticks(due, small, large, times=1 if quick else 3)
    many = f"tick, {due:,} due of {small:,}; floor: executemany"
    grown = f"tick, {due:,} due of {large:,}; floor: of {small:,}"
    return [
        _timed(many, floor, ours, engine.TICK_REACH),
        _timed(grown, ours, larger, engine.GROWTH_REACH),
    ]


def _grouped(quick: bool) -> list[Row]:
    from bench import engine

    due, count = (2_000, 10_000) if quick else (20_000, 100_000)
    alone, together = engine.grouped_ticks(due, count, times=1 if quick else 3)
    what = f"grouped tick, {due:,} due of {count:,}; floor: ungrouped"
    return [_timed(what, alone, together, engine.GROUPED_REACH)]


def _rehearsal(quick: bool) -> list[Row]:
    from bench import engine

    count = 2_000 if quick else 100_000
    found = engine.rehearsal(count)
    speed = found["steps"] / found["planning_seconds"]
    whole = found["steps"] / found["seconds"]
    what = f"rehearse a year of {count:,}, {found['steps']:,} steps: decide, record"
    lavish = found["cpu_seconds"] / found["seconds"]
    return [
        Row(what, "", f"{speed:,.0f}/s", "", f"{engine.STEPS_A_SECOND:,}/s"),
        Row(
            "  the whole, mails through the ledger",
            "",
            f"{whole:,.0f}/s",
            f"{lavish:.1f} cores",
            "",
        ),
        Row("  its memory", "", f"{found['peak_mb']:.0f} MB", "", f"{engine.MEGABYTES} MB"),
    ]


def _rendering(quick: bool) -> list[Row]:
    from bench import rendering

    return [_timed(*row) for row in rendering.run(200 if quick else 2_000)]


def _report(quick: bool) -> list[Row]:
    from bench import engine, report

    size = 20_000 if quick else 1_000_000
    with engine.postgresql() as fresh:
        floor, ours = report.run(fresh, size, times=1 if quick else 3)
    what = f"report renewals of a year in a book of {size:,}; floor: a count"
    return [_timed(what, floor, ours, report.REACH)]


def _surveys(quick: bool) -> list[Row]:
    from bench import engine, surveys

    size = 20_000 if quick else 1_000_000
    with engine.postgresql() as fresh:
        floor, ours, page, drawn = surveys.run(fresh, size, times=1 if quick else 3)
    of = f"{size:,} answers of {size // surveys.ANSWERS_OF_ACCOUNT:,} accounts"
    ratio, reach = f"{ours / floor:.2f}", f"{surveys.SECONDS:g} s"
    of_page = f"{page:.2f}", f"{page / floor:.2f}", reach
    return [
        Row(f"NPS by segment of {of}; floor: a count", f"{floor:.2f}", f"{ours:.2f}", ratio, reach),
        Row("  all that the page of surveys shows", "", *of_page),
        Row("  accounts drawn anew, apart", "", f"{drawn:.2f}", "", ""),
    ]


def _events(quick: bool) -> list[Row]:
    from bench import engine, events

    with engine.postgresql() as fresh:
        count, floor, ours = events.run(fresh, 2_000 if quick else 20_000)
    what = f"take {count:,} events in batches of {events.BATCH:,}; floor: executemany, no effects"
    base, rate = (f"{count / took:,.0f}/s" for took in (floor, ours))
    return [Row(what, base, rate, f"{ours / floor:.2f}", f"{events.EVENTS_A_SECOND:,}/s")]


def _posted(quick: bool) -> list[Row]:
    from bench import engine, events, pages

    with engine.postgresql() as fresh:
        count, floor, ours = pages.posted(fresh, 1_000 if quick else 20_000)
    base, rate = (f"{count / took:,.0f}/s" for took in (floor, ours))
    what = f"POST {count:,} signed events to the web process; floor: without HTTP"
    return [Row(what, base, rate, f"{ours / floor:.2f}", f"{events.EVENTS_A_SECOND:,}/s")]


def _page(quick: bool) -> list[Row]:
    from bench import engine, pages

    with engine.postgresql() as fresh:
        floor, ours = pages.answer_page(fresh, 3 if quick else 20)
    what = f"answer page, 99th percentile at {pages.A_SECOND} a second; floor: a bare handler"
    return [_timed(what, floor, ours, pages.OF_BARE)]


def _staff(quick: bool) -> list[Row]:
    from bench import engine, staff

    count, work, seconds = (50_000, 500, 1) if quick else (1_000_000, 10_000, 15)
    with engine.postgresql() as fresh:
        found = staff.run(fresh, count, work, seconds)
    head = f"pages for staff, {count:,} licences, 99th percentile at {staff.A_SECOND} a second"
    return [
        Row(f"{head}; floor: same template, same values in memory", "", "", "", ""),
        *(_timed(f"  {one.path}", one.floor, one.ours, staff.OF_BARE) for one in found),
    ]


def _queue(quick: bool) -> list[Row]:
    from bench import engine, queue, staff

    clients, seconds = (500, 1) if quick else (10_000, 5)
    with engine.postgresql() as fresh:
        found = queue.run(fresh, clients, seconds)
    head = f"silent clients, {clients:,} open, 99th percentile at {staff.A_SECOND} a second"
    return [
        Row(f"{head}; floor: same template, same values in memory", "", "", "", ""),
        *(_timed(f"  {one.path}", one.floor, one.ours, staff.OF_BARE) for one in found),
    ]


def _delivery(quick: bool) -> list[Row]:
    from bench import delivery

    mails = 20_000 if FULL in sys.argv else 300 if quick else 4_000
    bare, celery, ours = delivery.run(mails, times=1 if quick else 3)
    what = f"deliver {mails:,} mails by {delivery.WORKERS} workers; floor: bare processes"
    rate, share = f"{ours:,.0f}/s", f"{ours / bare:.2f}"
    times = f"{ours / celery:.1f} x"
    return [
        Row(what, f"{bare:,.0f}/s", rate, share, f"{delivery.OF_BARE:g}"),
        Row("  against Celery", f"{celery:,.0f}/s", rate, times, f"{delivery.OF_CELERY:g} x"),
    ]


def _memory(quick: bool) -> list[Row]:
    from bench import engine, memory

    small = memory.idle(3 if quick else 15)
    count, due = (10_000, 200) if quick else (1_000_000, 2_000)
    with engine.postgresql() as fresh:
        large = memory.tick(fresh, count, due)
    return [
        Row("memory of perennial up, idle", "", f"{small:.0f} MB", "", f"{memory.IDLE_REACH} MB"),
        Row(
            f"memory of a tick over {count:,}", "", f"{large:.0f} MB", "", f"{memory.TICK_REACH} MB"
        ),
    ]


def _dormancy(quick: bool) -> list[Row]:
    """Here the columns are figures, not seconds: theirs, ours, the difference, the reach."""
    from bench import dormancy

    rows = []
    for name, supplier in list(dormancy.SUPPLIERS.items())[-1 if quick else 0 :]:
        if not (dormancy.DATA / supplier.file).is_file():
            rows.append(Row(f"who falls silent, {name}: left out, no {supplier.file}", *[""] * 4))
            continue
        figures = dormancy.measure(supplier)
        missed = dormancy.reached(figures) if supplier.is_bar else []
        head = f"who falls silent, {name}: AUC / average precision / precision by risk"
        said = "; ".join(missed) or "reached" if supplier.is_bar else ""
        rows.append(Row(f"{head} | queue: precision / value | off", "", "", "", said))
        rows += [Row(f"  {one.name}", "", _figure(one), "", "") for one in figures]
    return rows


def _figure(one: Any) -> str:
    off = "" if one.calibration_error is None else f"{one.calibration_error:.3f}"
    risk = f"{one.auc:.3f} / {one.average_precision:.3f} / {one.top_by_risk:.2f}"
    return f"{risk} | {one.top.precision:.2f} / {one.top.value:.2f} | {off:5}"


def _scores(quick: bool) -> list[Row]:
    from bench import dormancy, engine

    clients, days = (2_000, 14_000) if quick else (100_000, 700_000)
    rows = []
    with engine.postgresql() as fresh:
        for lines, reach in ((False, dormancy.SECONDS), (True, dormancy.SECONDS_WITH_LINES)):
            book = fresh()
            dormancy.fill(book, clients, days, lines=lines)
            found = dormancy.speed(book)
            book.dispose()
            what = f"score {clients:,} clients, {days:,} order days, {found.verdicts:,} verdicts"
            more = "with product lines" if lines else "without product lines"
            rows.append(Row(f"{what}, {more}", "", f"{found.seconds:.2f}", "", f"{reach:g} s"))
            rows.append(Row("  its CPU, without the database's", "", f"{found.spent:.2f}", "", ""))
            peak = f"{found.peak:.0f} MB"
            rows.append(
                Row("  its memory, of all processes", "", peak, "", f"{dormancy.MEGABYTES} MB")
            )
    return rows


def _help(quick: bool) -> list[Row]:
    """Starting ``perennial --help`` against starting Python, in turns; medians."""
    perennial = Path(sys.executable).with_name("perennial")
    bare, ours = [], []
    for _ in range(3 if quick else 20):
        bare.append(_seconds([sys.executable, "-c", "pass"]))
        ours.append(_seconds([str(perennial), "--help"]))
    floor, took = median(bare), median(ours)
    more = f"+{(took - floor) * 1000:.0f} ms"
    return [Row("perennial --help", f"{floor:.3f}", f"{took:.3f}", more, "+100 ms")]


def _seconds(command: list[str]) -> float:
    began = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began


def _timed(what: str, floor: float, ours: float, reach: float) -> Row:
    digits = 2 if floor >= 0.1 else 4
    taken = f"{floor:.{digits}f}", f"{ours:.{digits}f}"
    return Row(what, *taken, f"{ours / floor:.2f}", f"{reach:g}")


FULL = "--full"
WORKS: dict[str, Callable[[bool], list[Row]]] = {
    "import": _imports,
    "orders": _orders,
    "tick": _ticks,
    "grouped": _grouped,
    "rehearse": _rehearsal,
    "rendering": _rendering,
    "report": _report,
    "surveys": _surveys,
    "events": _events,
    "posted": _posted,
    "page": _page,
    "staff": _staff,
    "queue": _queue,
    "delivery": _delivery,
    "memory": _memory,
    "dormancy": _dormancy,
    "scores": _scores,
    "help": _help,
}


def main(words: list[str]) -> int:
    """Measures what ``words`` name, all by default; 2 when a name is unknown."""
    quick = "--quick" in words
    names = [word for word in words if word not in ("--quick", FULL)] or list(WORKS)
    unknown = [name for name in names if name not in WORKS]
    if unknown:
        print(f"{unknown[0]!r} is not measured; there are {', '.join(WORKS)}", file=sys.stderr)
        return 2
    _show(_measured(names, quick))
    load = os.getloadavg()[0]
    print(f"\n{os.cpu_count()} cores, load {load:.1f}: above the number of cores, others ran too")
    return 0


def _measured(names: list[str], quick: bool) -> list[Row]:
    from tests.folders import living_apart

    rows = [Row("what (seconds)", "floor", "ours", "ratio", "reach")]
    with living_apart():
        for name in names:
            print(f"measuring {name} …", file=sys.stderr)
            rows += WORKS[name](quick)
    return rows


def _show(rows: list[Row]) -> None:
    widths = [max(len(row[place]) for row in rows) for place in range(len(Row._fields))]
    for row in rows:
        cells: list[Any] = [row.what.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
