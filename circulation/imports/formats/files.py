"""From a path to rows: what kind of file it is shows in its content, not in its name."""

from __future__ import annotations

from collections.abc import Callable, Collection

from django.utils.module_loading import import_string

from circulation.imports.columns import listed
from circulation.imports.formats import csv_rows, json_rows, marc_rows, sql_words
from circulation.imports.formats.rows import FileError, Items
from circulation.imports.formats.source import Source

Reader = Callable[[Source], Items]

# Imported when such a file comes: its parser would add a tenth to the start of each process.
SQL = "circulation.imports.formats.sql_rows.rows"
MARC = (marc_rows.exchange_rows, marc_rows.xml_rows)


def reader_of(source: Source, named: Collection[str] = ()) -> Reader:
    """What reads this file; `named` are columns that somebody named. Raises FileError if nothing does."""
    if marc_rows.recognises_exchange(source.head):
        return marc_rows.exchange_rows
    text = source.beginning.lstrip("\ufeff \t\r\n")
    if json_rows.recognises(text):
        return json_rows.rows
    if marc_rows.recognises_xml(text):
        return marc_rows.xml_rows
    if text.startswith("<"):
        raise FileError("is XML or HTML, but not MARCXML.")
    if sql_words.recognises(text):
        reader: Reader = import_string(SQL)
        return reader
    if csv_rows.recognises(source.beginning, named):
        return csv_rows.rows
    _ = source.encoding  # a picture is told from a text
    columns = listed([name.strip()[:40] for name in csv_rows.header(source.beginning)], most=8)
    if named:
        raise FileError(f"has no column “{next(iter(named))}”. Its first line is “{columns}”.")
    raise FileError(
        f"is neither JSON, SQL nor MARC, and its first line, “{columns}”, names no column that is known here. "
        "Name one under “Columns”, or with --map."
    )
