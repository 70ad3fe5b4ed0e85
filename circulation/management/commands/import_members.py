"""Members from files of any kind."""

from collections.abc import Mapping

from circulation.imports.branches import branches, categories
from circulation.imports.columns import MEMBER
from circulation.imports.command import AnyKind, FileImport, is_challenge
from circulation.imports.formats.files import MARC
from circulation.imports.formats.reading import File
from circulation.imports.formats.rows import FileError
from circulation.imports.members import Members
from circulation.imports.people import People


class Command(FileImport):
    help = (
        "Imports members from CSV, JSON and SQL files; what kind a file is, its content tells. Another run changes "
        "what differs. docs/import.md says more. "
        "Ends with 1 if a row was refused, or a file cannot be read: then nothing is changed."
    )
    table = People.table
    fields = MEMBER

    def kind_for(self, file: File, columns: tuple[str, ...], named: Mapping[str, str], source: str) -> AnyKind:
        if file.reader in MARC:
            raise FileError("is a file of catalogue records. Import it with import_books.")
        if not named and is_challenge(columns, "membername"):
            return Members()
        return People(source=source, branches=branches(), categories=categories(), named=named)
