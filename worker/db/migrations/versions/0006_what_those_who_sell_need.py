"""What those who sell need"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from worker.db.types import Id, Moment, Money, Quantity

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('order_days',
    sa.Column('account_id', Id, nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('product_line', sa.Text(), server_default=sa.text("''"), nullable=False),
    sa.Column('currency', sa.Text(), server_default=sa.text("''"), nullable=False),
    sa.Column('net', Money(), nullable=False),
    sa.Column('sold', Money(), nullable=False),
    sa.Column('orders', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_order_days_account_id')),
    sa.PrimaryKeyConstraint('account_id', 'day', 'product_line', 'currency', name=op.f('pk_order_days')),
    sqlite_with_rowid=False
    )
    op.create_table('orders',
    sa.Column('id', Id, nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('product_line', sa.Text(), nullable=True),
    sa.Column('ordered_on', sa.Date(), nullable=False),
    sa.Column('quantity', Quantity(), nullable=True),
    sa.Column('amount', Money(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=True),
    sa.Column('source', sa.Text(), nullable=True),
    sa.Column('updated_at', Moment(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_orders_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_orders')),
    sa.UniqueConstraint('key', name=op.f('uq_orders_key'))
    )
    op.create_index('ix_orders_account_id', 'orders', ['account_id', 'ordered_on', 'id'], unique=False)
