"""Tables of the book. Keys are the caller's own; ids are ours and never leave the database."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from worker.db.folding import folded, worded
from worker.db.types import FOR_PEOPLE, Id, Json, Moment, Money, Quantity, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("segment", Text, index=True),
    Column("country", Text),  # ISO 3166 code, upper case: whose holidays count
    Column("timezone", Text),  # an IANA name; empty: the one of [book]
    Column("language", Text),
    Column("account_manager", Text, index=True),
    Column("renewal_manager", Text, index=True),
    Column("reseller", Text),  # the key of another account
    Column("tags", Json),  # a list of words
    Column("cost_to_serve", Money),
    Column("source", Text),
    Column("updated_at", Moment, nullable=False),
    # Few accounts are served by another; whoever shares its people is looked for by it.
    Index(
        "ix_accounts_reseller",
        "reseller",
        postgresql_where=text("reseller IS NOT NULL"),
        sqlite_where=text("reseller IS NOT NULL"),
    ),
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("email", Text),
    Column("name", Text),
    Column("role", Text),  # decision-maker, procurement, technical, end-user
    Column("language", Text),
    Column("opt_out", Boolean, nullable=False, server_default=false()),  # of commercial mail
    Column("source", Text),
    Column("updated_at", Moment, nullable=False),
)

# A licence carries its current term, so that the engine reads one row; all terms, the current
# one included, stand in `terms`.
licences = Table(
    "licences",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("product", Text),
    Column("vendor", Text),
    Column("quantity", Integer),
    Column("amount", Money),
    Column("currency", Text),  # ISO 4217
    Column("next_amount", Money),
    Column("auto_renew", Boolean, nullable=False, server_default=false()),
    Column("notice_days", Integer),
    Column("renew_url", Text),
    Column("status", Text, nullable=False, server_default="active"),  # active, cancelled, ended
    Column("owner", Text),
    Column("term", Integer, nullable=False),  # the number of the current term, from 1
    Column("starts_on", Date),
    Column("expires_on", Date, nullable=False),
    Column("closed_on", Date),
    Column("declined_term", Integer),  # the term that the client said it will not renew
    Column("source", Text),
    Column("updated_at", Moment, nullable=False),
    # The bell for the engine: set by whoever changes the licence or its account, cleared by the
    # transaction that looks at it again.
    Column("changed", Boolean, nullable=False, server_default=false()),
    Index(
        "ix_licences_changed",
        "id",
        postgresql_where=text("changed"),
        sqlite_where=text("changed = 1"),
    ),
    # Lists by expiry: of an account, of the whole book, of what is over (which is little).
    Index("ix_licences_account_id", "account_id", "expires_on", "id"),
    Index("ix_licences_expires_on", "expires_on", "id"),
    Index(
        "ix_licences_over",
        "status",
        "expires_on",
        "id",
        postgresql_where=text("status <> 'active'"),
        sqlite_where=text("status <> 'active'"),
        info=FOR_PEOPLE,
    ),
    # Those that open their next term by themselves, by the day on which they do.
    Index(
        "ix_licences_auto_renew",
        "expires_on",
        postgresql_where=text("auto_renew AND status = 'active'"),
        sqlite_where=text("auto_renew = 1 AND status = 'active'"),
    ),
)

terms = Table(
    "terms",
    metadata,
    Column("id", Id, primary_key=True),
    Column("licence_id", Id, ForeignKey("licences.id"), nullable=False),
    # From 1 and never changed. Empty: a term that ended before the first known one and was
    # learned of later; history without a walk.
    Column("number", Integer),
    Column("origin", Text, nullable=False),  # first, renewal, return, history
    Column("starts_on", Date),
    Column("expires_on", Date, nullable=False),
    Column("closed_on", Date),
    Column("seen_at", Moment, nullable=False),
    UniqueConstraint("licence_id", "number"),
    Index("ix_terms_licence_expires", "licence_id", "expires_on"),
)

# Lines of sales as the source tells them; a credit note or a return is negative.
orders = Table(
    "orders",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("product_line", Text),
    Column("ordered_on", Date, nullable=False),
    Column("quantity", Quantity),
    Column("amount", Money, nullable=False),  # of the whole line, not of a piece
    Column("currency", Text),  # ISO 4217
    Column("source", Text),
    Column("updated_at", Moment, nullable=False),
    Index("ix_orders_account_id", "account_id", "ordered_on", "id"),
    Index("ix_orders_ordered_on", "ordered_on"),
)

# What the lines of a day add up to, kept by whoever writes `orders`, in the same transaction. A day
# without any line but zeros has no row. The key is the order in which scoring reads: account by
# account, day by day; on SQLite the table is that index.
order_days = Table(
    "order_days",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("product_line", Text, primary_key=True, server_default=text("''")),  # empty: of none
    Column("currency", Text, primary_key=True, server_default=text("''")),  # empty: of none
    Column("net", Money, nullable=False),  # all lines
    Column("sold", Money, nullable=False),  # the positive ones
    Column("orders", Integer, nullable=False),  # how many positive ones
    sqlite_with_rowid=False,
)

# One row per import that wrote anything: what ran, when, and what came of it.
imports = Table(
    "imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, nullable=False, index=True),
    Column("file", Text),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment, nullable=False),
    Column("counts", Json, nullable=False),
)

# Our own people: who a mail is from, who a task is for. `accounts` and `licences` name them by key.
staff = Table(
    "staff",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("language", Text),
    Column("source", Text),
    Column("updated_at", Moment, nullable=False),
)

# How fresh each source is: when it was last read to its end, whether or not anything had changed.
source_reads = Table(
    "source_reads",
    metadata,
    Column("source", Text, primary_key=True),
    Column("read_at", Moment),  # the last reading that succeeded
    Column("tried_at", Moment, nullable=False),  # the last reading, whatever came of it
    Column("problem", Text),  # why the last reading failed; empty when it did not
)

# What is stopped, by staff or because a client answered: nothing is sent for a licence, to an
# account or to a contact.
stops = Table(
    "stops",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scope", Text, nullable=False),  # licence, account, contact
    Column("subject_id", Id, nullable=False),
    Column("made_by", Text, nullable=False, server_default="staff"),  # staff, client
    Column("reason", Text, nullable=False),
    Column("until", Date),  # the last day of the stop; empty: until it is lifted
    Column("task_key", Text, index=True),  # closing this task lifts the stop
    Column("made_at", Moment, nullable=False),
    Column("lifted_at", Moment),
    Index("ix_stops_subject", "scope", "subject_id"),
    Index(
        "uq_stops_standing",
        "scope",
        "subject_id",
        "made_by",
        unique=True,
        postgresql_where=text("lifted_at IS NULL"),
        sqlite_where=text("lifted_at IS NULL"),
    ),
)

# Addresses that nobody is written to any more: they bounced for good, or complained.
suppressions = Table(
    "suppressions",
    metadata,
    Column("address", Text, primary_key=True),  # or its keyed hash, once its person was erased
    Column("reason", Text, nullable=False),  # bounced, complained
    Column("detail", Text),
    Column("at", Moment, nullable=False),
)

# What a client's person chose. It outlasts every import: the file says what we think, this is what
# the person said.
preferences = Table(
    "preferences",
    metadata,
    Column("contact_id", Id, ForeignKey("contacts.id"), primary_key=True),
    Column("language", Text),  # empty: the one of the book
    Column("no_commercial", Boolean, nullable=False, server_default=false()),
    Column("no_surveys", Boolean, nullable=False, server_default=false()),
    Column("paused_until", Date),  # the last day without mail that is not contractual
    Column("links_from", Moment),  # links signed before that are revoked
    Column("updated_at", Moment, nullable=False),
)

# People whose data is gone: keyed hashes, so that imports do not bring them back.
erasures = Table(
    "erasures",
    metadata,
    Column("hash", Text, primary_key=True),  # of a contact's key, or of an address
    Column("at", Moment, nullable=False),
)

# What people look for, by its beginning or (on PostgreSQL) by its words; see db/folding.py.
Index("ix_accounts_name_folded", folded(accounts.c.name), accounts.c.id, info=FOR_PEOPLE)
Index("ix_accounts_key_folded", folded(accounts.c.key), info=FOR_PEOPLE)
Index("ix_contacts_email_folded", folded(contacts.c.email), info=FOR_PEOPLE)
Index("ix_licences_key_folded", folded(licences.c.key), info=FOR_PEOPLE)
Index("ix_licences_product_folded", folded(licences.c.product), info=FOR_PEOPLE)
for _name, _column in (("accounts", accounts.c.name), ("contacts", contacts.c.name)):
    Index(f"ix_{_name}_name_words", worded(_column), postgresql_using="gin").ddl_if(
        dialect="postgresql"
    )
