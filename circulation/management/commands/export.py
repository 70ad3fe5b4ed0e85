"""The whole library, as files."""

import shutil
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection, transaction

from circulation.exports.tables import TABLES, Row, copies
from circulation.exports.writers import write_csv, write_json, write_marcxml
from circulation.progress import bar


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
            directory.mkdir()
        except OSError as error:
            raise CommandError(f"{directory} cannot be made: {error.strerror}.") from error
        try:
            with transaction.atomic(durable=True), connection.cursor() as cursor:
                # Every table as of the same moment, while the desk goes on.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                self._write(directory, options["format"])
        except BaseException as error:
            shutil.rmtree(directory)
            if isinstance(error, KeyboardInterrupt):
                raise CommandError("Stopped. Nothing was written.") from error
            if isinstance(error, OSError | OperationalError):
                raise CommandError(f"{error} Nothing was written.") from error
            raise

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
