"""The whole library, table by table, in files of a directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from django.db import connection, transaction

from circulation.exports.tables import TABLES, Row, copies
from circulation.exports.writers import write_csv, write_json, write_marcxml

FORMATS = ("csv", "json", "marcxml")


@contextmanager
def as_of_one_moment() -> Iterator[None]:
    """Inside, every table is read as of the same moment, while the desk goes on."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@dataclass(frozen=True)
class Table:
    """One table of the library, and how it is written."""

    name: str
    form: str

    def count(self) -> int:
        return TABLES[self.name][1]().count()

    def write(self, directory: Path, progress: Callable[[int], object]) -> int:
        """Into a file of its own, if there are rows. `progress` hears of each row. Returns how many there were."""
        counted = _Counted(TABLES[self.name][0](), progress)
        if self.form == "json":
            write_json(directory / f"{self.name}.json", counted)
        elif self.form == "marcxml" and self.name == "titles":
            write_marcxml(directory / "titles.xml", _with_copies(counted))
        else:
            write_csv(directory / f"{self.name}.csv", counted)
        return counted.count


def tables_in(form: str) -> list[Table]:
    """In marcxml the copies stand in the records of their titles."""
    return [Table(name, form) for name in TABLES if form != "marcxml" or name != "copies"]


class _Counted:
    """Rows that are counted as they pass."""

    def __init__(self, rows: Iterable[Row], progress: Callable[[int], object]) -> None:
        self._rows, self._progress, self.count = rows, progress, 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            self._progress(1)
            yield row


def _with_copies(rows: Iterable[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """Titles by ascending id, each with its copies. Both are read once, side by side."""
    of_title = groupby(copies(by_title=True), key=lambda copy: copy["circdesk_book_id"])
    book_id, group = next(of_title, (None, iter(())))
    for title in rows:
        own: list[Row] = []
        if book_id == title["circdesk_id"]:
            own = list(group)
            book_id, group = next(of_title, (None, iter(())))
        yield title, own
