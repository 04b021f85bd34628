"""What a file says, once all is read: looked up in the book, put together, made sound."""

from __future__ import annotations

from datetime import date

from sqlalchemy.engine import Connection

from worker.catalogue import erasures, order_store, ordering, store
from worker.catalogue.answering import contact_keys
from worker.catalogue.entities import ENTITIES
from worker.catalogue.merging import Merger
from worker.catalogue.reading import Parsed
from worker.catalogue.records import accounts, contacts, licences, staff
from worker.catalogue.report import Report
from worker.catalogue.said import Known, KnownLicence, Reasons, Said, own_fields


def look_up(conn: Connection, parsed: Parsed) -> Known:
    """What the book holds of the keys in the file."""
    keys, shapes = _keys(parsed), parsed.shapes
    own = {
        entity: [name for name in shapes.get(entity, ()) if name not in ("key", "account")]
        for entity in ("account", "contact", "staff")
    }
    mirror = ["account_id", "term", "starts_on", "expires_on", "closed_on"]
    licence_columns = [*mirror, *own_fields(shapes.get("licence", ()))]
    found = store.known(conn, licences, licence_columns, keys["licence"])
    return Known(
        store.known(conn, accounts, own["account"], keys["account"]),
        store.known(conn, contacts, ["account_id", *own["contact"]], keys["contact"]),
        store.known(conn, staff, own["staff"], keys["staff"]),
        {key: KnownLicence._make((*row[:6], row[6:])) for key, row in found.items()},
        erased=erasures.known(conn) if "answer" in shapes else erasures.NOBODY,
    )


def _keys(parsed: Parsed) -> dict[str, list[str]]:
    """The keys that the rows speak of, by entity."""
    found: dict[str, set[str]] = {entity: set() for entity in ENTITIES}
    for place, load in enumerate(parsed.loads, start=1):
        shape = list(parsed.shapes[load.entity.name])
        # Orders are looked up when they are written: they are many.
        named = [(shape.index("key"), found[load.entity.name])][load.entity.name == "order" :]
        if "account" in shape:
            named.append((shape.index("account"), found["account"]))
        for at, keys in named:
            keys.update(row[place][at] for row in parsed.rows if row[place] is not None)
            keys.discard(None)  # a blank reference
        if load.entity.name == "answer":
            at = shape.index("contact")
            people = (row[place][at] for row in parsed.rows if row[place] is not None)
            found["contact"].update(
                key for text in people if isinstance(text, str) for key in contact_keys(text)
            )
    return {entity: list(keys) for entity, keys in found.items()}


def understand(conn: Connection, parsed: Parsed, known: Known, report: Report, today: date) -> Said:
    """Merges the rows, takes out those that contradict, and again, until none does.

    People whose data was erased are left out; ``report`` says how many.
    """
    documents = ordering.number(parsed)
    reasons: Reasons = {}
    while True:
        cut = parsed.rejected_keys["order"]
        reasons |= ordering.incomplete(documents, cut, {**parsed.rejected, **reasons}, report.file)
        _take_out(parsed, reasons)
        merger = Merger(parsed, known, report.file, today)
        said, reasons = merger.merge()
        if merger.unsettled:
            known.terms.update(store.terms_of(conn, merger.unsettled))
        if merger.doubtful:
            found = order_store.there(conn, merger.doubtful)
            known.orders.update({key: key in found for key in merger.doubtful})
        if not reasons and not merger.unsettled and not merger.doubtful:
            break
    _leave_out_erased(conn, said, parsed, report)
    return said


def _leave_out_erased(conn: Connection, said: Said, parsed: Parsed, report: Report) -> None:
    """Forgets what the file says of people whose data was erased: they do not come back."""
    erased = erasures.known(conn)
    if not erased or not said.contacts:
        return
    shape = list(parsed.shapes["contact"])
    at = shape.index("email") if "email" in shape else None
    gone = [
        key
        for key, part in said.contacts.items()
        if erased.holds(key, part[at] if at is not None and isinstance(part[at], str) else None)
    ]
    for key in gone:
        del said.contacts[key]
    report.erased = len(gone)
    if gone:
        were = "contact of the file was" if len(gone) == 1 else "contacts of the file were"
        report.notes.append(f"{len(gone)} {were} erased on request and left out")


def _take_out(parsed: Parsed, reasons: Reasons) -> None:
    if not reasons:
        return
    parsed.rejected.update(reasons)
    for place, load in enumerate(parsed.loads, start=1):
        rejected = parsed.rejected_keys.get(load.entity.name)
        if rejected is not None:
            at = list(parsed.shapes[load.entity.name]).index("key")
            told = (row[place][at] for row in parsed.rows if row[0] in reasons and row[place])
            rejected.update(told)
    parsed.rows = [row for row in parsed.rows if row[0] not in reasons]
