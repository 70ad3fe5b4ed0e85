"""Members from files of any kind."""

from collections.abc import Mapping
from typing import Any

from circulation.imports.branches import branches, categories
from circulation.imports.columns import MEMBER
from circulation.imports.command import AnyKind, FileImport, is_challenge, source_named
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
    fields = MEMBER

    def kind_for(self, file: File, named: Mapping[str, str], options: dict[str, Any]) -> AnyKind:
        if file.reader in MARC:
            raise FileError("is a file of catalogue records. Import it with import_books.")
        if not named and is_challenge(file.items.first_row, "memberid", "membername"):
            return Members()
        return People(
            source=source_named(file, options),
            branches=branches(rehearsing=options["dry_run"]),
            categories=categories(rehearsing=options["dry_run"]),
            named=named,
        )
