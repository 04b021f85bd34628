"""What surveys need"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Json, Moment

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('invitations',
    sa.Column('id', Id, nullable=False),
    sa.Column('schedule', sa.Text(), nullable=False),
    sa.Column('survey', sa.Text(), nullable=False),
    sa.Column('walk_id', Id, nullable=True),
    sa.Column('contact_id', Id, nullable=True),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('licence_id', Id, nullable=True),
    sa.Column('mail_key', sa.Text(), nullable=True),
    sa.Column('promise', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), nullable=True),
    sa.Column('segment', sa.Text(), nullable=True),
    sa.Column('product', sa.Text(), nullable=True),
    sa.Column('language', sa.Text(), nullable=True),
    sa.Column('asked_on', sa.Date(), nullable=False),
    sa.Column('asked_at', Moment(), nullable=False),
    sa.Column('closes_at', Moment(), nullable=True),
    sa.Column('answered', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_invitations_account_id')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_invitations_contact_id')),
    sa.ForeignKeyConstraint(['licence_id'], ['licences.id'], name=op.f('fk_invitations_licence_id')),
    sa.ForeignKeyConstraint(['walk_id'], ['walks.id'], name=op.f('fk_invitations_walk_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_invitations')),
    sa.UniqueConstraint('mail_key', 'contact_id', name=op.f('uq_invitations_mail_key_contact_id'))
    )
    op.create_index('ix_invitations_account', 'invitations', ['account_id', 'asked_on'], unique=False)
    op.create_index('ix_invitations_asked_on', 'invitations', ['asked_on'], unique=False)
    op.create_index('ix_invitations_contact', 'invitations', ['contact_id', 'asked_at'], unique=False)
    op.create_index('ix_invitations_schedule', 'invitations', ['schedule', 'segment'], unique=False)
    op.create_index(op.f('ix_invitations_walk_id'), 'invitations', ['walk_id'], unique=False)
    op.create_table('responses',
    sa.Column('id', Id, autoincrement=False, nullable=False),
    sa.Column('schedule', sa.Text(), nullable=False),
    sa.Column('survey', sa.Text(), nullable=False),
    sa.Column('promise', sa.Text(), nullable=False),
    sa.Column('invitation_id', Id, nullable=True),
    sa.Column('account_id', Id, nullable=True),
    sa.Column('contact_id', Id, nullable=True),
    sa.Column('licence_id', Id, nullable=True),
    sa.Column('score', sa.Integer(), nullable=False),
    sa.Column('vote', sa.Integer(), nullable=False),
    sa.Column('comment', sa.Text(), nullable=True),
    sa.Column('follow_up', Json(), nullable=True),
    sa.Column('role', sa.Text(), nullable=True),
    sa.Column('segment', sa.Text(), nullable=True),
    sa.Column('product', sa.Text(), nullable=True),
    sa.Column('language', sa.Text(), nullable=True),
    sa.Column('answered_on', sa.Date(), nullable=True),
    sa.Column('answered_at', Moment(), nullable=True),
    sa.Column('changed_at', Moment(), nullable=True),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=True),
    sa.Column('judged', sa.Text(), server_default='human', nullable=False),
    sa.Column('themes_read', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_responses_account_id')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.id'], name=op.f('fk_responses_contact_id')),
    sa.ForeignKeyConstraint(['invitation_id'], ['invitations.id'], name=op.f('fk_responses_invitation_id')),
    sa.ForeignKeyConstraint(['licence_id'], ['licences.id'], name=op.f('fk_responses_licence_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_responses')),
    sa.UniqueConstraint('invitation_id', name=op.f('uq_responses_invitation_id')),
    sa.UniqueConstraint('key', name=op.f('uq_responses_key'))
    )
    op.create_index('ix_responses_account', 'responses', ['account_id', 'answered_on', 'id'], unique=False)
    op.create_index('ix_responses_answered_on', 'responses', ['answered_on', 'id'], unique=False)
    op.create_index(op.f('ix_responses_contact_id'), 'responses', ['contact_id'], unique=False)
    op.create_index('ix_responses_protected', 'responses', ['schedule', 'answered_on'], unique=False, postgresql_where=sa.text("promise <> 'named' AND judged = 'human'"), sqlite_where=sa.text("promise <> 'named' AND judged = 'human'"))
    op.create_index('ix_responses_schedule', 'responses', ['schedule', 'answered_on', 'id'], unique=False)
    op.create_index('ix_responses_segment', 'responses', ['segment', 'answered_on', 'id'], unique=False)
    op.create_index('ix_responses_themes_read', 'responses', ['themes_read', 'id'], unique=False, postgresql_where=sa.text('comment IS NOT NULL'), sqlite_where=sa.text('comment IS NOT NULL'))
    op.create_index('ix_responses_vote', 'responses', ['vote', 'answered_on', 'id'], unique=False)
    op.create_table('response_themes',
    sa.Column('response_id', Id, nullable=False),
    sa.Column('theme', sa.Text(), nullable=False),
    sa.Column('answered_on', sa.Date(), nullable=True),
    sa.ForeignKeyConstraint(['response_id'], ['responses.id'], name=op.f('fk_response_themes_response_id')),
    sa.PrimaryKeyConstraint('response_id', 'theme', name=op.f('pk_response_themes'))
    )
    op.create_index('ix_response_themes_theme', 'response_themes', ['theme', 'answered_on', 'response_id'], unique=False)
