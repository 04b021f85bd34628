"""Orders: what a file may say of them, what is refused, how documents and corrections work."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from tests.catalogue.conftest import ACCOUNT, LICENCE, Book, said
from worker.catalogue.flow import Options
from worker.catalogue.records import accounts, licences, order_days, orders
from worker.kernel.errors import FindingsError

ORDER = {
    "entity": "order",
    "key": "{number}",
    "account": "{account}",
    "product_line": "{product}",
    "ordered_on": "{day}",
    "quantity": "{pieces}",
    "amount": "{net}",
    "currency": "{currency}",
}
HEADER = "number,account,product,day,pieces,net,currency\n"
ONE = HEADER + "o1,a1,backup,2026-03-02,2,120.50,EUR\n"
DOCUMENTS = {**ORDER, "same_key": "lines"}


@pytest.fixture
def book(book: Book) -> Book:
    """The book of these tests knows three accounts."""
    book.load("account,name\na1,Łąka\na2,Dąb\na3,Buk\n", [ACCOUNT])
    return book


def lines(book: Book) -> dict[str, tuple[Any, ...]]:
    """(account, product line, day, quantity, amount, currency) by key."""
    c = orders.c
    wanted = select(
        c.key, accounts.c.key, c.product_line, c.ordered_on, c.quantity, c.amount, c.currency
    ).join(accounts, accounts.c.id == c.account_id)
    with book.engine.begin() as conn:
        return {row[0]: tuple(row[1:]) for row in conn.execute(wanted.order_by(c.key))}


def amounts(book: Book) -> dict[str, str]:
    return {key: str(line[4]) for key, line in lines(book).items()}


def days(book: Book) -> list[str]:
    """Each day of the book, in words."""
    c = order_days.c
    wanted = select(accounts.c.key, c.day, c.product_line, c.net, c.sold, c.orders)
    wanted = wanted.join(accounts, accounts.c.id == c.account_id)
    with book.engine.begin() as conn:
        rows = conn.execute(wanted.order_by(accounts.c.key, c.day, c.product_line)).all()
    return [f"{a} {day} {line or '-'}: net {n}, sold {s} in {o}" for a, day, line, n, s, o in rows]


def test_a_row_becomes_an_order_and_its_day(book: Book) -> None:
    report = book.load(ONE, [ORDER])
    assert report.entities["order"].created == 1
    assert lines(book) == {
        "o1": ("a1", "backup", date(2026, 3, 2), Decimal(2), Decimal("120.50"), "EUR")
    }
    assert days(book) == ["a1 2026-03-02 backup: net 120.50, sold 120.50 in 1"]


def test_a_second_import_of_the_same_file_changes_nothing(book: Book) -> None:
    book.load(ONE, [ORDER])
    report = book.load(ONE, [ORDER])
    assert (report.entities["order"].unchanged, report.wrote) == (1, False)
    assert days(book) == ["a1 2026-03-02 backup: net 120.50, sold 120.50 in 1"]


def test_credit_notes_and_returns_lower_the_net_and_are_no_order(book: Book) -> None:
    book.load(ONE + "o2,a1,backup,2026-03-02,-1,-20.50,EUR\no3,a1,,2026-03-03,,-5,EUR\n", [ORDER])
    assert days(book) == [
        "a1 2026-03-02 backup: net 100.00, sold 120.50 in 1",
        "a1 2026-03-03 -: net -5.00, sold 0.00 in 0",
    ]


def test_a_day_of_zeros_is_none(book: Book) -> None:
    book.load(HEADER + "o1,a1,backup,2026-03-02,1,0.00,EUR\n", [ORDER])
    assert (list(lines(book)), days(book)) == (["o1"], [])


def test_a_correction_moves_the_order_between_accounts_days_and_lines(book: Book) -> None:
    book.load(ONE, [ORDER])
    report = book.load(HEADER + "o1,a2,mail,2026-04-01,3,99.90,EUR\n", [ORDER])
    assert report.entities["order"].updated == 1
    assert days(book) == ["a2 2026-04-01 mail: net 99.90, sold 99.90 in 1"]


def test_a_blank_cell_leaves_what_is_known_and_clear_empties_it(book: Book) -> None:
    book.load(ONE, [ORDER])
    later = HEADER + "o1,,,,,80,\n"
    book.load(later, [ORDER])
    assert lines(book)["o1"][1:5] == ("backup", date(2026, 3, 2), Decimal(2), Decimal("80.00"))
    book.load(later, [{**ORDER, "clear": ["product_line", "quantity"]}])
    assert lines(book)["o1"][1:4] == (None, date(2026, 3, 2), None)
    assert days(book) == ["a1 2026-03-02 -: net 80.00, sold 80.00 in 1"]


def test_a_new_order_needs_its_account_its_day_and_its_amount(book: Book) -> None:
    report = book.load(
        HEADER + "o1,,,,1,,EUR\no2,a9,,2026-03-02,1,5,EUR\n,a1,,2026-03-02,1,5,EUR\n", [ORDER]
    )
    assert said(report) == [
        "book.csv:2: account: expected the account of a new order, got nothing",
        "book.csv:2: day: expected the day of a new order, got nothing",
        "book.csv:2: net: expected the amount of a new order, got nothing",
        "book.csv:3: account: expected an account of the book or of this file, got 'a9'; load the "
        "accounts first, or in the same row",
        "book.csv:4: number: expected the key of the order, got nothing",
    ]
    assert lines(book) == {}


def test_amounts_and_quantities_are_written_as_accountants_write_them(book: Book) -> None:
    text = (
        "number;account;product;day;pieces;net;currency\n"
        "o1;a1;;2026-03-02;1,125;1.200,50-;EUR\n"
        "o2;a1;;2026-03-02;-3;(40,10);EUR\n"
        "o3;a1;;2026-03-02;;\u2212 1 000;EUR\n"
    )
    book.load(text, [ORDER], delimiter=";", decimal=",")
    assert [(str(line[3]), str(line[4])) for line in lines(book).values()] == [
        ("1.1250", "-1200.50"),
        ("-3.0000", "-40.10"),
        ("None", "-1000.00"),
    ]


def test_the_amount_of_a_line_may_be_made_of_its_price_and_quantity(book: Book) -> None:
    priced = {**ORDER, "unit_price": "{price}"}
    header = HEADER.rstrip("\n") + ",price\n"
    rows = [
        "o1,a1,,2026-03-02,3,,EUR,0.335",  # 1.005: half a cent goes up
        "o2,a1,,2026-03-02,-3,,EUR,0.335",
        "o3,a1,,2026-03-02,3,9.99,EUR,0.335",  # its own amount counts
        "o4,a1,,2026-03-02,-2,,EUR,0",
        "o5,a1,,2026-03-02,,,EUR,4",
    ]
    report = book.load(header + "\n".join(rows) + "\n", [priced])
    assert amounts(book) == {"o1": "1.01", "o2": "-1.01", "o3": "9.99", "o4": "0.00"}
    assert said(report) == ["book.csv:6: net: expected the amount of a new order, got nothing"]


def test_one_key_for_two_orders_is_refused_and_so_are_both(book: Book) -> None:
    text = ONE + "o2,a1,,2026-03-02,1,5,EUR\no1,a1,backup,2026-03-02,2,99,EUR\n"
    report = book.load(text, [ORDER])
    hint = (
        "correct or remove all but one; if they are lines of one document, give each a key of its "
        'own, or say same_key = "lines"'
    )
    assert said(report) == [
        f"book.csv:2: number: expected a key for each order, got 'o1', with other values than in "
        f"line 4; {hint}",
        f"book.csv:4: number: expected a key for each order, got 'o1', with other values than in "
        f"line 2; {hint}",
    ]
    assert amounts(book) == {"o2": "5.00"}


def test_a_row_that_repeats_another_word_for_word_counts_once_and_is_told(book: Book) -> None:
    report = book.load(ONE + "o1,a1,backup,2026-03-02,2,120.50,EUR\n", [ORDER])
    assert (report.entities["order"].created, report.rejected_rows) == (1, 0)
    assert report.notes == [
        "1 row repeats an order of the file word for word: counted once. Lines of one document "
        'need keys of their own, or same_key = "lines"'
    ]


def test_lines_of_a_document_that_share_its_key_are_numbered(book: Book) -> None:
    invoice = (
        HEADER + "i1,a1,backup,2026-03-02,2,10,EUR\ni2,a2,mail,2026-03-02,1,7,EUR\n"
        "i1,a1,backup,2026-03-02,2,10,EUR\ni1,a1,mail,2026-03-02,1,4,EUR\n"
    )
    book.load(invoice, [DOCUMENTS])
    assert amounts(book) == {"i1": "10.00", "i1#2": "10.00", "i1#3": "4.00", "i2": "7.00"}
    assert book.load(invoice, [DOCUMENTS]).entities["order"].unchanged == 4
    book.load(invoice.replace("mail,2026-03-02,1,4", "mail,2026-03-02,1,6"), [DOCUMENTS])
    assert amounts(book)["i1#3"] == "6.00"


@pytest.mark.parametrize("bad", ["i1,a9,mail,2026-03-02,1,4,EUR", "i1,a1,mail,2026-02-31,1,4,EUR"])
def test_a_document_is_loaded_whole_or_not_at_all(book: Book, bad: str) -> None:
    invoice = (
        f"{HEADER}i1,a1,backup,2026-03-02,2,10,EUR\n{bad}\ni2,a1,mail,2026-03-02,1,7,EUR\n"
        "i1,a1,backup,2026-03-02,2,11,EUR\n"
    )
    report = book.load(invoice, [DOCUMENTS])
    assert amounts(book) == {"i2": "7.00"}
    assert [problem.line for problem in report.problems] == [2, 3, 5]
    assert [problem.code for problem in report.problems][::2] == ["incomplete-document"] * 2
    mended = (book.root / "var/rejects/book-book.csv").read_text()
    mended = mended.replace("a9", "a1").replace("02-31", "03-02")
    book.load(mended, [DOCUMENTS], name="mended.csv")
    assert amounts(book) == {"i1": "10.00", "i1#2": "4.00", "i1#3": "11.00", "i2": "7.00"}


def test_negative_amounts_in_the_file_of_rejects_can_be_imported_as_they_stand(book: Book) -> None:
    report = book.load(HEADER + "o1,a9,,2026-03-02,-1,-20.50,EUR\n", [ORDER])
    assert report.rejects_path is not None
    mended = report.rejects_path.read_text().replace("a9", "a1")
    book.load(mended, [ORDER], name="mended.csv")
    assert amounts(book) == {"o1": "-20.50"}


def test_sales_without_an_account_are_passed_over_where_the_load_says_so(book: Book) -> None:
    text = ONE + "o2,,backup,2026-03-02,1,5,EUR\n"
    assert book.load(text, [ORDER]).rejected_rows == 1
    report = book.load(text, [{**ORDER, "skip_blank": ["account"]}])
    assert (report.rejected_rows, list(lines(book))) == (0, ["o1"])


def test_an_order_that_cannot_be_loaded_keeps_its_account_out_too(book: Book) -> None:
    text = (
        "number,account,name,product,day,pieces,net,currency\n"
        "o1,a7,Grab,,2026-03-02,1,5,EUR\no2,a8,Lipa,,2026-02-31,1,5,EUR\n"
    )
    report = book.load(text, [ACCOUNT, ORDER])
    assert (report.entities["account"].created, report.entities["order"].created) == (1, 1)
    assert [key for key, line in lines(book).items() if line[0] == "a7"] == ["o1"]


def test_orders_move_no_dates_ring_no_bells_and_stop_no_mail(book: Book) -> None:
    book.load("account,name,licence,start,end\na1,x,l1,,2027-01-01\n")
    with book.engine.begin() as conn:
        conn.execute(licences.update().values(changed=False))
    rows = [f"o{n},a1,,2026-03-02,1,5,EUR\n" for n in range(50)]
    book.load(HEADER + "".join(rows), [ORDER])
    moved = HEADER + "".join(rows).replace("2026-03-02", "2026-03-03")
    assert book.load(moved, [ORDER]).braked is None
    assert book.licence("l1")["changed"] is False


def test_a_dry_run_of_orders_tells_all_and_changes_nothing(book: Book) -> None:
    book.load(ONE, [ORDER])
    text = ONE.replace("120.50", "99") + "o2,a2,,2026-03-02,1,5,EUR\no3,a9,,2026-03-02,1,5,EUR\n"
    dry = book.load(text, [ORDER], options=Options(dry_run=True))
    before = lines(book), days(book)
    assert amounts(book) == {"o1": "120.50"}
    real = book.load(text, [ORDER])
    assert real.entities == dry.entities
    assert (lines(book), days(book)) != before


def sync(book: Book, keys: list[str], **options: bool) -> Any:
    rows = [f"{key},a1,,2026-03-{int(key[1:]) % 28 + 1:02},1,5,EUR\n" for key in keys]
    return book.load(HEADER + "".join(rows), [ORDER], full_sync=True, options=Options(**options))


def test_orders_that_a_full_sync_no_longer_has_are_removed_with_their_days(book: Book) -> None:
    keys = [f"o{number}" for number in range(20)]
    sync(book, keys)
    report = sync(book, [*keys[:7], *keys[8:]])
    assert (report.removed, report.wrote, "o7" in lines(book)) == (1, True, False)
    assert len(days(book)) == 19
    assert sync(book, keys).entities["order"].created == 1


def test_a_full_sync_does_not_reach_back_beyond_its_first_day(book: Book) -> None:
    keys = [f"o{number}" for number in range(20)]
    sync(book, keys)
    assert sync(book, keys[15:]).removed == 0
    assert len(lines(book)) == 20


def test_a_full_sync_that_would_remove_many_orders_asks_first(book: Book) -> None:
    keys = [f"o{number}" for number in range(20)]
    sync(book, keys)
    with pytest.raises(FindingsError) as caught:
        sync(book, [keys[0], *keys[4:]])
    assert str(caught.value) == (
        "this full sync would remove 3 of 20 orders since 2026-03-01 (15%), more than 10%; nothing "
        "was imported. If that is right, run it again with --accept-endings"
    )
    assert len(lines(book)) == 20
    assert sync(book, [keys[0], *keys[4:]], accept_endings=True).removed == 3


def test_a_rejected_order_is_not_absent_and_a_row_without_a_key_may_be_any(book: Book) -> None:
    loads = [{**ORDER, "same_key": "lines"}]
    rows = [f"o{n},a1,,2026-03-02,1,5,EUR\n" for n in range(20)]
    book.load(HEADER + "".join(rows) + rows[19], loads, full_sync=True)
    bad = "o19,a1,,2026-03-32,1,5,EUR\n"
    assert book.load(HEADER + "".join(rows[:19]) + bad, loads, full_sync=True).removed == 0
    assert "o19#2" in lines(book)
    keyless = ",a1,,2026-03-02,1,5,EUR\n"
    report = book.load(HEADER + "".join(rows[:19]) + keyless, loads, full_sync=True)
    assert report.notes == [
        "2 orders are not in the file, but a row could not be read: none of them was removed"
    ]


def test_orders_of_another_source_are_not_this_syncs(book: Book) -> None:
    book.load(ONE, [ORDER])
    with book.engine.begin() as conn:
        conn.execute(orders.update().values(source="shop"))
    sync(book, ["o2", "o3"])
    assert "o1" in lines(book)


def test_a_workbook_tells_the_same_orders_as_a_text_file(book: Book, root: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(HEADER.strip().split(","))
    sheet.append(["o1", "a1", "backup", date(2026, 3, 2), 2.5, -120.5, "EUR"])
    workbook.save(root / "orders.xlsx")
    book.load(None, [ORDER], name="orders.xlsx", kind="xlsx")
    assert lines(book) == {
        "o1": ("a1", "backup", date(2026, 3, 2), Decimal("2.5"), Decimal("-120.50"), "EUR")
    }


def test_a_database_tells_the_same_orders_as_a_text_file(book: Book, root: Path) -> None:
    with closing(sqlite3.connect(root / "erp.db")) as erp, erp:
        erp.execute(
            "CREATE TABLE sales (number TEXT, client TEXT, day DATE, pieces REAL, net REAL)"
        )
        sales = [("o1", "a1", "2026-03-02", 2.5, -120.5), ("o2", "a2", "2026-03-03", None, 1000.0)]
        erp.executemany("INSERT INTO sales VALUES (?, ?, ?, ?, ?)", sales)
    query = "SELECT number, client, day, pieces, net FROM sales"
    load = {**ORDER, "account": "{client}", "currency": "EUR"}
    del load["product_line"]
    where = f"sqlite:///{root / 'erp.db'}"
    book.load(None, [load], kind="sql", path=None, url=where, query=query, decimal=",")
    assert lines(book) == {
        "o1": ("a1", None, date(2026, 3, 2), Decimal("2.5"), Decimal("-120.50"), "EUR"),
        "o2": ("a2", None, date(2026, 3, 3), None, Decimal("1000.00"), "EUR"),
    }


def test_licences_and_orders_may_stand_in_one_row(book: Book) -> None:
    text = (
        "account,name,licence,start,end,number,product,day,pieces,net,currency\n"
        "a1,Łąka,l1,,2027-01-01,o1,backup,2026-03-02,1,5,EUR\n"
        "a1,Łąka,l2,,2027-01-01,o2,backup,2026-03-02,1,x,EUR\n"
    )
    report = book.load(text, [ACCOUNT, LICENCE, ORDER])
    assert report.rejected_rows == 1
    assert [report.entities[name].created for name in ("licence", "order")] == [1, 1]
