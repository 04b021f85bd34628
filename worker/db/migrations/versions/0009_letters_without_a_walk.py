"""Letters without a walk"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

_BEFORE, _AFTER = 'version_id INTEGER NOT NULL', 'version_id INTEGER'


def upgrade() -> None:
    op.add_column('messages', sa.Column('origin', sa.Text(), server_default='step', nullable=False))
    if op.get_bind().dialect.name == 'postgresql':
        op.alter_column('messages', 'version_id', nullable=True)
    else:
        _may_be_empty()


def _may_be_empty() -> None:
    """SQLite has no statement for it, and copying the ledger would take long: what is written of
    the table is changed, as https://www.sqlite.org/lang_altertable.html#otheralter allows for
    taking away NOT NULL."""
    bind = op.get_bind()
    version = bind.scalar(sa.text('PRAGMA schema_version'))
    bind.execute(sa.text('PRAGMA writable_schema = 1'))
    bind.execute(
        sa.text(
            'UPDATE sqlite_master SET sql = replace(sql, :before, :after) '
            "WHERE type = 'table' AND name = 'messages'"
        ),
        {'before': _BEFORE, 'after': _AFTER},
    )
    bind.execute(sa.text(f'PRAGMA schema_version = {version + 1}'))
    bind.execute(sa.text('PRAGMA writable_schema = 0'))
