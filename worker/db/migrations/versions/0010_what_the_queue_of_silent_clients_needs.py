"""What the queue of silent clients needs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Json, Money

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('episodes',
    sa.Column('id', Id, nullable=False),
    sa.Column('schedule', sa.Text(), nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('flagged_on', sa.Date(), nullable=False),
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('lane', sa.Text(), nullable=False),
    sa.Column('score', sa.Float(), nullable=True),
    sa.Column('at_stake', Money, nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('reasons', Json, nullable=False),
    sa.Column('facts', Json, nullable=False),
    sa.Column('relative_stake', sa.Float(), server_default='0', nullable=False),
    sa.Column('urgency', sa.Float(), server_default='0', nullable=False),
    sa.Column('entered', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('ended_on', sa.Date(), nullable=True),
    sa.Column('ended_why', sa.Text(), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.Column('outcome_why', sa.Text(), nullable=True),
    sa.Column('closed_by', sa.Text(), nullable=True),
    sa.Column('rests_until', sa.Date(), nullable=True),
    sa.Column('back_on', sa.Date(), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_episodes_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_episodes')),
    sa.UniqueConstraint('schedule', 'account_id', 'number', name=op.f('uq_episodes_schedule_account_id_number'))
    )
    op.create_index(op.f('ix_episodes_account_id'), 'episodes', ['account_id'], unique=False)
    op.create_index('ix_episodes_ended_on', 'episodes', ['ended_on', 'id'], unique=False)
    op.create_index('ix_episodes_entering', 'episodes', ['schedule', 'id'], unique=False, postgresql_where=sa.text('NOT entered'), sqlite_where=sa.text('entered = 0'))
    op.create_index('ix_episodes_flagged_on', 'episodes', ['flagged_on'], unique=False)
    op.create_index('ix_episodes_open', 'episodes', ['schedule'], unique=False, postgresql_where=sa.text('ended_on IS NULL'), sqlite_where=sa.text('ended_on IS NULL'))
    op.create_index('ix_episodes_open_stake', 'episodes', ['relative_stake', 'id'], unique=False, postgresql_where=sa.text('ended_on IS NULL'), sqlite_where=sa.text('ended_on IS NULL'))
    op.create_index('ix_episodes_open_urgency', 'episodes', ['urgency', 'id'], unique=False, postgresql_where=sa.text('ended_on IS NULL'), sqlite_where=sa.text('ended_on IS NULL'))
    op.create_table('episode_lines',
    sa.Column('product_line', sa.Text(), nullable=False),
    sa.Column('episode_id', Id, nullable=False),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.id'], name=op.f('fk_episode_lines_episode_id')),
    sa.PrimaryKeyConstraint('product_line', 'episode_id', name=op.f('pk_episode_lines'))
    )
    op.create_index('ix_episode_lines_episode_id', 'episode_lines', ['episode_id'], unique=False)
