"""A whole library from a directory of files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from circulation.imports.command import Import, runnable, source_named
from circulation.imports.files import printable
from circulation.imports.formats.reading import File
from circulation.imports.formats.rows import FileError
from circulation.imports.loading import Report
from circulation.imports.refused import ENDINGS
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
        source = source_named(directory, options["source"])
        refused = _made(options["refused"])
        again = runnable("import_library", str(refused), "--source", source)
        try:
            with opened(directory) as folder:
                if folder.problems:
                    raise CommandError("\n".join(map(printable, folder.problems)) + " Nothing was changed.")
                for path in folder.left_out:
                    self.say(f"{path}: left out, as a text for people.")
                library = WholeLibrary(folder, source=source)
                reports = []
                for file, table, kind in library.steps():
                    for note in kind.expect(file.items.names(table)):
                        self.say(f"{file.path}: {note}")
                    where = refused / f"{file.path.name}{_ending(file)}" if refused else None
                    reports.append(self.load(file, kind, table=table, refused=where, again=again))
                for told in library.finish(at=timezone.now()):
                    self.say(told)
                return reports
        except FileError as problem:
            raise CommandError(printable(f"{directory} {problem} Nothing was changed.")) from problem
        finally:
            if refused and not any(refused.iterdir()):
                refused.rmdir()


def _ending(file: File) -> str:
    """What is added to the name of a file for its refused rows, which may be of another format."""
    ending = ENDINGS.get(file.reader, ".json")
    return "" if file.path.suffix.lower() == ending else ending


def _made(refused: Path | None) -> Path | None:
    """The directory for refused rows. Raises CommandError unless it is new."""
    if refused is None:
        return None
    try:
        refused.mkdir()
    except OSError as error:
        raise CommandError(f"--refused: {refused} cannot be made: {error.strerror}.") from error
    return refused
