"""Titles and their copies from files of any kind."""

from collections.abc import Mapping
from typing import Any

from circulation.imports.branches import branches
from circulation.imports.catalogue import Catalogue
from circulation.imports.columns import TITLE
from circulation.imports.command import AnyKind, FileImport, is_challenge, source_named
from circulation.imports.formats.reading import File
from circulation.imports.titles import Titles


class Command(FileImport):
    help = (
        "Imports titles from CSV, MARC 21 (MARC-8 or UTF-8), MARCXML, JSON and SQL files; what kind a file is, its "
        "content tells. Another run changes what differs and adds copies; it never takes any away. docs/import.md "
        "says more. Ends with 1 if a row was refused, or a file cannot be read: then nothing is changed."
    )
    fields = TITLE

    def kind_for(self, file: File, named: Mapping[str, str], options: dict[str, Any]) -> AnyKind:
        if not named and is_challenge(file.items.first_row, "bookid", "bookname", "numberofcopies"):
            return Titles()
        places = branches(rehearsing=options["dry_run"])
        return Catalogue(source=source_named(file, options), branches=places, named=named)
