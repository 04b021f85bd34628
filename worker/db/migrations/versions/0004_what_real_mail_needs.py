"""What real mail needs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Json, Moment

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('erasures',
    sa.Column('hash', sa.Text(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('hash', name=op.f('pk_erasures'))
    )
    op.create_table('events',
    sa.Column('id', Id, nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('mail_key', sa.Text(), nullable=True),
    sa.Column('address', sa.Text(), nullable=True),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('received_at', Moment(), nullable=False),
    sa.Column('machine', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('orphan', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('raw', Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_events'))
    )
    op.create_index('ix_events_mail', 'events', ['mail_key', 'address'], unique=False)
    op.create_index('ix_events_received_at', 'events', ['received_at'], unique=False)
    op.create_index('uq_events_channel_key', 'events', ['channel', 'key'], unique=True)
    op.create_table('suppressions',
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('address', name=op.f('pk_suppressions'))
    )
    op.create_table('visits',
    sa.Column('id', Id, nullable=False),
    sa.Column('page', sa.Text(), nullable=False),
    sa.Column('mail_key', sa.Text(), nullable=True),
    sa.Column('agent', sa.Text(), nullable=True),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_visits'))
    )
    op.create_table('ways',
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('paused_until', Moment(), nullable=True),
    sa.Column('why', sa.Text(), nullable=True),
    sa.Column('failures', sa.Integer(), server_default='0', nullable=False),
    sa.Column('free_at', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('channel', name=op.f('pk_ways'))
    )
    op.create_table('happenings',
    sa.Column('walk_id', Id, nullable=False),
    sa.Column('what', sa.Text(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['walk_id'], ['walks.id'], name=op.f('fk_happenings_walk_id')),
    sa.PrimaryKeyConstraint('walk_id', 'what', name=op.f('pk_happenings'))
    )
    op.create_table('returned',
    sa.Column('walk_id', Id, nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('mail_key', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('due_on', sa.Date(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('returned_at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['walk_id'], ['walks.id'], name=op.f('fk_returned_walk_id')),
    sa.PrimaryKeyConstraint('walk_id', 'step', 'mail_key', name=op.f('pk_returned'))
    )
    op.create_table('answers',
    sa.Column('id', Id, nullable=False),
    sa.Column('mail_key', sa.Text(), nullable=False),
    sa.Column('contact_id', Id, nullable=False),
    sa.Column('licence_id', Id, nullable=False),
    sa.Column('cycle', sa.Integer(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('detail', Json(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_answers_contact_id')),
    sa.ForeignKeyConstraint(['licence_id'], ['licences.id'], name=op.f('fk_answers_licence_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_answers'))
    )
    op.create_index(op.f('ix_answers_contact_id'), 'answers', ['contact_id'], unique=False)
    op.create_index(op.f('ix_answers_licence_id'), 'answers', ['licence_id'], unique=False)
    op.create_index(op.f('ix_answers_mail_key'), 'answers', ['mail_key'], unique=False)
    op.create_table('preferences',
    sa.Column('contact_id', Id, nullable=False),
    sa.Column('language', sa.Text(), nullable=True),
    sa.Column('no_commercial', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('no_surveys', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('paused_until', sa.Date(), nullable=True),
    sa.Column('links_from', Moment(), nullable=True),
    sa.Column('updated_at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_preferences_contact_id')),
    sa.PrimaryKeyConstraint('contact_id', name=op.f('pk_preferences'))
    )
    op.add_column('instance', sa.Column('pepper', sa.Text(), nullable=True))
    op.add_column('licences', sa.Column('declined_term', sa.Integer(), nullable=True))
    op.add_column('messages', sa.Column('channel', sa.Text(), nullable=True))
    op.add_column('messages', sa.Column('unknown_since', Moment(), nullable=True))
    op.add_column('messages', sa.Column('resends', sa.Integer(), server_default='0', nullable=False))
    op.add_column('messages', sa.Column('fate', sa.Text(), nullable=True))
    op.add_column('messages', sa.Column('fate_at', Moment(), nullable=True))
    op.add_column('stops', sa.Column('made_by', sa.Text(), server_default='staff', nullable=False))
    op.add_column('stops', sa.Column('task_key', sa.Text(), nullable=True))
    op.drop_index(op.f('uq_stops_standing'), table_name='stops', sqlite_where=sa.text('lifted_at IS NULL'))
    op.create_index('uq_stops_standing', 'stops', ['scope', 'subject_id', 'made_by'], unique=True, postgresql_where=sa.text('lifted_at IS NULL'), sqlite_where=sa.text('lifted_at IS NULL'))
    op.create_index(op.f('ix_stops_task_key'), 'stops', ['task_key'], unique=False)
    op.add_column('walks', sa.Column('rests_until', sa.Date(), nullable=True))
