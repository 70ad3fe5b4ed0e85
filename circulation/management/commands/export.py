"""The whole library, as files."""

import errno
import os
import secrets
import shutil
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

from circulation.exports.library import FORMATS, as_of_one_moment, tables_in
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
        parser.add_argument("--format", choices=FORMATS, default="csv")

    def handle(self, *args: Any, **options: Any) -> None:
        directory: Path = options["directory"]
        try:
            with _made(directory) as unfinished, as_of_one_moment():
                self._write(unfinished, options["format"])
        except KeyboardInterrupt as stop:
            raise CommandError("Stopped. Nothing was written.") from stop
        except OSError as error:
            raise CommandError(f"{error} Nothing was written.") from error
        except (InterfaceError, OperationalError) as error:
            raise CommandError(f"{told_by_postgresql(error)} Nothing was written.") from error

    def _write(self, directory: Path, form: str) -> None:
        for table in tables_in(form):
            with bar(f"Exporting {table.name}", total=table.count(), unit=" rows") as progress:
                count = table.write(directory, progress.update)
            self.stdout.write(f"{table.name}: {count}")


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
