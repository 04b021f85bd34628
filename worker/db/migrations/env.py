"""Run by alembic. The connection, and the transaction around it, are the caller's."""

from __future__ import annotations

from alembic import context

from worker.db.types import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_item=context.config.attributes.get("render_item"),
    compare_type=True,
    compare_server_default=True,
    transactional_ddl=False,  # one transaction around all, begun and ended by the caller
)
context.run_migrations()
