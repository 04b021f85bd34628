"""Letters without a walk"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """SQLite cannot take NOT NULL away: there the table is made anew, and its rows move over."""
    with op.batch_alter_table('messages', reflect_kwargs={'resolve_fks': False}) as table:
        table.add_column(sa.Column('origin', sa.Text(), server_default='step', nullable=False))
        table.alter_column('version_id', existing_type=sa.Integer(), nullable=True)
