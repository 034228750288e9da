"""Alembic's scripts; run by `registry.founding`, never by hand."""
