"""What those who come from Delighted need"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Json, Moment

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('asked_for',
    sa.Column('id', Id, nullable=False),
    sa.Column('contact_id', Id, nullable=True),
    sa.Column('schedule', sa.Text(), nullable=False),
    sa.Column('survey', sa.Text(), nullable=False),
    sa.Column('properties', Json(), nullable=False),
    sa.Column('made_at', Moment(), nullable=False),
    sa.Column('send_at', Moment(), nullable=False),
    sa.Column('next_at', Moment(), nullable=True),
    sa.Column('ended_at', Moment(), nullable=True),
    sa.Column('ended_why', sa.Text(), nullable=True),
    sa.Column('invitation_id', Id, nullable=True),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_asked_for_contact_id')),
    sa.ForeignKeyConstraint(['invitation_id'], ['invitations.id'], name=op.f('fk_asked_for_invitation_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_asked_for')),
    sa.UniqueConstraint('invitation_id', name=op.f('uq_asked_for_invitation_id'))
    )
    op.create_index('ix_asked_for_contact_id', 'asked_for', ['contact_id', 'next_at'], unique=False)
    op.create_index('ix_asked_for_next_at', 'asked_for', ['next_at'], unique=False, postgresql_where=sa.text('next_at IS NOT NULL'), sqlite_where=sa.text('next_at IS NOT NULL'))
    op.create_table('answer_extras',
    sa.Column('response_id', Id, nullable=False),
    sa.Column('properties', Json(), nullable=False),
    sa.Column('tags', Json(), nullable=False),
    sa.Column('notes', Json(), nullable=False),
    sa.ForeignKeyConstraint(['response_id'], ['responses.id'], name=op.f('fk_answer_extras_response_id')),
    sa.PrimaryKeyConstraint('response_id', name=op.f('pk_answer_extras'))
    )
