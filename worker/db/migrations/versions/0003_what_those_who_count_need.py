"""What those who count need"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_messages_accepted_at', 'messages', ['accepted_at'], unique=False, postgresql_where=sa.text('accepted_at IS NOT NULL'), sqlite_where=sa.text('accepted_at IS NOT NULL'))
    op.create_index('ix_messages_unsent', 'messages', ['created_at'], unique=False, postgresql_where=sa.text('accepted_at IS NULL'), sqlite_where=sa.text('accepted_at IS NULL'))
    op.create_index('ix_terms_expires_on', 'terms', ['expires_on'], unique=False)
