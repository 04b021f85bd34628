"""What was done about answers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Moment

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('tellings',
    sa.Column('id', Id, nullable=False),
    sa.Column('schedule', sa.Text(), nullable=False),
    sa.Column('response_id', Id, nullable=True),
    sa.Column('first', sa.Date(), nullable=True),
    sa.Column('last', sa.Date(), nullable=True),
    sa.Column('words', sa.Text(), nullable=False),
    sa.Column('made_at', Moment(), nullable=False),
    sa.Column('made_by', sa.Text(), nullable=False),
    sa.Column('letters', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['response_id'], ['responses.id'], name=op.f('fk_tellings_response_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tellings')),
    sa.UniqueConstraint('schedule', 'first', 'last', name=op.f('uq_tellings_schedule_first_last'))
    )
    op.create_index(op.f('ix_tellings_response_id'), 'tellings', ['response_id'], unique=False)
    op.create_table('telling_letters',
    sa.Column('mail_key', sa.Text(), nullable=False),
    sa.Column('telling_id', Id, nullable=False),
    sa.ForeignKeyConstraint(['telling_id'], ['tellings.id'], name=op.f('fk_telling_letters_telling_id')),
    sa.PrimaryKeyConstraint('mail_key', name=op.f('pk_telling_letters'))
    )
    op.create_index(op.f('ix_telling_letters_telling_id'), 'telling_letters', ['telling_id'], unique=False)
