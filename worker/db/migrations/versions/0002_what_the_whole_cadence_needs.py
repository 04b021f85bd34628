"""What the whole cadence needs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Json, Moment

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('brakes',
    sa.Column('id', Id, nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('about', sa.Text(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('pulled_at', Moment(), nullable=False),
    sa.Column('released_at', Moment(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_brakes'))
    )
    op.create_index('uq_brakes_pulled', 'brakes', ['kind', 'about'], unique=True, postgresql_where=sa.text('released_at IS NULL'), sqlite_where=sa.text('released_at IS NULL'))
    op.create_table('mail_days',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('foreseen', sa.Integer(), nullable=True),
    sa.Column('foreseen_at', Moment(), nullable=True),
    sa.Column('decided', sa.Integer(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_mail_days'))
    )
    op.create_table('source_reads',
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('read_at', Moment(), nullable=True),
    sa.Column('tried_at', Moment(), nullable=False),
    sa.Column('problem', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('source', name=op.f('pk_source_reads'))
    )
    op.create_table('staff',
    sa.Column('id', Id, nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('email', sa.Text(), nullable=True),
    sa.Column('language', sa.Text(), nullable=True),
    sa.Column('source', sa.Text(), nullable=True),
    sa.Column('updated_at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_staff')),
    sa.UniqueConstraint('key', name=op.f('uq_staff_key'))
    )
    op.create_table('stops',
    sa.Column('id', Id, nullable=False),
    sa.Column('scope', sa.Text(), nullable=False),
    sa.Column('subject_id', Id, nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('until', sa.Date(), nullable=True),
    sa.Column('made_at', Moment(), nullable=False),
    sa.Column('lifted_at', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stops'))
    )
    op.create_index('uq_stops_standing', 'stops', ['scope', 'subject_id'], unique=True, postgresql_where=sa.text('lifted_at IS NULL'), sqlite_where=sa.text('lifted_at IS NULL'))
    op.create_table('approvals',
    sa.Column('id', Id, nullable=False),
    sa.Column('version_id', Id, nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('asked_at', Moment(), nullable=False),
    sa.Column('approved_at', Moment(), nullable=True),
    sa.ForeignKeyConstraint(['version_id'], ['schedule_versions.id'], name=op.f('fk_approvals_version_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_approvals')),
    sa.UniqueConstraint('version_id', 'day', name=op.f('uq_approvals_version_id_day'))
    )
    op.create_table('calls',
    sa.Column('id', Id, nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('body', Json(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('next_at', Moment(), nullable=True),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('attempt_id', sa.Text(), nullable=True),
    sa.Column('lease_until', Moment(), nullable=True),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('created_at', Moment(), nullable=False),
    sa.Column('done_at', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_calls')),
    sa.UniqueConstraint('key', name=op.f('uq_calls_key'))
    )
    op.create_index('ix_calls_next_at', 'calls', ['next_at'], unique=False, postgresql_where=sa.text('next_at IS NOT NULL'), sqlite_where=sa.text('next_at IS NOT NULL'))
    op.add_column('instance', sa.Column('place', sa.Text(), nullable=True))
    op.create_index('ix_licences_auto_renew', 'licences', ['expires_on'], unique=False, postgresql_where=sa.text("auto_renew AND status = 'active'"), sqlite_where=sa.text("auto_renew = 1 AND status = 'active'"))
    op.create_index('ix_messages_address_day', 'messages', ['address', 'day'], unique=False)
    op.create_index('ix_messages_held', 'messages', ['reason'], unique=False, postgresql_where=sa.text("state = 'due' AND next_at IS NULL"), sqlite_where=sa.text("state = 'due' AND next_at IS NULL"))
