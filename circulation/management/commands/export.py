"""The whole library, as files."""

import errno
import os
import secrets
import shutil
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection, transaction

from circulation.exports.tables import TABLES, Row, copies
from circulation.exports.writers import write_csv, write_json, write_marcxml
from circulation.progress import bar
from events.operations import told_by_postgresql


class Command(BaseCommand):
    help = (
        "Writes the whole library to a directory: titles, copies, members, open loans and live reservations, branches "
        "and loan policies, all as they stand at one moment. import_library makes an equal library of it. In marcxml "
        "the titles are bibliographic records with their copies; for the rest MARC has no place, so it is CSV. "
        "History is not part of it: keep that in backups."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, metavar="DIR", help="Made by this command; must not exist.")
        parser.add_argument("--format", choices=["csv", "json", "marcxml"], default="csv")

    def handle(self, *args: Any, **options: Any) -> None:
        directory: Path = options["directory"]
        try:
            with _made(directory) as unfinished, transaction.atomic(durable=True), connection.cursor() as cursor:
                # Every table as of the same moment, while the desk goes on.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                self._write(unfinished, options["format"])
        except KeyboardInterrupt as stop:
            raise CommandError("Stopped. Nothing was written.") from stop
        except OSError as error:
            raise CommandError(f"{error} Nothing was written.") from error
        except (InterfaceError, OperationalError) as error:
            raise CommandError(f"{told_by_postgresql(error)} Nothing was written.") from error

    def _write(self, directory: Path, form: str) -> None:
        for name, (rows, records) in TABLES.items():
            if form == "marcxml" and name == "copies":
                continue  # they stand in the records of their titles
            count = records().count()
            with bar(f"Exporting {name}", total=count, unit=" rows") as progress:
                counted = _counted(rows(), progress.update)
                if form == "json":
                    write_json(directory / f"{name}.json", counted)
                elif form == "marcxml" and name == "titles":
                    write_marcxml(directory / "titles.xml", _with_copies(counted))
                else:
                    write_csv(directory / f"{name}.csv", counted)
            self.stdout.write(f"{name}: {count}")


@contextmanager
def _made(directory: Path) -> Iterator[Path]:
    """A directory to write in. It only gets its name when all is written, so that half an export never looks whole.

    Raises CommandError if something has the name, and then leaves nothing behind.
    """
    if os.path.lexists(directory):
        raise CommandError(f"{directory} cannot be made: {os.strerror(errno.EEXIST)}.")
    unfinished = directory.with_name(f"unfinished-export-{secrets.token_hex(4)}")
    try:
        unfinished.mkdir()
    except OSError as error:
        raise CommandError(f"{directory} cannot be made: {error.strerror}.") from error
    try:
        yield unfinished
        _rename(unfinished, directory)
    except BaseException:
        shutil.rmtree(unfinished)
        raise


def _rename(unfinished: Path, directory: Path) -> None:
    try:
        unfinished.rename(directory)
    except OSError as error:
        raise CommandError(f"{directory} cannot be made: {error.strerror}.") from error


def _counted(rows: Iterable[Row], update: Any) -> Iterator[Row]:
    for row in rows:
        update(1)
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
