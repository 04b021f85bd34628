"""Who is served by the same reseller"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_accounts_reseller', 'accounts', ['reseller'], unique=False, postgresql_where=sa.text('reseller IS NOT NULL'), sqlite_where=sa.text('reseller IS NOT NULL'))
