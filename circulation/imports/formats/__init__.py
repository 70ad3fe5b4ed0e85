"""Rows from files, whatever their kind."""
