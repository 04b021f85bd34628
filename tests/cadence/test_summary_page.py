"""The page of a rehearsal, read back the way a browser reads it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from worker.cadence import picture
from worker.cadence.summary_page import (
    DayCount,
    ReasonCount,
    ReasonTotal,
    Sample,
    StepCount,
    Summary,
    in_plain_words,
    write,
)
from worker.kernel.dates import Period

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags in order, the text inside each, and whether every tag was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[int] = []
        self.found: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}, []))
        if tag not in VOID:
            self.open.append(len(self.found) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self.handle_data(" ")
        opened = self.found[self.open.pop()][0]
        assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data: str) -> None:
        for at in self.open:
            self.found[at][2].append(data)

    def all(self, tag: str = "", attribute: str = "") -> list[tuple[dict[str, str], str]]:
        return [
            (attrs, " ".join("".join(text).split()))
            for name, attrs, text in self.found
            if (not tag or name == tag) and (not attribute or attribute in attrs)
        ]

    def by(self, attribute: str) -> dict[str, str]:
        return {attrs[attribute]: text for attrs, text in self.all(attribute=attribute)}

    @property
    def text(self) -> str:
        return " ".join(text for _, text in self.all("body"))


CENTRAL = timezone(timedelta(hours=-6))
BUSY = [
    DayCount(date(2006, 1, 13), 4, 0),
    DayCount(date(2006, 3, 14), 37, 2),
    DayCount(date(2006, 3, 15), 1, 0),
    DayCount(date(2006, 12, 29), 0, 1),
    DayCount(date(2006, 11, 1), 1_200, 31),
]


def a_summary() -> Summary:
    return Summary(
        title="Rehearsal of 2006",
        licences=10_000,
        accounts=8_123,
        first_day=date(2006, 1, 1),
        last_day=date(2006, 12, 31),
        made_at=datetime(2026, 11, 21, 22, 4, tzinfo=UTC),
        schedules=["Licence renewal"],
        decisions=1_811,
        mails=1_242,
        tasks=34,
        licences_reached=1_100,
        seconds=3.417,
        closed_days=209,
        days=BUSY,
        steps=[
            StepCount(
                "renewal", "heads-up", "60 days before", "email", {"sent": 1_242, "skipped": 9}
            ),
            StepCount(
                "renewal",
                "call",
                "14 days before",
                "task",
                {"sent": 34, "superseded": 500, "cancelled": 26},
            ),
            StepCount("renewal", "grace", "3 days after", "email", {}),
        ],
        nothing=[
            ReasonCount("no-reachable-contact", 7, ["a1", "a2", "a3", "a4", "a5", "a6", "a7"]),
            ReasonCount("not-in-audience", 1_058, ["b1"]),
        ],
        reasons=[
            ReasonTotal("skipped", "before-term", 9),
            ReasonTotal("superseded", "later-step", 500),
            ReasonTotal("cancelled", "renewed", 26, "Renewed in time."),
        ],
        samples=[
            Sample(
                "mails/k1-licences+3@example.com.html",
                "mails/k1-licences+3@example.com.eml",
                "Państwa licencja wygasa za 60 dni",
                "licences+3@example.com",
                datetime(2006, 3, 14, 9, 20, tzinfo=CENTRAL),
                "324796",
                "heads-up",
                "pl",
            )
        ],
    )


def an_empty_summary() -> Summary:
    return Summary(
        title="Nothing at all",
        licences=0,
        accounts=0,
        first_day=date(2007, 2, 1),
        last_day=date(2007, 2, 28),
        made_at=datetime(2026, 11, 21, 22, 4, tzinfo=UTC),
        schedules=[],
        decisions=0,
        mails=0,
        tasks=0,
        licences_reached=0,
        seconds=0.01,
    )


def read(folder: Path, summary: Summary) -> Page:
    return Page(write(folder, summary).read_text(encoding="utf-8"))


def cells(page: Page) -> list[str]:
    return [attrs["data-day"] for attrs, _ in page.all("rect", "data-day")]


def days_between(first: date, last: date) -> list[str]:
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


def test_the_page_lands_in_a_folder_that_did_not_exist_and_leaves_no_half_file(
    tmp_path: Path,
) -> None:
    made = write(tmp_path / "var" / "rehearsal", a_summary())
    assert made == tmp_path / "var" / "rehearsal" / "index.html"
    assert sorted(file.name for file in made.parent.iterdir()) == ["calendar.svg", "index.html"]


def test_a_second_rehearsal_replaces_the_page_of_the_first(tmp_path: Path) -> None:
    write(tmp_path, a_summary())
    page = read(tmp_path, replace(a_summary(), mails=7))
    assert page.by("data-figure")["mails"] == "7"


def test_the_big_figures_are_those_of_the_rehearsal(tmp_path: Path) -> None:
    assert read(tmp_path, a_summary()).by("data-figure") == {
        "mails": "1,242",
        "tasks": "34",
        "licences-reached": "1,100",
        "busiest": "1,231",
        "decisions": "1,811",
        "seconds": "3.4",
    }


def test_one_sentence_says_what_was_rehearsed_and_what_came_of_it(tmp_path: Path) -> None:
    [(_, lead)] = [
        found for found in read(tmp_path, a_summary()).all("p") if "lead" in found[0].values()
    ]
    assert lead == (
        "Licence renewal was rehearsed from Sun 1 Jan 2006 to Sun 31 Dec 2006 on a book of 10,000 "
        "licences and 8,123 accounts: it came to 1,242 mails and 34 tasks for 1,100 licences; "
        "1,065 licences got nothing, and the reasons stand below."
    )


def test_several_schedules_and_single_things_are_counted_in_good_english(tmp_path: Path) -> None:
    summary = replace(
        a_summary(),
        schedules=["Renewal", "Notice", "Review"],
        licences=1,
        accounts=1,
        mails=1,
        tasks=1,
        licences_reached=1,
        nothing=[],
        closed_days=1,
    )
    page = read(tmp_path, summary)
    assert "Renewal, Notice and Review were rehearsed" in page.text
    assert (
        "a book of 1 licence and 1 account: it came to 1 mail and 1 task for 1 licence."
        in page.text
    )
    assert "1 due date fell on a closed day" in page.text


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2006, 1, 1), date(2006, 12, 31)),
        (date(2004, 1, 1), date(2004, 12, 31)),
        (date(2006, 9, 18), date(2007, 9, 17)),
        (date(2004, 5, 3), date(2006, 12, 31)),
        (date(2006, 2, 28), date(2006, 2, 28)),
        (date(2006, 12, 31), date(2007, 1, 1)),
    ],
)
def test_every_day_of_the_period_has_one_cell_of_its_own(
    tmp_path: Path, first: date, last: date
) -> None:
    page = read(tmp_path, replace(a_summary(), first_day=first, last_day=last, days=[]))
    assert sorted(cells(page)) == days_between(first, last)


@pytest.mark.parametrize("last", [date(2006, 12, 31), date(2009, 12, 31)])
def test_a_day_stands_in_the_row_of_its_weekday_and_no_two_share_a_place(last: date) -> None:
    drawn = picture.calendar({}, Period(date(2006, 1, 1), last))
    rows: dict[int, set[float]] = {}
    places = Counter()
    for year, group in enumerate(re.findall(r'<g transform="[^"]+">.*?</g>', drawn.grid)):
        for day, x, y in re.findall(r'data-day="([^"]+)" x="(\d+)" y="(\d+)"', group):
            rows.setdefault(date.fromisoformat(day).weekday(), set()).add(float(y))
            places[year, x, y] += 1
    assert [len(rows[weekday]) for weekday in range(7)] == [1] * 7
    assert [rows[weekday] for weekday in range(7)] == sorted(rows.values(), key=min)
    assert set(places.values()) == {1}


def test_weeks_run_from_left_to_right() -> None:
    drawn = picture.calendar({}, Period(date(2006, 9, 18), date(2007, 9, 17)))
    found = re.findall(r'data-day="([^"]+)" x="(\d+)"', drawn.grid)
    mondays = [int(x) for day, x in found if date.fromisoformat(day).weekday() == 0]
    assert mondays == sorted(set(mondays))


def test_a_cell_says_its_day_its_mails_and_its_tasks(tmp_path: Path) -> None:
    titles = {
        attrs["data-day"]: text
        for attrs, text in read(tmp_path, a_summary()).all("rect", "data-day")
    }
    assert titles["2006-03-14"] == "Tue 14 Mar 2006: 37 mails, 2 tasks"
    assert titles["2006-03-15"] == "Wed 15 Mar 2006: 1 mail"
    assert titles["2006-12-29"] == "Fri 29 Dec 2006: 1 task"
    assert titles["2006-07-04"] == "Tue 4 Jul 2006: nothing"


def test_the_numbers_in_the_cells_add_up_to_the_input(tmp_path: Path) -> None:
    said = " ".join(text for _, text in read(tmp_path, a_summary()).all("rect", "data-day"))
    mails = sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) mail", said))
    tasks = sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) task", said))
    assert (mails, tasks) == (sum(d.mails for d in BUSY), sum(d.tasks for d in BUSY))


def test_a_mail_on_the_day_beside_the_period_is_drawn_and_not_lost(tmp_path: Path) -> None:
    early = DayCount(date(2005, 12, 31), 5, 0)
    page = read(tmp_path, replace(a_summary(), days=[*BUSY, early]))
    assert sorted(cells(page)) == days_between(date(2005, 12, 31), date(2006, 12, 31))


def test_two_counts_of_one_day_are_added(tmp_path: Path) -> None:
    page = read(tmp_path, replace(a_summary(), days=[BUSY[1], DayCount(date(2006, 3, 14), 3, 0)]))
    assert "Tue 14 Mar 2006: 40 mails, 2 tasks" in page.text


def test_only_the_busiest_day_has_a_frame(tmp_path: Path) -> None:
    framed = [
        attrs["data-day"]
        for attrs, _ in read(tmp_path, a_summary()).all("rect", "data-day")
        if "busiest" in attrs["class"].split()
    ]
    assert framed == ["2006-11-01"]


@pytest.mark.parametrize(
    "totals",
    [[0], [1], [3, 3, 3], [1, 2], [161, 163], [1, 2, 5, 40, 1_231], [900, 950, 1_000], range(60)],
)
def test_shades_cover_every_day_without_gap_or_overlap(totals: list[int]) -> None:
    legend = picture.bands(totals)
    assert legend[0] == picture.Band(0, 0, 0)
    assert len(legend) <= 6
    levels = [band.level for band in legend]
    assert levels == sorted(set(levels))
    for total in totals:
        assert sum(band.low <= total <= band.high for band in legend) == 1
    busy = legend[1:]
    assert all(one.high + 1 == two.low for one, two in pairwise(busy))
    if busy:
        assert (busy[0].low, busy[-1].high, busy[-1].level) == (
            min(t for t in totals if t),
            max(totals),
            5,
        )


def test_a_busier_day_is_never_paler(tmp_path: Path) -> None:
    days = [DayCount(date(2006, 5, n), n * n, n % 3) for n in range(1, 31)]
    page = read(tmp_path, replace(a_summary(), days=days))
    level = {
        attrs["data-day"]: int(attrs["class"].split()[0][1:])
        for attrs, _ in page.all("rect", "data-day")
    }
    shades = [level[count.day.isoformat()] for count in sorted(days, key=lambda count: count.total)]
    assert shades == sorted(shades)
    assert set(shades) == {1, 2, 3, 4, 5}
    assert level["2006-06-01"] == 0


def test_the_legend_is_in_numbers(tmp_path: Path) -> None:
    items = [text for _, text in read(tmp_path, a_summary()).all("li")]
    assert items[0] == "0"
    assert items[1].startswith("1–")
    assert items[5].endswith("1,231")
    assert items[6] == "mails and tasks a day"


def test_the_calendar_has_words_for_those_who_cannot_see_it(tmp_path: Path) -> None:
    page = read(tmp_path, a_summary())
    [(attrs, _)] = [found for found in page.all("svg") if found[0].get("role") == "img"]
    named = {found["id"]: text for found, text in page.all(attribute="id")}
    title, description = (named[name] for name in attrs["aria-labelledby"].split())
    assert title == "Mails and tasks a day, Sun 1 Jan 2006 to Sun 31 Dec 2006"
    assert "Busiest: Wed 1 Nov 2006 with 1,200 mails, 31 tasks." in description


def test_the_months_stand_in_a_table_with_their_sums(tmp_path: Path) -> None:
    months = read(tmp_path, a_summary()).by("data-month")
    assert list(months)[::11] == ["Jan 2006", "Dec 2006"]
    assert len(months) == 12
    assert months["Mar 2006"] == "Mar 2006 38 2 2 Tue 14 Mar 2006: 37 mails, 2 tasks"
    assert months["Apr 2006"] == "Apr 2006 0 0 0 –"


def test_each_step_shows_what_went_out_and_what_did_not(tmp_path: Path) -> None:
    page = read(tmp_path, a_summary())
    steps = page.by("data-step")
    assert list(steps) == ["heads-up", "call", "grace"]
    assert steps["heads-up"] == "heads-up 60 days before · email 1,242 1,242 sent · 9 skipped"
    assert steps["call"] == (
        "call 14 days before · task 34 34 sent · 500 superseded · 26 cancelled"
    )
    assert steps["grace"] == "grace 3 days after · email 0 nothing"


def test_the_longest_bar_fills_its_line_and_the_others_are_to_scale() -> None:
    def widths(svg: str) -> list[float]:
        return [float(width) for width in re.findall(r' width="([\d.]+)"', svg)]

    assert widths(picture.bar(750, 250, 1_000)) == [750.0, 250.0]
    assert widths(picture.bar(100, 0, 1_000)) == [100.0, 0.0]
    assert widths(picture.bar(1, 0, 1_000_000)) == [4.0, 0.0], "one mail can still be seen"
    assert widths(picture.bar(0, 0, 0)) == [0.0, 0.0]


def test_who_gets_nothing_is_told_in_plain_words_the_most_frequent_reason_first(
    tmp_path: Path,
) -> None:
    rows = read(tmp_path, a_summary()).by("data-nothing")
    assert list(rows) == ["not-in-audience", "no-reachable-contact"]
    assert rows["not-in-audience"].startswith(
        "1,058 The schedule does not speak to this licence or its account. not-in-audience"
    )
    assert rows["no-reachable-contact"].endswith("for example a1, a2, a3, a4, a5")


def test_what_went_out_and_licences_without_a_step_are_not_among_them(tmp_path: Path) -> None:
    counts = [("sent", None), ("waiting", "approval"), ("nothing", "done"), ("skipped", "late")]
    summary = replace(a_summary(), reasons=[ReasonTotal(*count, 7) for count in counts])
    assert list(read(tmp_path, summary).by("data-reason")) == ["skipped late"]


def test_steps_that_did_not_go_out_have_their_reasons(tmp_path: Path) -> None:
    rows = read(tmp_path, a_summary()).by("data-reason")
    assert list(rows) == ["superseded later-step", "cancelled renewed", "skipped before-term"]
    assert rows["cancelled renewed"] == "26 cancelled Renewed in time. renewed"
    assert in_plain_words("before-term") in rows["skipped before-term"]


@pytest.mark.parametrize(
    "code",
    [
        "not-in-audience",
        "renewed",
        "cancelled",
        "ended",
        "history",
        "before-term",
        "no-open-moment",
        "too-late",
        "late",
        "later-step",
        "same-day",
        "new-step",
        "condition",
        "no-reachable-contact",
        "no-schedule",
        "done",
    ],
)
def test_a_reason_is_a_sentence_and_not_its_code(code: str) -> None:
    words = in_plain_words(code)
    assert words.endswith(".")
    assert words.count(" ") >= 3
    assert words.lower() != code.replace("-", " ") + "."


def test_a_reason_nobody_wrote_words_for_is_still_readable() -> None:
    assert in_plain_words("moon-was-full") == "Moon was full."


def test_a_sample_mail_can_be_opened_and_says_to_whom_and_when(tmp_path: Path) -> None:
    page = read(tmp_path, a_summary())
    links = {unquote(attrs["href"]): text for attrs, text in page.all("a")}
    assert links["mails/k1-licences+3@example.com.html"] == "Państwa licencja wygasa za 60 dni"
    assert links["mails/k1-licences+3@example.com.eml"] == ".eml"
    assert (
        "to licences+3@example.com · Tue 14 Mar 2006, 09:20 UTC-06:00 · heads-up · pl" in page.text
    )
    assert ("pl", "Państwa licencja wygasa za 60 dni") in [
        (attrs.get("lang"), text) for attrs, text in page.all("bdi")
    ]


def test_a_file_name_with_odd_signs_stays_a_link_inside_the_folder(tmp_path: Path) -> None:
    sample = replace(a_summary().samples[0], file_html="javascript:1?#%2e", file_eml="")
    links = [a["href"] for a, _ in read(tmp_path, replace(a_summary(), samples=[sample])).all("a")]
    assert links == ["javascript%3A1%3F%23%252e", "decisions.jsonl"]


def test_a_hundred_mails_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    page = read(tmp_path, replace(a_summary(), samples=[a_summary().samples[0]] * 2_345))
    assert len(page.all("time")) == 101
    assert "And 2,245 more in the folder of mails." in page.text


def test_a_name_that_looks_like_markup_stays_a_name(tmp_path: Path) -> None:
    bad = '<script>alert("1")</script>{{ config }}'
    summary = replace(
        a_summary(),
        title=bad,
        schedules=[bad],
        notes=[bad],
        steps=[StepCount(bad, bad, bad, bad, {bad: 3})],
        nothing=[ReasonCount(bad, 1, [bad])],
        reasons=[ReasonTotal(bad, bad, 1, bad)],
        samples=[
            replace(a_summary().samples[0], subject=bad, to=bad, licence=bad, language='"><b>')
        ],
    )
    page = read(tmp_path, summary)
    assert not page.all("script")
    assert not page.all("b", "onclick")
    assert [text for _, text in page.all("h1")] == [bad]
    assert page.text.count(bad) >= 11


@pytest.mark.parametrize("summary", [a_summary(), an_empty_summary()], ids=["a year", "empty"])
def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path, summary: Summary) -> None:
    text = write(tmp_path, summary).read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open, "every tag is closed"
    assert "//" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert not [tag for tag in ("script", "link", "img", "iframe") if page.all(tag)]
    assert not page.all(attribute="src")
    assert all(not attrs["href"].startswith(("/", "http", "data:")) for attrs, _ in page.all("a"))


def test_each_id_is_used_once_and_each_reference_is_met(tmp_path: Path) -> None:
    page = read(tmp_path, a_summary())
    ids = [attrs["id"] for attrs, _ in page.all(attribute="id")]
    assert len(ids) == len(set(ids))
    for attrs, _ in page.all(attribute="aria-labelledby"):
        assert set(attrs["aria-labelledby"].split()) <= set(ids)


def test_a_rehearsal_in_which_nothing_happens_still_says_so(tmp_path: Path) -> None:
    page = read(tmp_path, an_empty_summary())
    assert "No schedule was rehearsed from Thu 1 Feb 2007" in page.text
    assert "no mail and no task came of it." in page.text
    assert page.by("data-figure")["busiest"] == "–"
    assert len(cells(page)) == 28
    for said in (
        "No step came due.",
        "No licence came up in this period.",
        "No mail was rendered.",
    ):
        assert said in page.text


def test_the_page_speaks_the_same_whenever_it_is_written(tmp_path: Path) -> None:
    one = write(tmp_path / "one", a_summary()).read_bytes()
    assert write(tmp_path / "two", a_summary()).read_bytes() == one


def test_a_moment_without_an_offset_is_refused(tmp_path: Path) -> None:
    naive = replace(a_summary(), made_at=datetime(2026, 11, 21))  # noqa: DTZ001 - the naive case
    with pytest.raises(ValueError, match="offset"):
        write(tmp_path, naive)
    assert not list(tmp_path.iterdir())


def test_the_calendar_alone_is_a_whole_picture(tmp_path: Path) -> None:
    write(tmp_path, a_summary())
    root = ElementTree.parse(tmp_path / "calendar.svg").getroot()
    drawn = [node.get("data-day") for node in root.iter() if node.get("data-day")]
    assert sorted(filter(None, drawn)) == days_between(date(2006, 1, 1), date(2006, 12, 31))
    assert "prefers-color-scheme:dark" in "".join(root.itertext())
