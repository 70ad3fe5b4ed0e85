"""A whole library from a directory of files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from circulation.imports.command import Import
from circulation.imports.formats import csv_rows, marc_rows
from circulation.imports.formats.files import Reader
from circulation.imports.formats.reading import File
from circulation.imports.formats.rows import FileError
from circulation.imports.loading import Report
from circulation.imports.whole.folder import opened
from circulation.imports.whole.library import WholeLibrary


class Command(Import):
    help = (
        "Imports a whole library from a directory: titles, copies, members, open loans and reservations, and branches "
        "and loan policies if they are there. It takes what `export` writes, the tables of Evergreen as CSV, and other "
        "tables whose columns docs/import.md names; what each file is, its content tells. Another run adds what is "
        "missing and leaves alone what is there. "
        "Ends with 1 if a row was refused, or a file cannot be read: then nothing is changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, metavar="DIR")
        super().add_arguments(parser)
        parser.add_argument(
            "--refused", type=Path, metavar="DIR", help="Where to write the rows that are refused, to be mended."
        )

    def run(self, options: dict[str, Any]) -> list[Report]:
        directory: Path = options["directory"]
        refused = _prepared(options["refused"], directory)
        source: str = (options["source"] or directory.resolve().name).strip()[:60]
        try:
            with opened(directory) as folder:
                if folder.problems:
                    raise CommandError("\n".join(folder.problems) + " Nothing was changed.")
                for path in folder.left_out:
                    self.stdout.write(f"{path}: left out, as a text for people.")
                library = WholeLibrary(folder, source=source, rehearsing=options["dry_run"])
                reports = []
                for step in library.steps():
                    try:
                        notes = list(step.kind.expect(step.file.items.first_row)) if step.file.items.first_row else []
                    except FileError as problem:
                        raise CommandError(f"{step.file.path} {problem}") from problem
                    for note in notes:
                        self.stdout.write(f"{step.file.path}: {note}")
                    where = refused / f"{step.file.path.stem}{_ending(step.file)}" if refused else None
                    reports.append(self.load(step.file, step.kind, refused=where))
                for told in library.finish(at=timezone.now()):
                    self.stdout.write(told)
                return reports
        except FileError as problem:
            raise CommandError(f"{directory} {problem} Nothing was changed.") from problem


def _ending(file: File) -> str:
    endings: dict[Reader, str] = {csv_rows.rows: ".csv", marc_rows.exchange_rows: ".mrc", marc_rows.xml_rows: ".xml"}
    return endings.get(file.reader, ".json")


def _prepared(refused: Path | None, directory: Path) -> Path | None:
    """The directory for refused rows, made if need be. Raises CommandError."""
    if refused is None:
        return None
    try:
        refused.mkdir(exist_ok=True)
    except OSError as error:
        raise CommandError(f"--refused: {refused} cannot be made: {error.strerror}.") from error
    if refused.resolve() == directory.resolve():
        raise CommandError("--refused must not be the directory that is imported.")
    return refused
