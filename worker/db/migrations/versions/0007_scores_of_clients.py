"""Scores of clients"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Json, Moment, Money

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('score_runs',
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('scored_at', Moment(), nullable=False),
    sa.Column('clients', sa.Integer(), nullable=False),
    sa.Column('slope', sa.Float(), nullable=False),
    sa.Column('intercept', sa.Float(), nullable=False),
    sa.Column('fitted', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('as_of', name=op.f('pk_score_runs'))
    )
    op.create_table('scores',
    sa.Column('as_of', sa.Date(), nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('place', sa.Integer(), nullable=False),
    sa.Column('score', sa.Float(), nullable=True),
    sa.Column('at_stake', Money(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('lane', sa.Text(), nullable=True),
    sa.Column('last_order_on', sa.Date(), nullable=False),
    sa.Column('usual_gap_days', sa.Integer(), nullable=False),
    sa.Column('drop_share', sa.Float(), nullable=False),
    sa.Column('product_lines', Json(), nullable=False),
    sa.Column('reasons', Json(), nullable=False),
    sa.Column('evidence', Json(), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_scores_account_id')),
    sa.ForeignKeyConstraint(['as_of'], ['score_runs.as_of'], name=op.f('fk_scores_as_of')),
    sa.PrimaryKeyConstraint('as_of', 'account_id', name=op.f('pk_scores'))
    )
    op.create_index('ix_scores_account_id', 'scores', ['account_id', 'as_of'], unique=False)
    op.create_index('ix_scores_as_of_place', 'scores', ['as_of', 'place'], unique=False)
