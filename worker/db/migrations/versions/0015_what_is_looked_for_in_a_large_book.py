"""What is looked for in a large book: who has the same reseller, letters by whom they went to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_accounts_reseller', 'accounts', ['reseller'], unique=False, postgresql_where=sa.text('reseller IS NOT NULL'), sqlite_where=sa.text('reseller IS NOT NULL'))
    op.create_index('ix_messages_letters', 'messages', ['contact_id'], unique=False, postgresql_where=sa.text("origin <> 'step'"), sqlite_where=sa.text("origin <> 'step'"))
