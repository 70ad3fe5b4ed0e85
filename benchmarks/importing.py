"""Importing 10,000 titles, beside a COPY of the rows that come of it into the same tables, indexes and triggers."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import books, places
from config.servers import Postgres

# In the order in which foreign keys allow them. Pending rows come by the trigger.
TABLES = ("library_book", "library_copy", "events_event")


@dataclass(frozen=True)
class Import:
    titles: int
    rows: int  # in the four tables
    seconds: float
    copy_seconds: float


@dataclass(frozen=True)
class Peaks:
    """Bytes that the import had in memory at most: of a file, and of one ten times as long."""

    rows: int
    short: int
    long: int


def peaks(postgres: Postgres) -> Peaks:
    with tempfile.TemporaryDirectory() as directory:
        found = []
        for rows in (books.ROWS, books.ROWS * 10):
            path = Path(directory) / f"{rows}.csv"
            books.write(path, rows=rows)
            with places.fresh_database(postgres, f"peak_{rows}") as url:
                found.append(places.peak_memory("import_books", str(path), environment={"DATABASE_URL": url}))
    return Peaks(books.ROWS, *found)


def source(directory: Path) -> Path:
    """The file that BOOKS names, or one that is made here."""
    if named := os.environ.get("BOOKS"):
        return Path(named).resolve()
    path = directory / "books.csv"
    books.write(path)
    return path


def measure(postgres: Postgres, file: Path, turn: int) -> Import:
    """Import the file into one fresh database; then COPY the rows that are there now into another."""
    with places.fresh_database(postgres, f"imported_{turn}") as url:
        begun = time.perf_counter()
        places.manage("import_books", str(file), environment={"DATABASE_URL": url})
        seconds = time.perf_counter() - begun
        with places.connect(postgres, f"imported_{turn}") as connection:
            kept = {table: _copy_out(connection, table) for table in TABLES}
            rows = sum(_count(connection, table) for table in (*TABLES, "events_pendingevent"))
            titles = _count(connection, "library_book")
    if titles < books.ROWS * 0.9 and "BOOKS" not in os.environ:
        raise RuntimeError(f"Only {titles} titles were imported.")
    with (
        places.fresh_database(postgres, f"copied_{turn}"),
        places.connect(postgres, f"copied_{turn}") as connection,
    ):
        begun = time.perf_counter()
        with connection.transaction():
            for table, data in kept.items():
                _copy_in(connection, table, data)
        copy_seconds = time.perf_counter() - begun
        assert rows == sum(_count(connection, table) for table in (*TABLES, "events_pendingevent"))
    return Import(titles, rows, seconds, copy_seconds)


def _columns(connection: psycopg.Connection, table: str) -> str:
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attgenerated = ''"
        " AND NOT attisdropped ORDER BY attnum",
        [table],
    )
    return ", ".join(name for (name,) in found)


def _copy_out(connection: psycopg.Connection, table: str) -> bytes:
    with connection.cursor().copy(
        f"COPY (SELECT {_columns(connection, table)} FROM {table} ORDER BY id) TO STDOUT"
    ) as out:
        return b"".join(bytes(part) for part in out)


def _copy_in(connection: psycopg.Connection, table: str, data: bytes) -> None:
    with connection.cursor().copy(f"COPY {table} ({_columns(connection, table)}) FROM STDIN") as into:
        into.write(data)


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    count: int = row[0]
    return count
