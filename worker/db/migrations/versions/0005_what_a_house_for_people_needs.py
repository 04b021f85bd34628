"""What a house for people needs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Json, Moment

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('audit',
    sa.Column('id', Id, nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('who', sa.Text(), nullable=False),
    sa.Column('via', sa.Text(), nullable=False),
    sa.Column('what', sa.Text(), nullable=False),
    sa.Column('about', sa.Text(), nullable=False),
    sa.Column('detail', Json(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit'))
    )
    op.create_index('ix_audit_about', 'audit', ['about', 'id'], unique=False)
    op.create_index('ix_audit_what', 'audit', ['what', 'id'], unique=False)
    op.create_index('ix_audit_who', 'audit', ['who', 'id'], unique=False)
    op.create_index(op.f('ix_audit_at'), 'audit', ['at'], unique=False)
    op.create_table('briefings',
    sa.Column('id', Id, nullable=False),
    sa.Column('staff', sa.Text(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('detail', Json(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_briefings')),
    sa.UniqueConstraint('staff', 'day', name=op.f('uq_briefings_staff_day'))
    )
    op.create_table('endpoints',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('types', Json(), nullable=False),
    sa.Column('failures', sa.Integer(), server_default='0', nullable=False),
    sa.Column('failing_since', Moment(), nullable=True),
    sa.Column('paused_until', Moment(), nullable=True),
    sa.Column('why', sa.Text(), nullable=True),
    sa.Column('changed_at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_endpoints'))
    )
    op.create_table('forecast_days',
    sa.Column('schedule', sa.Text(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('mails', sa.Integer(), nullable=False),
    sa.Column('tasks', sa.Integer(), nullable=False),
    sa.Column('one_in', sa.Integer(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('schedule', 'day', name=op.f('pk_forecast_days'))
    )
    op.create_table('walk_counts',
    sa.Column('schedule', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('walks', sa.Integer(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('schedule', 'state', name=op.f('pk_walk_counts'))
    )
    op.create_table('notices',
    sa.Column('id', Id, nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('body', Json(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notices')),
    sa.UniqueConstraint('key', name=op.f('uq_notices_key'))
    )
    op.create_table('sign_ins',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('failed_at', Moment(), nullable=False),
    sa.Column('waits_until', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_sign_ins'))
    )
    op.create_index(op.f('ix_sign_ins_failed_at'), 'sign_ins', ['failed_at'], unique=False)
    op.create_table('tokens',
    sa.Column('id', Id, nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('scopes', Json(), nullable=False),
    sa.Column('made_by', sa.Text(), nullable=False),
    sa.Column('made_at', Moment(), nullable=False),
    sa.Column('used_at', Moment(), nullable=True),
    sa.Column('ends_at', Moment(), nullable=True),
    sa.Column('revoked_at', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tokens')),
    sa.UniqueConstraint('digest', name=op.f('uq_tokens_digest'))
    )
    op.create_index('uq_tokens_name', 'tokens', ['name'], unique=True, postgresql_where=sa.text('revoked_at IS NULL'), sqlite_where=sa.text('revoked_at IS NULL'))
    op.create_table('users',
    sa.Column('id', Id, nullable=False),
    sa.Column('login', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('email', sa.Text(), nullable=True),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('staff', sa.Text(), nullable=True),
    sa.Column('password_hash', sa.Text(), nullable=True),
    sa.Column('subject', sa.Text(), nullable=True),
    sa.Column('made_at', Moment(), nullable=False),
    sa.Column('disabled_at', Moment(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_users')),
    sa.UniqueConstraint('login', name=op.f('uq_users_login')),
    sa.UniqueConstraint('subject', name=op.f('uq_users_subject'))
    )
    op.create_table('interventions',
    sa.Column('id', Id, nullable=False),
    sa.Column('walk_id', Id, nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=True),
    sa.Column('words', sa.Text(), nullable=True),
    sa.Column('until', sa.Date(), nullable=True),
    sa.Column('who', sa.Text(), nullable=False),
    sa.Column('made_at', Moment(), nullable=False),
    sa.Column('lifted_at', Moment(), nullable=True),
    sa.ForeignKeyConstraint(['walk_id'], ['walks.id'], name=op.f('fk_interventions_walk_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_interventions'))
    )
    op.create_index('uq_interventions_standing', 'interventions', ['walk_id', 'step', 'kind'], unique=True, postgresql_where=sa.text('lifted_at IS NULL'), sqlite_where=sa.text('lifted_at IS NULL'))
    op.create_table('requests',
    sa.Column('token_id', Id, nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('body', Json(), nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['token_id'], ['tokens.id'], name=op.f('fk_requests_token_id')),
    sa.PrimaryKeyConstraint('token_id', 'key', name=op.f('pk_requests'))
    )
    op.create_index(op.f('ix_requests_at'), 'requests', ['at'], unique=False)
    op.create_table('sessions',
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('user_id', Id, nullable=False),
    sa.Column('made_at', Moment(), nullable=False),
    sa.Column('seen_at', Moment(), nullable=False),
    sa.Column('ends_at', Moment(), nullable=False),
    sa.Column('revoked_at', Moment(), nullable=True),
    sa.Column('agent', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_sessions_user_id')),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_sessions'))
    )
    op.create_index(op.f('ix_sessions_ends_at'), 'sessions', ['ends_at'], unique=False)
    op.create_index(op.f('ix_sessions_user_id'), 'sessions', ['user_id'], unique=False)
    op.create_table('task_history',
    sa.Column('id', Id, nullable=False),
    sa.Column('task_id', Id, nullable=False),
    sa.Column('at', Moment(), nullable=False),
    sa.Column('who', sa.Text(), nullable=True),
    sa.Column('what', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['task_id'], ['tasks.id'], name=op.f('fk_task_history_task_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_task_history'))
    )
    op.create_index(op.f('ix_task_history_task_id'), 'task_history', ['task_id'], unique=False)
    op.add_column('calls', sa.Column('endpoint', sa.Text(), nullable=True))
    op.add_column('tasks', sa.Column('pool', sa.Text(), nullable=True))
    op.add_column('tasks', sa.Column('snoozed_until', sa.Date(), nullable=True))
    op.add_column('tasks', sa.Column('claimed_at', Moment(), nullable=True))
    op.add_column('tasks', sa.Column('opened_by', sa.Text(), nullable=True))
    op.add_column('tasks', sa.Column('closed_by', sa.Text(), nullable=True))
    op.add_column('tasks', sa.Column('version', sa.Integer(), server_default='1', nullable=False))
    op.create_index('ix_tasks_closed_at', 'tasks', ['closed_at', 'id'], unique=False)
    op.create_index('ix_tasks_open_assignee', 'tasks', ['assignee', 'due_on'], unique=False, postgresql_where=sa.text('closed_at IS NULL'), sqlite_where=sa.text('closed_at IS NULL'))
    op.create_index('ix_tasks_open_due', 'tasks', ['due_on', 'id'], unique=False, postgresql_where=sa.text('closed_at IS NULL'), sqlite_where=sa.text('closed_at IS NULL'))
    op.create_index('ix_messages_day', 'messages', ['day', 'id'], unique=False)
    op.create_index('ix_messages_schedule', 'messages', ['schedule', 'day', 'id'], unique=False)
    op.create_index('ix_messages_step', 'messages', ['schedule', 'step', 'day', 'id'], unique=False)
    odd = sa.text("state NOT IN ('accepted', 'due', 'sending')")
    op.create_index('ix_messages_odd', 'messages', ['state', 'day', 'id'], unique=False, postgresql_where=odd, sqlite_where=odd)
    op.create_index('ix_messages_schedule_accepted', 'messages', ['schedule', 'accepted_at'], unique=False, postgresql_where=sa.text('accepted_at IS NOT NULL'), sqlite_where=sa.text('accepted_at IS NOT NULL'))
    op.create_index('ix_tasks_open_kind', 'tasks', ['kind', 'due_on', 'id'], unique=False, postgresql_where=sa.text('closed_at IS NULL'), sqlite_where=sa.text('closed_at IS NULL'))
    op.create_index('ix_tasks_open_pool', 'tasks', ['pool', 'due_on', 'id'], unique=False, postgresql_where=sa.text('closed_at IS NULL AND assignee IS NULL'), sqlite_where=sa.text('closed_at IS NULL AND assignee IS NULL'))
    op.create_index('ix_tasks_promises', 'tasks', ['due_on'], unique=False, postgresql_where=sa.text("kind = 'promise'"), sqlite_where=sa.text("kind = 'promise'"))
    op.create_index('ix_tasks_snoozed', 'tasks', ['snoozed_until', 'id'], unique=False, postgresql_where=sa.text('closed_at IS NULL AND snoozed_until IS NOT NULL'), sqlite_where=sa.text('closed_at IS NULL AND snoozed_until IS NOT NULL'))
    _give_open_tasks_a_pool()
    _let_people_list_and_search()
    _keep_the_audit_log()


def _give_open_tasks_a_pool() -> None:
    """Tasks that an earlier release left to nobody, or to a role: somebody may claim them."""
    op.execute(
        "UPDATE tasks SET assignee = NULL WHERE closed_at IS NULL "
        "AND assignee IN ('renewal-manager', 'account-manager', 'owner')"
    )
    op.execute(
        "UPDATE tasks SET pool = CASE WHEN kind IN ('step', 'no-contact', 'complaint') THEN 'sales' "
        "WHEN kind IN ('alarm', 'failed-call') THEN 'admin' ELSE 'renewals' END "
        "WHERE closed_at IS NULL AND assignee IS NULL"
    )


def _let_people_list_and_search() -> None:
    op.create_index(op.f('ix_accounts_segment'), 'accounts', ['segment'], unique=False)
    op.create_index(op.f('ix_accounts_account_manager'), 'accounts', ['account_manager'], unique=False)
    op.create_index(op.f('ix_accounts_renewal_manager'), 'accounts', ['renewal_manager'], unique=False)
    op.drop_index('ix_licences_account_id', table_name='licences')
    op.create_index('ix_licences_account_id', 'licences', ['account_id', 'expires_on', 'id'], unique=False)
    op.drop_index('ix_licences_expires_on', table_name='licences')
    op.create_index('ix_licences_expires_on', 'licences', ['expires_on', 'id'], unique=False)
    over = sa.text("status <> 'active'")
    op.create_index('ix_licences_over', 'licences', ['status', 'expires_on', 'id'], unique=False, postgresql_where=over, sqlite_where=over)
    op.create_index('ix_stops_subject', 'stops', ['scope', 'subject_id'], unique=False)
    is_postgresql = op.get_context().dialect.name == 'postgresql'
    by_number = ' COLLATE "C"' if is_postgresql else ''
    for table, column, more in (
        ('accounts', 'name', ', id'),
        ('accounts', 'key', ''),
        ('contacts', 'email', ''),
        ('licences', 'key', ''),
        ('licences', 'product', ''),
    ):
        op.execute(f'CREATE INDEX ix_{table}_{column}_folded ON {table} (lower({column}){by_number}{more})')
    if is_postgresql:
        for table in ('accounts', 'contacts'):
            words = r"to_tsvector('simple'::regconfig, regexp_replace(name, '[^a-zA-Z0-9\u0080-\U0010FFFF]+', ' ', 'g'))"
            op.execute(f'CREATE INDEX ix_{table}_name_words ON {table} USING gin ({words})')


def _keep_the_audit_log() -> None:
    """Nobody alters or deletes a line of it, whatever program asks."""
    if op.get_context().dialect.name == 'sqlite':
        for verb in ('UPDATE', 'DELETE'):
            op.execute(
                f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()"
    )
