"""The engine for PostgreSQL behind PgBouncer in transaction mode, where a session lasts as long as a transaction."""
