"""What asking needs: one mail may ask several people"""

from __future__ import annotations

from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('invitations') as table:
        table.drop_constraint(op.f('uq_invitations_mail_key'), type_='unique')
        table.create_unique_constraint(
            op.f('uq_invitations_mail_key_contact_id'), ['mail_key', 'contact_id']
        )
