"""The database: engines for SQLite and PostgreSQL, column types, bulk reads and writes."""
