"""Importing: what is created, changed, left alone; renewals and corrections; syncs and dry runs."""

from __future__ import annotations

import csv
import gzip
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import select, update

from tests.catalogue.conftest import ACCOUNT, LICENCE, Book, said
from worker.catalogue import store
from worker.catalogue.flow import Options
from worker.catalogue.records import imports, licences
from worker.kernel.errors import FindingsError

HEADER = "account,name,licence,start,end\n"
YEAR1 = HEADER + "a1,Łąka,l1,2025-01-01,2026-01-01\n"
YEAR2 = HEADER + "a1,Łąka,l1,2026-01-01,2027-01-01\n"
FULL = {
    **LICENCE,
    "product": "{product}",
    "amount": "{amount}",
    "status": "{status}",
    "owner": "{owner}",
    "closed_on": "{paid}",
    "values": {"status": {"AAC": "cancelled", "AAI": "active"}},
}
FULL_HEADER = "account,name,licence,start,end,product,amount,status,owner,paid\n"


def reset_bells(book: Book) -> None:
    with book.engine.begin() as conn:
        conn.execute(update(licences).values(changed=False))


def rung(book: Book) -> list[str]:
    with book.engine.begin() as conn:
        wanted = select(licences.c.key).where(licences.c.changed).order_by(licences.c.key)
        return list(conn.execute(wanted).scalars())


def test_a_row_becomes_an_account_and_a_licence_with_its_first_term(book: Book) -> None:
    report = book.load(YEAR1)
    assert report.record()["entities"] == {
        "account": {"created": 1, "updated": 0, "unchanged": 0, "rejected": 0},
        "licence": {"created": 1, "updated": 0, "unchanged": 0, "rejected": 0},
    }
    licence = book.licence("l1")
    assert (licence["term"], licence["starts_on"], licence["expires_on"]) == (
        1,
        date(2025, 1, 1),
        date(2026, 1, 1),
    )
    assert (licence["status"], licence["auto_renew"], licence["changed"]) == ("active", False, True)
    assert licence["account_id"] == book.account("a1")["id"]
    assert book.terms("l1") == [(1, "first", date(2025, 1, 1), date(2026, 1, 1))]


def test_all_fields_arrive_as_what_they_are(book: Book) -> None:
    loads = [
        {
            "entity": "account",
            "key": "{k}",
            "segment": "smb",
            "country": "pl",
            "timezone": "{zone}",
            "language": "pl",
            "account_manager": "ewa",
            "renewal_manager": "jan",
            "reseller": "r1",
            "tags": "{tags}",
            "cost_to_serve": "12.5",
        },
        {
            "entity": "contact",
            "account": "{k}",
            "email": "{first}.{last}@Example.com",
            "name": "{first} {last}",
            "role": "Decision-Maker",
            "opt_out": "{out}",
        },
        {
            "entity": "licence",
            "key": "{k}-1",
            "account": "{k}",
            "quantity": "{n}",
            "amount": "1234.5",
            "currency": "eur",
            "next_amount": "{n}",
            "auto_renew": "yes",
            "notice_days": "30",
            "renew_url": "https://example.com/{k}",
            "expires_on": "{end}",
        },
    ]
    book.load(
        "k,zone,tags,first,last,out,n,end\n"
        'a1, Europe/Warsaw ,"gold, old,,gold",Anna,Nowak,1,7,2027-01-31\n',
        loads,
    )
    account = book.account("a1")
    assert (account["name"], account["country"], account["timezone"]) == (
        "a1",
        "PL",
        "Europe/Warsaw",
    )
    assert (account["tags"], account["cost_to_serve"]) == (["gold", "old"], Decimal("12.50"))
    contact = book.contact("anna.nowak@example.com")
    assert (contact["email"], contact["name"]) == ("anna.nowak@example.com", "Anna Nowak")
    assert (contact["role"], contact["opt_out"]) == ("decision-maker", True)
    licence = book.licence("a1-1")
    assert (licence["quantity"], licence["amount"]) == (7, Decimal("1234.50"))
    assert (licence["currency"], licence["renew_url"]) == ("EUR", "https://example.com/a1")
    assert (licence["auto_renew"], licence["starts_on"]) == (True, None)


def test_a_second_import_changes_nothing_and_rings_no_bell(book: Book) -> None:
    text = FULL_HEADER + (
        "a1,Łąka,l1,2025-01-01,2026-01-01,AV,100,AAI,ewa,2024-12-20\n"
        "a1,Łąka,l1,2026-01-01,2027-01-01,AV,110,,,2025-12-20\n"
        "a1,Łąka,l2,,2027-01-01,Backup,,AAC,,\n"
        "a2,Dąb,l3,2026-05-05,2026-05-05,,,,,\n"
    )
    first = book.load(text, [ACCOUNT, FULL])
    reset_bells(book)
    before = book.everything()
    book.clock.advance_to(datetime(2026, 12, 1, tzinfo=UTC))
    again = book.load(text, [ACCOUNT, FULL])
    assert book.everything() == before
    assert rung(book) == []
    assert not again.wrote
    assert [c.unchanged for c in again.entities.values()] == [1, 2]
    assert said(again) == said(first)
    with book.engine.begin() as conn:
        assert len(conn.execute(select(imports)).all()) == 1


def test_year_two_works_like_year_one(book: Book) -> None:
    book.load(YEAR1)
    reset_bells(book)
    report = book.load(YEAR2)
    assert (report.renewals, report.entities["licence"].updated) == (1, 1)
    assert rung(book) == ["l1"]
    assert book.terms("l1") == [
        (1, "first", date(2025, 1, 1), date(2026, 1, 1)),
        (2, "renewal", date(2026, 1, 1), date(2027, 1, 1)),
    ]
    licence = book.licence("l1")
    assert (licence["term"], licence["expires_on"]) == (2, date(2027, 1, 1))


def test_a_correction_re_dates_the_term_and_keeps_its_number(book: Book) -> None:
    book.load(YEAR1)
    report = book.load(HEADER + "a1,Łąka,l1,2025-01-01,2026-02-01\n")
    assert report.corrections == 1
    assert book.terms("l1") == [(1, "first", date(2025, 1, 1), date(2026, 2, 1))]
    assert book.licence("l1")["expires_on"] == date(2026, 2, 1)


def test_a_start_long_after_the_end_is_a_return(book: Book) -> None:
    book.load(YEAR1)
    report = book.load(HEADER + "a1,Łąka,l1,2026-06-01,2027-06-01\n")
    assert report.returns == 1
    assert book.terms("l1")[-1][:2] == (2, "return")


def test_an_older_term_that_arrives_later_is_history_and_changes_nothing_else(book: Book) -> None:
    loads = [ACCOUNT, FULL]
    book.load(FULL_HEADER + "a1,Łąka,l1,2026-01-01,2027-01-01,AV,100,AAI,,\n", loads)
    report = book.load(FULL_HEADER + "a1,Łąka,l1,2025-01-01,2026-01-01,Old,9,AAC,,\n", loads)
    assert report.history == 1
    assert book.terms("l1") == [
        (None, "history", date(2025, 1, 1), date(2026, 1, 1)),
        (1, "first", date(2026, 1, 1), date(2027, 1, 1)),
    ]
    licence = book.licence("l1")
    assert (licence["product"], licence["status"], licence["term"]) == ("AV", "active", 1)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_several_terms_in_one_file_become_history_in_order(book: Book, order: list[int]) -> None:
    lines = [
        "a1,Łąka,l1,2024-01-01,2025-01-01,AV,100,AAI,,2023-12-01\n",
        "a1,Łąka,l1,2025-01-01,2026-01-01,AV,110,AAC,,\n",
        "a1,Łąka,l1,2026-06-01,2027-06-01,AV,120,,ewa,2026-05-05\n",
    ]
    book.load(FULL_HEADER + "".join(lines[at] for at in order), [ACCOUNT, FULL])
    assert [term[:2] for term in book.terms("l1")] == [(1, "first"), (2, "renewal"), (3, "return")]
    licence = book.licence("l1")
    assert (licence["amount"], licence["status"], licence["owner"]) == (120, "cancelled", "ewa")
    assert (licence["term"], licence["closed_on"]) == (3, date(2026, 5, 5))


def test_two_rows_for_one_term_are_both_rejected_with_all_that_stands_in_them(book: Book) -> None:
    report = book.load(
        HEADER
        + "a1,Łąka,l1,2025-01-01,2026-01-01\n"
        + "a2,Dąb,l1,2025-01-01,2026-02-01\n"
        + "a3,Buk,l2,2025-01-01,2026-01-01\n"
    )
    expected = "expected one pair of dates for a term, got"
    hint = "correct or remove all rows but one; none of them was used"
    assert said(report) == [
        f"book.csv:2: end: {expected} 2025-01-01 to 2026-01-01 "
        f"and 2025-01-01 to 2026-02-01 in line 3; {hint}",
        f"book.csv:3: end: {expected} 2025-01-01 to 2026-02-01 "
        f"and 2025-01-01 to 2026-01-01 in line 2; {hint}",
    ]
    assert book.count() == [1, 0, 1, 1]
    assert book.account("a3")["name"] == "Buk"


def test_rows_that_hang_on_a_rejected_row_are_rejected_too(book: Book) -> None:
    contact = {"entity": "contact", "account": "{ref}", "email": "{mail}"}
    report = book.load(
        "account,name,mail,ref\n"
        "a1,x,no mail,a1\na2,x,b@example.com,a1\na3,x,c@example.com,a2\na4,x,d@example.com,a4\n",
        [ACCOUNT, contact],
    )
    assert [problem.line for problem in report.problems] == [2, 3, 4]
    assert book.count() == [1, 1, 0, 0]


def test_a_licence_of_an_unknown_account_is_rejected(book: Book) -> None:
    report = book.load("account,licence,start,end\na9,l1,,2027-01-01\n", [LICENCE])
    assert said(report) == [
        "book.csv:2: account: expected an account of the book or of this file, got 'a9'; "
        "load the accounts first, or in the same row"
    ]
    book.load("account,name\na9,Łąka\n", [ACCOUNT])
    assert not book.load("account,licence,start,end\na9,l1,,2027-01-01\n", [LICENCE]).problems


def test_a_new_licence_needs_an_expiry_and_a_known_one_does_not(book: Book) -> None:
    report = book.load(HEADER + "a1,Łąka,l1,,\n")
    assert said(report) == [
        "book.csv:2: end: expected the date on which a new licence expires, got nothing"
    ]
    book.load(YEAR1)
    report = book.load(HEADER + "a2,Dąb,l1,,\n")
    assert (report.rejected_rows, report.entities["licence"].updated) == (0, 1)
    assert book.licence("l1")["account_id"] == book.account("a2")["id"]


def test_a_blank_cell_leaves_the_field_and_clear_empties_it(book: Book) -> None:
    full = "a1,Łąka,l1,2025-01-01,2026-01-01,AV,100,AAC,ewa,\n"
    blank = "a1,,l1,2025-01-01,2026-01-01,,,,,\n"
    book.load(FULL_HEADER + full, [ACCOUNT, FULL])
    assert not book.load(FULL_HEADER + blank, [ACCOUNT, FULL]).wrote
    book.load(FULL_HEADER + blank, [ACCOUNT, {**FULL, "clear": ["owner", "amount"]}])
    licence = book.licence("l1")
    assert (licence["owner"], licence["amount"], licence["product"]) == (None, None, "AV")
    assert not book.load(
        FULL_HEADER + blank, [ACCOUNT, {**FULL, "clear": ["owner", "amount"]}]
    ).wrote


def test_a_changed_account_rings_the_bell_of_all_its_licences(book: Book) -> None:
    book.load(HEADER + "a1,Łąka,l1,,2026-01-01\na1,Łąka,l2,,2026-01-01\na2,Dąb,l3,,2026-01-01\n")
    reset_bells(book)
    book.load("account,name,zone\na1,Łąka,Asia/Tokyo\n", [{**ACCOUNT, "timezone": "{zone}"}])
    assert rung(book) == ["l1", "l2"]
    reset_bells(book)
    book.load(
        "account,mail\na1,a@example.com\n",
        [{"entity": "contact", "account": "{account}", "email": "{mail}"}],
    )
    assert rung(book) == []


def test_contacts_without_an_address_are_told_apart_by_their_key(book: Book) -> None:
    loads = [ACCOUNT, {"entity": "contact", "account": "{account}", "email": "{mail}"}]
    book.load("account,name,mail\na1,x,\na2,y,\n", loads)
    assert book.count() == [2, 0, 0, 0]
    keyed = {**loads[1], "key": "c-{account}", "clear": ["email"]}
    book.load("account,name,mail\na1,x,a@example.com\na2,y,\n", [ACCOUNT, keyed])
    assert book.contact("c-a2")["email"] is None
    book.load("account,name,mail\na1,x,\n", [ACCOUNT, keyed])
    assert book.contact("c-a1")["email"] is None


def test_a_load_may_say_that_its_rows_are_renewals_or_corrections(book: Book) -> None:
    book.load(YEAR1)
    early = HEADER + "a1,Łąka,l1,2025-12-01,2026-12-01\n"
    assert book.load(early, term="renewal").renewals == 1
    late = HEADER + "a1,Łąka,l1,2026-12-01,2027-12-01\n"
    assert book.load(late, [ACCOUNT, {**LICENCE, "term": "correction"}]).corrections == 1
    assert [term[0] for term in book.terms("l1")] == [1, 2]


def test_a_dry_run_tells_all_and_changes_nothing(book: Book) -> None:
    book.load(YEAR1)
    before = book.everything()
    text = YEAR2 + "a2,Dąb,l2,,2027-01-01\na3,Buk,l3,,never\n"
    dry = book.load(text, options=Options(dry_run=True))
    assert (dry.renewals, dry.entities["licence"].created, dry.rejected_rows) == (1, 1, 1)
    assert dry.rejects_path is None
    assert book.everything() == before
    real = book.load(text)
    assert (real.renewals, real.entities) == (dry.renewals, dry.entities)


def sync(book: Book, keys: list[str], **options: bool) -> object:
    lines = "".join(f"a1,Łąka,{key},,2027-01-01\n" for key in keys)
    return book.load(HEADER + lines, full_sync=True, options=Options(**options))


def test_licences_that_a_full_sync_no_longer_has_are_ended_and_may_come_back(book: Book) -> None:
    keys = [f"l{number}" for number in range(20)]
    sync(book, keys)
    reset_bells(book)
    sync(book, keys[1:])
    assert book.licence("l0")["status"] == "ended"
    assert rung(book) == ["l0"]
    sync(book, keys)
    assert book.licence("l0")["status"] == "active"


def test_rows_absent_from_an_ordinary_file_are_left_alone(book: Book) -> None:
    book.load(YEAR1 + "a1,Łąka,l2,,2027-01-01\n")
    book.load(YEAR1)
    assert book.licence("l2")["status"] == "active"


def test_a_full_sync_that_would_end_more_than_a_tenth_stops_and_asks(book: Book) -> None:
    keys = [f"l{number}" for number in range(20)]
    sync(book, keys)
    before = book.everything()
    with pytest.raises(FindingsError) as caught:
        sync(book, keys[3:])
    assert str(caught.value) == (
        "this full sync would end 3 of 20 active licences (15%), more than 10%; nothing was "
        "imported. If that is right, run it again with --accept-endings"
    )
    assert book.everything() == before
    sync(book, keys[3:], accept_endings=True)
    assert book.licence("l0")["status"] == "ended"


def test_a_full_sync_ends_no_licence_whose_row_could_not_be_read(book: Book) -> None:
    keys = [f"l{number}" for number in range(20)]
    sync(book, keys)
    rest = "".join(f"a1,Łąka,{key},,2027-01-01\n" for key in keys[2:])
    book.load(HEADER + "a1,Łąka,l0,,soon\n" + "a1,Łąka,l1,,2027-01-01\n" + rest, full_sync=True)
    assert book.licence("l0")["status"] == "active"
    report = book.load(HEADER + "a1,Łąka,l1\n" + rest, full_sync=True)
    assert report.notes == [
        "2 licences are not in the file, but a row could not be read: none of them was ended"
    ]
    assert book.licence("l0")["status"] == "active"


def test_rejects_are_kept_as_they_came_with_line_and_reason(book: Book) -> None:
    report = book.load(YEAR1 + '"=HYPERLINK(""x"")",@SUM,+1,,31/02/2026\na3,Buk,l3\n')
    path = book.root / "var" / "rejects" / "book-book.csv"
    assert report.rejects_path == path
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["account", "name", "licence", "start", "end", "line", "reason"]
    assert lines == [
        [
            '\'=HYPERLINK("x")',
            "'@SUM",
            "'+1",
            "",
            "31/02/2026",
            "3",
            "end: expected a date written like 2027-12-31, got '31/02/2026'; declare how the "
            'file writes dates, e.g. date_format = "%d/%m/%Y"',
        ],
        [
            "a3",
            "Buk",
            "l3",
            "",
            "",
            "4",
            "expected 5 cells as in the header, got 3; a cell with ',' in it must stand in quotes",
        ],
    ]
    book.load(YEAR1)
    assert not path.exists()


def test_blanks_and_lines_within_a_cell_are_kept_and_what_hides_is_shown(book: Book) -> None:
    """Excel writes 10 900,00 with a blank that no line breaks at; cp1250 has it, too."""
    cells = ["a1", "10\xa0900,00", "two\nlines", "\u202ehidden\x07", "31/02/2026"]
    report = book.load(HEADER + ",".join(f'"{cell}"' for cell in cells) + "\n")
    assert report.rejects_path is not None
    with report.rejects_path.open(encoding="utf-8", newline="") as file:
        _, row = csv.reader(file)
    assert row[:5] == ["a1", "10\xa0900,00", "two\nlines", "\\u202ehidden\\x07", "31/02/2026"]


def test_what_looks_like_a_formula_is_kept_as_data(book: Book) -> None:
    book.load(HEADER + '+1,"=HYPERLINK(""x"")",@SUM,,2027-01-01\n')
    assert book.account("+1")["name"] == '=HYPERLINK("x")'
    assert book.licence("@SUM")["term"] == 1


def test_the_same_upload_twice_at_once_ends_as_one(book: Book) -> None:
    lines = "".join(f"a{n},n{n},l{n},2026-01-01,2027-01-01\n" for n in range(300))
    (book.root / "book.csv").write_text(HEADER + lines, encoding="utf-8")
    reports, errors = [], []

    def upload() -> None:
        try:
            reports.append(book.load(None))
        except Exception as error:  # noqa: BLE001 -- shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=upload) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(report.entities["licence"].created for report in reports) == [0, 0, 300]
    assert book.count() == [300, 0, 300, 300]


def test_a_workbook_and_a_gzipped_file_load_like_a_csv(book: Book) -> None:
    sheet = openpyxl.Workbook()
    for line in (["account", "name", "licence", "start", "end"],):
        sheet.worksheets[0].append(line)
    sheet.worksheets[0].append([17, "Łąka", 4711, date(2025, 1, 1), date(2026, 1, 1)])
    sheet.worksheets[0].append([17, "Łąka", 4712, 45658, "2026-01-01"])
    sheet.save(book.root / "book.xlsx")
    raw = (book.root / "book.xlsx").read_bytes()
    report = book.load(raw, kind="xlsx", name="book.xlsx", date_format="%d.%m.%Y")
    assert said(report) == [
        "book.xlsx:3: start: expected a date written like 31.12.2027, got '45658'; "
        "if it is a day number of Excel, give the column a date format there",
        "book.xlsx:3: end: expected a date written like 31.12.2027, got '2026-01-01'; "
        'the declared date_format is "%d.%m.%Y"',
    ]
    assert book.terms("4711") == [(1, "first", date(2025, 1, 1), date(2026, 1, 1))]
    book.load(gzip.compress(YEAR1.encode()), name="book.csv.gz")
    assert book.licence("l1")["term"] == 1


def test_a_long_expired_licence_is_loaded_like_any_other(book: Book) -> None:
    assert not book.load(HEADER + "a1,Łąka,l1,1998-01-01,1999-01-01\n").problems


def test_a_rung_bell_is_taken_once(book: Book) -> None:
    book.load(HEADER + "".join(f"a{n},Łąka,l{n},,2027-01-01\n" for n in range(5)))
    with book.engine.begin() as conn:
        first, second = store.take_changed(conn, 3), store.take_changed(conn, 3)
        assert (len(first), len(second), store.take_changed(conn, 3)) == (3, 2, [])
        store.mark_changed(conn, first[:1])
        assert store.take_changed(conn, 3) == first[:1]
        store.mark_changed(conn, None)
        assert len(store.take_changed(conn, 10)) == 5


def test_the_bells_of_an_account_are_taken_together(book: Book) -> None:
    book.load(HEADER + "".join(f"a{n % 2},Łąka,l{n},,2027-01-01\n" for n in range(6)))
    with book.engine.begin() as conn:
        taken = [len(store.take_changed(conn, 1)) for _ in range(3)]
    assert taken == [3, 3, 0]


CHICAGO = Path(__file__).parents[3] / "shared" / "data" / "chicago-licences.csv.gz"
CHICAGO_LOADS = [
    {
        "entity": "account",
        "key": "{account_number}",
        "name": "{legal_name}",
        "timezone": "America/Chicago",
    },
    {
        "entity": "contact",
        "account": "{account_number}",
        "email": "licences+{account_number}@example.com",
    },
    {
        "entity": "licence",
        "key": "{license_number}",
        "account": "{account_number}",
        "product": "{license_description}",
        "starts_on": "{license_term_start_date}",
        "expires_on": "{license_term_expiration_date}",
        "closed_on": "{payment_date}",
        "status": "{license_status}",
        "values": {"status": {"AAI": "active", "AAC": "cancelled", "REV": "cancelled"}},
    },
]


@pytest.mark.skipif(not CHICAGO.exists(), reason="the file is not part of this repository")
def test_ten_thousand_real_records_are_loaded_or_rejected_with_a_reason(book: Book) -> None:
    raw = CHICAGO.read_bytes()
    report = book.load(raw, CHICAGO_LOADS, name="chicago.csv.gz")
    codes = [problem.code for problem in report.problems]
    assert (report.rows, report.rejected_rows, len(codes)) == (10_000, 32, 32)
    assert codes.count("ends-before-start") == 29
    assert (codes.count("two-dates"), codes.count("no-expiry")) == (2, 1)
    accounts, contacts, loaded, terms = book.count()
    assert (accounts, contacts, loaded, terms) == (8765, 8765, 9677, 9968)
    before = book.everything()
    again = book.load(raw, CHICAGO_LOADS, name="chicago.csv.gz")
    assert not again.wrote
    assert book.everything() == before
