"""What a duty was done to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('heartbeats', sa.Column('done_to', sa.Text(), nullable=True))
