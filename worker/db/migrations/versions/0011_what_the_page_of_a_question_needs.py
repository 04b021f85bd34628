"""What the page of a question needs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Moment

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('invitations', sa.Column('passed_on_by', Id, nullable=True))
    op.create_index(op.f('ix_invitations_passed_on_by'), 'invitations', ['passed_on_by'], unique=False)
    op.create_table('preselections',
    sa.Column('id', Id, nullable=False),
    sa.Column('invitation_id', Id, nullable=False),
    sa.Column('score', sa.Integer(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('judged', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['invitation_id'], ['invitations.id'], name=op.f('fk_preselections_invitation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_preselections'))
    )
    op.create_index('ix_preselections_invitation', 'preselections', ['invitation_id', 'at'], unique=False)
