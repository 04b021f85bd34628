"""What walks of accounts need"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Moment

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

_OLD = 'uq_walks_schedule_subject_id_cycle'
_NEW = 'uq_walks_subject_id_subject_schedule_cycle'
_KEY = ['subject_id', 'subject', 'schedule', 'cycle']
_KEPT = (
    'id, schedule, subject_id, cycle, anchor_on, first_act_at, next_at, state, reason, rests_until'
)


def upgrade() -> None:
    if op.get_bind().dialect.name == 'sqlite':
        _make_anew()
    else:
        op.add_column('walks', sa.Column('subject', sa.Text(), server_default='licence', nullable=False))
        op.add_column('walks', sa.Column('account_id', Id, nullable=True))
        op.create_foreign_key(op.f('fk_walks_account_id'), 'walks', 'accounts', ['account_id'], ['id'])
        op.drop_constraint(_OLD, 'walks', type_='unique')
        op.create_unique_constraint(op.f(_NEW), 'walks', _KEY)
        op.drop_index('ix_walks_subject', table_name='walks')
    alone = sa.text('account_id IS NOT NULL')
    op.create_index('ix_walks_account', 'walks', ['account_id'], unique=False, postgresql_where=alone, sqlite_where=alone)
    op.create_index('ix_walks_without_licence', 'walks', ['schedule', 'next_at'], unique=False, postgresql_where=alone, sqlite_where=alone)


def _make_anew() -> None:
    """SQLite cannot change what is unique in a table: it is made anew, and its rows move over."""
    op.create_table('walks_anew',
    sa.Column('id', Id, nullable=False),
    sa.Column('schedule', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), server_default='licence', nullable=False),
    sa.Column('subject_id', Id, nullable=False),
    sa.Column('cycle', sa.Integer(), nullable=False),
    sa.Column('account_id', Id, nullable=True),
    sa.Column('anchor_on', sa.Date(), nullable=False),
    sa.Column('first_act_at', Moment(), nullable=False),
    sa.Column('next_at', Moment(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('rests_until', sa.Date(), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_walks_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_walks')),
    sa.UniqueConstraint(*_KEY, name=op.f(_NEW))
    )
    op.execute(f'INSERT INTO walks_anew ({_KEPT}) SELECT {_KEPT} FROM walks')  # noqa: S608
    op.drop_table('walks')
    op.rename_table('walks_anew', 'walks')
    there = sa.text('next_at IS NOT NULL')
    op.create_index('ix_walks_next_at', 'walks', ['next_at'], unique=False, sqlite_where=there)
